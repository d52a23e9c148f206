/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What happened between two looks at counters that only grow. Pure. */

/* null for what is no number. */
export function number(value) {
    return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/* How much a counter has grown in a second; null when that cannot be said. */
export function rate(now, then, seconds) {
    return number(now) === null || number(then) === null || now < then || !(seconds > 0) ? null : (now - then) / seconds;
}

/* What so many of a hundred have not exceeded between two looks at the same buckets; nulls when there was nothing. */
export function quantiles(now, then, ...hundredths) {
    const old = new Map(), fresh = [];
    for (const [limit, howMany] of then || []) old.set(limit, (old.get(limit) ?? 0) + howMany);
    for (const [limit, howMany] of now || []) {
        const known = Math.min(howMany, old.get(limit) ?? 0);
        old.set(limit, (old.get(limit) ?? 0) - known);
        if (howMany > known) fresh.push([limit, howMany - known]);
    }
    const all = fresh.reduce((total, [, howMany]) => total + howMany, 0);
    return hundredths.map((share) => {
        let seen = 0;
        const found = fresh.sort((a, b) => a[0] - b[0]).find(([, howMany]) => (seen += howMany) * 100 >= all * share);
        return found ? found[0] : null;
    });
}
