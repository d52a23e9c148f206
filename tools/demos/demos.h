/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Behaviours to try Greenroom with: what `greenroom serve` lets anybody PUT, and what tests may use.
 *
 *   counter  args {"start": n}   messages {"add": n}   methods add (n or {"add": n}), get       state {"count": n}
 *   echo     args any            methods echo (anything), fail (raises its argument), sleep ({"ms": n})
 *   limiter  args {"rate", "burst"}; token buckets with timers, see limiter.c: methods take, wait
 *   cache    args {"ttl_ms", "max"}; values that are forgotten after a time, see cache.c: methods put, get, delete
 *   pipeline args {"tallies"}; counts words, fanned out to actors and gathered, see pipeline.c: method run
 *   chat     args any, {"port": n} to be reached by nc; a room, see chat.c: methods join, leave, say   state {"members", "said"}
 *   tree     no args; a supervisor, see tree.c: methods which_children, start_child, …; its child tree/worker crashes when told
 *   relay    args any; methods cast, call, kill, lookup, spawn, wait: does it to the address "to", here or elsewhere
 *
 * Each is a gr_server in a file of its own, written as a user would write it. */
#ifndef GREENROOM_DEMOS_H
#define GREENROOM_DEMOS_H

#include <greenroom.h>

extern const gr_behaviour demo_counter, demo_echo, demo_limiter, demo_cache, demo_pipeline, demo_chat, demo_relay,
    demo_tree;

/* Is it a string of 1 to bytes_max bytes with no U+0000 inside, so that C may take it as a key? */
bool demo_is_key(gr_value key, size_t bytes_max);

/* Registers them all, before or after gr_start. Errors: those of gr_behaviour_register. */
int demos_register(gr_detail *ret_detail);

#endif
