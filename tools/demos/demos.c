/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "demos/demos.h"

#include <string.h>

bool demo_is_key(gr_value key, size_t bytes_max)
{
    size_t bytes = gr_string_bytes(key);
    return bytes >= 1 && bytes <= bytes_max && strlen(gr_string(key, "")) == bytes;
}

int demos_register(gr_detail *ret_detail)
{
    const gr_behaviour *const all[] = {&demo_counter,  &demo_echo, &demo_limiter, &demo_cache,
                                       &demo_pipeline, &demo_chat, &demo_relay,   &demo_tree};
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof all / sizeof *all; i++) code = gr_behaviour_register(all[i], ret_detail);
    return code;
}
