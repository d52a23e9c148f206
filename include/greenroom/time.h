/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Deadlines: absolute points on the monotonic clock, so that they compose through layers. A bare integer does not compile.
 * Under GREENROOM_SIMULATE the clock is virtual. */
#ifndef GR_TIME_H
#define GR_TIME_H

#include <greenroom/api.h>

GR_BEGIN_DECLS

/* Nanoseconds on the runtime's monotonic clock; INT64_MIN has always passed, INT64_MAX never does. */
typedef struct gr_deadline {
    int64_t ns;
} gr_deadline;

#ifdef __cplusplus
#define GR_NOW (gr_deadline{INT64_MIN})
#define GR_FOREVER (gr_deadline{INT64_MAX})
#else
#define GR_NOW ((gr_deadline){INT64_MIN})
#define GR_FOREVER ((gr_deadline){INT64_MAX})
#endif

/* The clock in nanoseconds. */
GR_ANY_THREAD int64_t gr_now_ns(void);

/* The deadline that many microseconds, milliseconds or seconds from now. What is negative has passed; what would
 * overflow is GR_FOREVER. */
GR_ANY_THREAD gr_deadline gr_after_us(int64_t us);
GR_ANY_THREAD gr_deadline gr_after_ms(int64_t ms);
GR_ANY_THREAD gr_deadline gr_after_s(double s);

GR_END_DECLS

#endif
