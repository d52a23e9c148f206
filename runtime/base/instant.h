/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Points in time: nanoseconds on the monotonic clock (os/clock.h), signed, saturating instead of wrapping. */
#ifndef GRI_BASE_INSTANT_H
#define GRI_BASE_INSTANT_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

typedef int64_t gri_instant;

#define GRI_INSTANT_NEVER INT64_MAX /* later than every other instant: a deadline that does not come */
#define GRI_INSTANT_PAST INT64_MIN  /* earlier than every other instant: a deadline that has passed */

#define GRI_NS_PER_US INT64_C(1000)
#define GRI_NS_PER_MS INT64_C(1000000)
#define GRI_NS_PER_S INT64_C(1000000000)

/* `ns` after `from`. NEVER stays NEVER and PAST stays PAST whatever is added; overflow gives NEVER or PAST. */
GRI_INLINE gri_instant gri_instant_add(gri_instant from, int64_t ns)
{
    if (from == GRI_INSTANT_NEVER || from == GRI_INSTANT_PAST) return from;
    gri_instant sum;
    if (__builtin_add_overflow(from, ns, &sum)) return ns > 0 ? GRI_INSTANT_NEVER : GRI_INSTANT_PAST;
    return sum;
}

/* How long from `now` until `then`: 0 if it has passed, INT64_MAX for NEVER and for what does not fit. */
GRI_INLINE int64_t gri_instant_until(gri_instant now, gri_instant then)
{
    int64_t ns;
    if (then <= now) return 0;
    if (then == GRI_INSTANT_NEVER || __builtin_sub_overflow(then, now, &ns)) return INT64_MAX;
    return ns;
}

GRI_INLINE bool gri_instant_passed(gri_instant now, gri_instant deadline)
{
    return now >= deadline && deadline != GRI_INSTANT_NEVER;
}

/* Durations to nanoseconds, saturating; the sign is kept. */
GRI_INLINE int64_t gri_ns_times(int64_t count, int64_t unit_ns)
{
    int64_t ns;
    if (__builtin_mul_overflow(count, unit_ns, &ns)) return (count < 0) == (unit_ns < 0) ? INT64_MAX : INT64_MIN;
    return ns;
}

GRI_INLINE int64_t gri_ns_from_us(int64_t us)
{
    return gri_ns_times(us, GRI_NS_PER_US);
}

GRI_INLINE int64_t gri_ns_from_ms(int64_t ms)
{
    return gri_ns_times(ms, GRI_NS_PER_MS);
}

GRI_INLINE int64_t gri_ns_from_s(int64_t s)
{
    return gri_ns_times(s, GRI_NS_PER_S);
}

#endif
