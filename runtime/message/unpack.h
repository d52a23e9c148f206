/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Unpacking: plans without templates. First every value is found and checked, then all variables are written, so that a
 * failure leaves them as they were. Needs no recursion. */
#ifndef GRI_MESSAGE_UNPACK_H
#define GRI_MESSAGE_UNPACK_H

#include "message/plan.h"

#define GRI_UNPACK_DEPTH_MAX 64 /* guess: formats that people write are not deeper; a level is 48 bytes of stack */

#endif
