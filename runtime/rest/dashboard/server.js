/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Requests to the server this page came from, and to nobody else. */
import {token} from "./token.js";

/* An answer that is not 2xx, or none at all (status 0). */
class Refused extends Error {
    constructor(status, problem, retryAfter) {
        super(problem?.detail || problem?.title || (status ? `the server answered ${status}` : "the server does not answer"));
        this.status = status;
        this.problem = problem;
        this.retryAfter = retryAfter;
    }
}

const unauthorized = [];

/* Called when the server has refused the token, or wants one. */
export function onUnauthorized(listener) {
    unauthorized.push(listener);
}

/* Integers that a double cannot hold stay exact, where the browser tells how they were written. */
function exactIntegers(key, value, context) {
    if (typeof value === "number" && !Number.isSafeInteger(value) && context && /^-?\d+$/.test(context.source)) {
        return BigInt(context.source);
    }
    return value;
}

export function parse(text) {
    return text.trim() === "" ? null : JSON.parse(text, exactIntegers);
}

/* An address below where the actors application is mounted; what would lead to another server is refused. */
export function address(path) {
    const url = new URL(path.replace(/^\/+/, ""), document.baseURI);
    if (url.origin !== location.origin) throw new Refused(0, {detail: "This is on another server."});
    return url;
}

export function headers(more = {}) {
    const all = {Accept: "application/json", ...more};
    if (token()) all.Authorization = `Bearer ${token()}`;
    return all;
}

async function failure(response, quiet) {
    let problem = null;
    try {
        problem = parse(await response.text());
    } catch (unreadable) {
        /* the status says enough */
    }
    if (response.status === 401 && !quiet) unauthorized.forEach((listener) => listener());
    return new Refused(response.status, problem, Number(response.headers.get("Retry-After")) || 0);
}

/* The server knows no cookies, but a proxy in front of it may. The whole response; not 2xx: Refused. quiet: a 401 is only that. */
export async function open(method, path, {body, headers: more, signal, quiet} = {}) {
    let response;
    try {
        response = await fetch(address(path), {
            method, body, signal, headers: headers(body === undefined ? more : {"Content-Type": "application/json", ...more}),
            cache: "no-store", credentials: "same-origin", redirect: "error",
        });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Refused(0, null, 0);
    }
    if (!response.ok) throw await failure(response, quiet);
    return response;
}

/* The answer's JSON. `body` is JSON text, sent as it was typed: its integers keep their digits. */
export async function request(method, path, options) {
    const response = await open(method, path, options);
    return parse(await response.text());
}

/* Whether something may be changed: "yes" (the token is right, or none is needed), "no", or "unknown". */
export async function mayChange() {
    try {
        await open("POST", "/-/token", {quiet: true});
        return "yes";
    } catch (error) {
        return error.status === 401 ? "no" : "unknown";
    }
}

/* A name as a path; null if no path can say it (an actor of that name answers under its address). */
export function namePath(name) {
    const segments = name.split("/");
    if (segments.some((segment) => segment === "" || segment === "-" || segment === "." || segment === "..")) return null;
    return `/${segments.map(encodeURIComponent).join("/")}`;
}

export function actorPath(actor) {
    return (actor.name && namePath(actor.name)) || namePath(actor.address);
}
