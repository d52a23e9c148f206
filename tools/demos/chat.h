/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What the two halves of the chat demo say to each other.
 *
 *   room -> member    {"from": name, "text": …}     somebody said something
 *   member -> room    {"from": name, "text": …}     its member says something (method say of the member)
 *   member's args     {"room": address, "name": name}
 *
 * and the room and guests that come through its TCP port (chat_port.c), who are members, too:
 *   guest -> room     {"enter": name}, then {"text": …}
 *   room -> guest     {"entered": name} or {"refused": why} */
#ifndef GREENROOM_CHAT_H
#define GREENROOM_CHAT_H

#include "demos/demos.h"

#define CHAT_TEXT_BYTES_MAX 4096

extern const gr_server chat_member;

/* The actor behind the port: args {"room": address, "listener": socket's id}. */
void chat_door(gr_self *self, gr_value args);

/* Is it {"text": string} of a length that a room takes? */
bool chat_text_fits(gr_value text);

#endif
