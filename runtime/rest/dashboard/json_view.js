/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A JSON value to read: indented, coloured by type, addresses as links, all of it text. Big values are cut, and say so. */
import {h, visible} from "./dom.js";
import {actorPath} from "./server.js";

const NODES_MAX = 1500;
const TEXT_MAX = 2000;
const INDENT = "  ";

function span(kind, text) {
    return h("span", {class: `json-${kind}`}, text);
}

function quoted(text) {
    const shown = text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) : text;
    return visible(JSON.stringify(shown)) + (shown === text ? "" : ` … ${text.length - shown.length} more characters`);
}

function isAddress(value) {
    return typeof value._pyact_address === "string" && Object.keys(value).length === 1;
}

function link(value) {
    const path = actorPath({address: value._pyact_address});
    const text = visible(value._pyact_address);
    return path && !/^[a-z]+:/.test(value._pyact_address) ? h("a", {href: path.slice(1), "data-route": true}, text) : span("string", text);
}

function scalar(value) {
    if (value === null) return span("null", "null");
    if (typeof value === "string") return span("string", quoted(value));
    if (typeof value === "boolean") return span("bool", String(value));
    return span("number", String(value));
}

function isSmall(value) {
    return Object.values(value).every((item) => item === null || typeof item !== "object") &&
        JSON.stringify(value, (key, item) => (typeof item === "bigint" ? String(item) : item)).length < 60;
}

function put(out, value, indent, budget) {
    if (budget.left-- <= 0) {
        if (budget.left === -1) out.push(span("cut", "… the rest is not shown"));
        return;
    }
    if (value === null || typeof value !== "object") {
        out.push(scalar(value));
        return;
    }
    if (isAddress(value)) {
        out.push(link(value));
        return;
    }
    const list = Array.isArray(value), entries = list ? value.map((item) => [null, item]) : Object.entries(value);
    const flat = isSmall(value), deeper = indent + INDENT;
    out.push(list ? "[" : "{");
    entries.every(([key, item], i) => {
        if (budget.left < 0) return false;
        out.push(i ? (flat ? ", " : `,\n${deeper}`) : flat ? "" : `\n${deeper}`);
        if (key !== null) out.push(span("key", quoted(key)), ": ");
        put(out, item, deeper, budget);
        return true;
    });
    out.push(flat || !entries.length ? "" : `\n${indent}`, list ? "]" : "}");
}

/* The children of a <pre>. */
export function jsonNodes(value) {
    const out = [];
    put(out, value, "", {left: NODES_MAX});
    return out;
}

export function jsonBlock(value) {
    return h("pre", {class: "json", tabindex: "0", role: "group", "aria-label": "JSON"}, jsonNodes(value));
}
