/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The last minutes of the whole runtime: from counters that only grow to rates. They survive a reload of the page (in the tab's
 * storage); a restart of the server is a gap. */
import {WINDOW_MS} from "./charts.js";
import {number, quantiles, rate} from "./rates.js";

const KEY = "greenroom.samples";
const FIELDS = ["time", "messages", "requests", "p50", "p99", "http50", "http99", "load", "steals"];

let rows = [];
let before = null;
const workersBefore = new Map();

try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) || "[]");
    if (Array.isArray(kept)) rows = kept.filter((row) => Array.isArray(row) && row.length === FIELDS.length);
} catch (unreadable) {
    rows = [];
}

function sum(list, key) {
    return (list || []).reduce((total, item) => total + (number(item[key]) ?? 0), 0);
}

function gap(time) {
    rows.push([time, ...FIELDS.slice(1).map(() => null)]);
}

/* Takes what the server sent; returns the rates of each worker by its id. */
export function take(stats) {
    const time = stats.time * 1000;
    const restarted = before && (stats.uptime < before.uptime || stats.time < before.time);
    const seconds = before && !restarted ? stats.time - before.time : 0;
    if (restarted || (rows.length && time - rows[rows.length - 1][0] > 15000)) gap(rows.length ? rows[rows.length - 1][0] + 1 : time - 1);
    if (restarted) workersBefore.clear();
    const http = stats.http, then = restarted ? null : before;
    const between = (now, old) => (then ? quantiles(now?.time_us?.buckets, old?.time_us?.buckets, 50, 99) : [null, null]);
    const loads = (stats.workers || []).map((worker) => number(worker.load)).filter((load) => load !== null);
    rows.push([time, rate(stats.messages?.sent, before?.messages?.sent, seconds),
        rate(http?.requests, before?.http?.requests, seconds), ...between(stats.mailbox, then?.mailbox),
        ...between(http, then?.http), loads.length ? loads.reduce((a, b) => a + b, 0) / loads.length : null,
        rate(sum(stats.workers, "steals"), sum(before?.workers, "steals"), seconds)]);
    while (rows.length && rows[0][0] < time - WINDOW_MS - 10000) rows.shift();
    const workers = new Map((stats.workers || []).map((worker) => {
        const then = workersBefore.get(worker.id);
        return [worker.id, Object.fromEntries(["messages", "steals", "stolen", "switches"].map((key) =>
            [key, then ? rate(worker[key], then[key], seconds) : null]))];
    }));
    workersBefore.clear();
    (stats.workers || []).forEach((worker) => workersBefore.set(worker.id, worker));
    before = stats;
    return workers;
}

/* [[milliseconds, value, …]] of the named fields. */
export function series(...names) {
    const at = names.map((name) => FIELDS.indexOf(name));
    return rows.map((row) => [row[0], ...at.map((i) => row[i])]);
}

export function last(name) {
    return rows.length ? rows[rows.length - 1][FIELDS.indexOf(name)] : null;
}

window.addEventListener("pagehide", () => {
    try {
        sessionStorage.setItem(KEY, JSON.stringify(rows.map((row) => row.map((value) =>
            (value === null ? null : Math.round(value * 1000) / 1000)))));
    } catch (full) {
        /* the charts begin anew */
    }
});
