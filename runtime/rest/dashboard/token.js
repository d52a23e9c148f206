/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The token: comes in the address's fragment ("#token=…"), which browsers send to nobody, goes into this tab's storage, and is
 * taken out of the address bar and the history at once. It leaves the tab only as a header field to this server. */

const KEY = "greenroom.token";
const listeners = [];
let current = "";

function store(text) {
    current = text;
    malformed = false;
    try {
        if (text) sessionStorage.setItem(KEY, text);
        else sessionStorage.removeItem(KEY);
    } catch (refused) {
        /* kept until the page is left */
    }
}

export function isToken(text) {
    return /^[0-9a-f]{64}$/i.test(text);
}

let malformed = false;

/* Was there something in the address that cannot be a token? */
export function hadMalformedToken() {
    return malformed;
}

/* Takes it from the fragment, if there is one. */
function take() {
    const match = /^#(?:.*&)?token=([^&]*)/.exec(location.hash);
    if (!match) return false;
    if (isToken(match[1])) store(match[1]);
    else malformed = true;
    history.replaceState(history.state, "", location.origin + location.pathname + location.search); /* whole: a path may begin with // */
    return true;
}

try {
    current = sessionStorage.getItem(KEY) || "";
} catch (refused) {
    /* none then */
}
take();
window.addEventListener("hashchange", () => {
    if (take()) listeners.forEach((listener) => listener());
});

export function token() {
    return current;
}

export function setToken(text) {
    store(text.trim());
    listeners.forEach((listener) => listener());
}

/* Called when it has changed. */
export function onToken(listener) {
    listeners.push(listener);
}
