/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Ordinary memory as the explorer sees it. A program that includes this file is compiled with -fsanitize=thread, but linked with
 * accesses.c in place of that sanitizer's library: each access to memory in the sources that it includes is checked for races in
 * the model, whether or not it is spelled gri_plain_read. Where the compiler cannot (the sanitizer flavours, clang), only those
 * that are. Functions that the sources name and the program never comes to may be missing: such programs are linked so that
 * calling one ends them. */
#ifndef GR_TESTS_EXPLORE_ACCESSES_H
#define GR_TESTS_EXPLORE_ACCESSES_H

/* Of a function: what it touches is the program's own and no part of what is explored. */
#if defined(__clang__)
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define UNSEEN __attribute__((no_sanitize("thread"), noipa)) /* or what it reads may be read by its caller */
#endif

#endif
