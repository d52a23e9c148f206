/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The last minutes of the whole runtime: from counters that only grow to rates. They survive a reload of the page (in the tab's
 * storage); a restart of the server is a gap. */
import {WINDOW_MS} from "./charts.js";

const KEY = "greenroom.samples";
const FIELDS = ["time", "messages", "requests", "p50", "p99", "steals"];

let rows = [];
let before = null;
const workersBefore = new Map();

try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) || "[]");
    if (Array.isArray(kept)) rows = kept.filter((row) => Array.isArray(row) && row.length === FIELDS.length);
} catch (unreadable) {
    rows = [];
}

function number(value) {
    return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function sum(list, key) {
    return (list || []).reduce((total, item) => total + (number(item[key]) ?? 0), 0);
}

/* How much a counter has grown in a second; null when that cannot be said. */
export function rate(now, then, seconds) {
    return number(now) === null || number(then) === null || now < then || !(seconds > 0) ? null : (now - then) / seconds;
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
    const times = stats.mailbox?.time_us, http = stats.http;
    rows.push([time, rate(stats.messages?.sent, before?.messages?.sent, seconds),
        rate(http?.requests, before?.http?.requests, seconds), number(times?.p50), number(times?.p99),
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
