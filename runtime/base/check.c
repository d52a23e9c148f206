/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See check.h. The text is formatted on the stack and written with one write(2): a broken heap does not matter. */
#include "base/check.h"

#include "base/atomic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gri_atomic_ptr panic_hook_arg;
static gri_atomic_ptr panic_hook; /* a function pointer, which POSIX lets a void * carry */
static GRI_THREAD_LOCAL bool panicking;

void gri_panic_hook_set(void (*hook)(void *arg, const char *text), void *arg)
{
    gri_store_relaxed(&panic_hook_arg, arg); /* published by the store below */
    /* mo:panic.hook_set release -> panic.tell acquire: publishes the hook's argument */
    gri_store_release(&panic_hook, (void *)hook);
}

static void panic_tell(const char *text)
{
    /* mo:panic.tell acquire <- panic.hook_set release */
    void *hook = gri_load_acquire(&panic_hook);
    if (hook && !panicking) {
        panicking = true;
        ((void (*)(void *, const char *))hook)(gri_load_relaxed(&panic_hook_arg), text); /* published with the hook */
        return;
    }
    char line[GRI_PANIC_TEXT_BYTES + 32];
    int bytes = snprintf(line, sizeof line, "greenroom: panic: %s\n", text);
    if (bytes < 0) return;
    ssize_t written = write(STDERR_FILENO, line, GRI_MIN((size_t)bytes, sizeof line - 1));
    (void)written; /* there is nobody left to tell */
}

void gri_panic(const char *format, ...)
{
    char text[GRI_PANIC_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) strcpy(text, "panic text could not be formatted");
    va_end(args);
    panic_tell(text);
    abort();
}

void gri_assert_fail(const char *file, int line, const char *condition)
{
    gri_panic("invariant broken: %s (%s:%d)", condition, file, line);
}

#if GREENROOM_COVERAGE
void gri_assert(bool holds, const char *file, int line, const char *condition)
{
    if (!holds) gri_assert_fail(file, line, condition);
}
#endif
