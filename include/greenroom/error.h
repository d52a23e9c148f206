/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Error codes: 0 is success, everything else negative. One table makes the codes, their names and their texts. */
#ifndef GR_ERROR_H
#define GR_ERROR_H

#include <greenroom/api.h>

GR_BEGIN_DECLS

/* X(name, number, text) */
#define GR_ERRORS(X) \
    X(GR_EINVAL, -1, "invalid argument") \
    X(GR_ENOMEM, -2, "out of memory") \
    X(GR_EDEAD, -3, "the actor is dead") \
    X(GR_EKILLED, -4, "this actor has been killed") \
    X(GR_ETIMEOUT, -5, "the deadline passed") \
    X(GR_EFULL, -6, "full: mailbox bound or message memory limit reached") \
    X(GR_EMETHOD, -7, "the receiver has no such method") \
    X(GR_EEXCEPTION, -8, "the other side raised an exception") \
    X(GR_ENOTCALL, -9, "the message is no call, or was answered already") \
    X(GR_EFORMAT, -10, "format string and arguments do not fit") \
    X(GR_ETYPE, -11, "a value has another type than asked for") \
    X(GR_ERANGE, -12, "a number is out of range") \
    X(GR_ENOTFOUND, -13, "not found") \
    X(GR_EEXISTS, -14, "exists already") \
    X(GR_ESYNTAX, -15, "syntax error") \
    X(GR_EDEPTH, -16, "nested too deeply") \
    X(GR_ETOOBIG, -17, "too big") \
    X(GR_ECONTEXT, -18, "called from the wrong thread or context") \
    X(GR_ESUSPEND, -19, "would suspend where suspending is forbidden") \
    X(GR_EDEADLK, -20, "would wait for itself forever") \
    X(GR_EFORKED, -21, "the process is a fork of the one that started the runtime") \
    X(GR_ENOTRUNNING, -22, "the runtime is not running, or is stopping") \
    X(GR_ECONFLICT, -23, "conflicts with options in force") \
    X(GR_EENV, -24, "bad environment variable") \
    X(GR_EUNSUPPORTED, -25, "not supported") \
    X(GR_ESYSTEM, -26, "a system call failed") \
    X(GR_ECLOSED, -27, "closed") \
    X(GR_EINUSE, -28, "in use") \
    X(GR_ETLS, -29, "TLS failed: the peer is not trusted, or does not understand") \
    X(GR_EUNREACHABLE, -30, "the other host cannot be reached: nothing has happened there") \
    X(GR_EDENIED, -31, "not permitted")

#define GR_ERROR_ENUMERATOR(name, number, text) name = number,
enum gr_error { GR_OK = 0, GR_ERRORS(GR_ERROR_ENUMERATOR) };
#undef GR_ERROR_ENUMERATOR

/* Where and why a call failed, for calls that have no `self` to keep it (see gr_error_detail).
 * line and column count from 1, byte from 0; all zero when they do not apply. */
typedef struct gr_detail {
    uint32_t line, column;
    uint64_t byte;
    char text[240]; /* NUL-terminated, one line, never empty after a failure */
} gr_detail;

/* The name ("GR_EDEAD") and the text of a code; "GR_E?" and "unknown error" for what is not in the table. Static strings. */
GR_ANY_THREAD const char *gr_error_name(int code);
GR_ANY_THREAD const char *gr_error_text(int code);

GR_END_DECLS

#endif
