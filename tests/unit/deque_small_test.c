/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The same with a ring of 4: full, wrapped and raced for all the time. */
#include "unit/deque_test.c"
