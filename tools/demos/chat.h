/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the two halves of the chat demo say to each other.
 *
 *   room -> member    {"from": name, "text": …}     somebody said something
 *   member -> room    {"from": name, "text": …}     its member says something (method say of the member)
 *   member's args     {"room": address, "name": name} */
#ifndef GREENROOM_CHAT_H
#define GREENROOM_CHAT_H

#include "demos/demos.h"

#define CHAT_TEXT_BYTES_MAX 4096

extern const gr_server chat_member;

/* Is it {"text": string} of a length that a room takes? */
bool chat_text_fits(gr_value text);

#endif
