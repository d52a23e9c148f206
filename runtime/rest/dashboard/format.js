/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Numbers for people. What is not known is a dash. */

const NONE = "–";
const SPACE = "\u00a0";

function known(number) {
    return typeof number === "number" && Number.isFinite(number);
}

function significant(number) {
    const size = Math.abs(number);
    return size >= 100 ? number.toFixed(0) : size >= 10 ? number.toFixed(1).replace(/\.0$/, "")
        : number.toFixed(2).replace(/\.?0+$/, "");
}

function scaled(number, step, units) {
    let unit = 0;
    while (unit + 1 < units.length && Math.abs(number) >= step * 0.9995) number /= step, unit++;
    return significant(number) + (units[unit] ? SPACE + units[unit] : "");
}

/* Every digit, in groups. */
export function exact(number) {
    if (typeof number !== "bigint" && !known(number)) return NONE;
    return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/* 950, 1 250, 12.3 k, 4.1 M */
export function count(number) {
    if (!known(number)) return NONE;
    if (Math.abs(number) >= 10000) return scaled(number, 1000, ["", "k", "M", "G", "T", "P"]);
    return Number.isInteger(number) || Math.abs(number) >= 1000 ? exact(Math.round(number)) : significant(number);
}

export function bytes(number) {
    return known(number) ? scaled(number, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : NONE;
}

export function micros(number) {
    if (!known(number)) return NONE;
    if (number < 1) return number === 0 ? `0${SPACE}µs` : `<1${SPACE}µs`;
    return number < 1e6 ? scaled(number, 1000, ["µs", "ms"]) : duration(number / 1e6);
}

export function percent(share) {
    return known(share) ? `${Math.round(share * 100)}${SPACE}%` : NONE;
}

/* 45 s, 12 min 5 s, 3 h 20 min, 8 d 4 h */
export function duration(seconds) {
    if (!known(seconds)) return NONE;
    if (seconds < 60) return `${significant(Math.max(0, seconds))}${SPACE}s`;
    const whole = Math.floor(seconds);
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const first = parts.findIndex(([size]) => whole >= size);
    const high = Math.floor(whole / parts[first][0]), rest = whole - high * parts[first][0];
    const low = Math.floor(rest / parts[first + 1][0]);
    return `${high}${SPACE}${parts[first][1]}${low ? ` ${low}${SPACE}${parts[first + 1][1]}` : ""}`;
}

/* The time of day of seconds since 1970. */
export function clock(seconds) {
    return known(seconds) ? new Date(seconds * 1000).toLocaleTimeString([], {hour12: false}) : NONE;
}

const STEPS_S = [5, 10, 15, 30, 60, 120, 180, 300];
export const TICK_PIXELS = 74;

/* Times below a chart: at round ones, as many as there is room for, and none below the numbers at its left. dygraphs' own choice
 * leaves narrow charts with one. */
export function ticks(from, to, pixels) {
    const room = Math.max(1, Math.floor(pixels / TICK_PIXELS));
    const step = 1000 * (STEPS_S.find((seconds) => (to - from) / 1000 / seconds <= room) ?? STEPS_S[STEPS_S.length - 1]);
    const list = [];
    for (let v = Math.ceil(from / step) * step; v <= to; v += step) list.push({v, label: clock(v / 1000)});
    const apart = list.filter(({v}) => (v - from) / (to - from) * pixels >= TICK_PIXELS / 2);
    return apart.length ? apart : list;
}
