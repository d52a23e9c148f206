/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What code compiled with -fsanitize=thread calls (accesses.h), handed to the model. Accesses are told apart by the word of eight
 * bytes or the part of one that they begin at. */
#include "explore/engine.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* no program is compiled so there */

static void see(const void *address, size_t bytes, bool write, const void *caller)
{
    static const explore_site reads = {"memory", "read", 0}, writes = {"memory", "write", 0};
    if (engine_self == 0) return; /* before all threads, or after them */
    const char *at = address, *end = at + bytes;
    while (at < end) {
        explore_plain_from(at, write, write ? &writes : &reads, caller);
        at += 8 - ((uintptr_t)at & 7);
    }
}

#define SEEN(name, bytes, write) \
    void name(void *address); \
    void name(void *address) \
    { \
        see(address, bytes, write, __builtin_return_address(0)); \
    }
#define SEEN_BOTH(suffix, bytes) SEEN(__tsan_read##suffix, bytes, false) SEEN(__tsan_write##suffix, bytes, true)
SEEN_BOTH(1, 1)
SEEN_BOTH(2, 2)
SEEN_BOTH(4, 4)
SEEN_BOTH(8, 8)
SEEN_BOTH(16, 16)
#define SEEN_UNALIGNED(suffix, bytes) \
    SEEN(__tsan_unaligned_read##suffix, bytes, false) SEEN(__tsan_unaligned_write##suffix, bytes, true)
SEEN_UNALIGNED(2, 2)
SEEN_UNALIGNED(4, 4)
SEEN_UNALIGNED(8, 8)
SEEN_UNALIGNED(16, 16)

void __tsan_read_range(void *address, size_t bytes);
void __tsan_read_range(void *address, size_t bytes)
{
    see(address, bytes, false, __builtin_return_address(0));
}

void __tsan_write_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes)
{
    see(address, bytes, true, __builtin_return_address(0));
}

#define IGNORED(name) \
    void name(void); \
    void name(void) \
    { \
    }
IGNORED(__tsan_init)
IGNORED(__tsan_func_entry)
IGNORED(__tsan_func_exit)
IGNORED(__tsan_vptr_update)

#endif
