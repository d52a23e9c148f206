/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The dashboard's frame: which view the path asks for, the connection and what it says, token, theme, pause. */
import {ActorPage, allActors} from "./actor.js";
import {restyleCharts} from "./charts.js";
import {askSpawn, askToken} from "./dialogs.js";
import {announce, bdi, h, replace, setText, visible} from "./dom.js";
import {EXITS_SHOWN, Overview} from "./overview.js";
import {address, mayChange, namePath, onUnauthorized, parse, request} from "./server.js";
import {Stream} from "./stream.js";
import {hadMalformedToken, onToken, token} from "./token.js";

const INTERVAL_MS = 1000;
const HIDDEN_MS = 10000; /* a tab that nobody has looked at for so long gives its connections back: browsers have six a server */

const $ = (id) => document.getElementById(id);
let overview, actor = null, paused = false, away = false;

/* Views ------------------------------------------------------------------------------------------------------------- */

/* The name that the address bar asks for; "" is the overview. */
function wantedName() {
    const base = new URL(document.baseURI).pathname;
    const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
    try {
        return path.split("/").map(decodeURIComponent).join("/");
    } catch (malformed) {
        return path;
    }
}

/* "//evil.example", "a//b": no actor can have such a name, so nobody is asked. */
function showNowhere(name) {
    replace($("actor"), allActors(), h("h1", {class: "actor-title"}, "No such actor"),
        h("p", {class: "card", id: "nowhere"}, "No actor can have the name ", h("strong", {}, bdi(name)),
            ": its parts, between slashes, may not be empty or one of \"-\", \".\", \"..\"."));
}

function atOverview() {
    return !$("overview").hidden;
}

function show() {
    const name = wantedName();
    actor?.close();
    actor = null;
    $("overview").hidden = name !== "";
    $("actor").hidden = name === "";
    document.title = name ? `${visible(name)} – Greenroom` : "Greenroom";
    if (name) {
        const path = namePath(name);
        overview.actors.stop();
        if (path === null) {
            showNowhere(name);
        } else {
            actor = new ActorPage($("actor"), name, path);
            if (!paused && !away) actor.start();
        }
    } else {
        replace($("actor"));
        if (!paused && !away) overview.actors.start();
    }
}

function go(url) {
    history.pushState(null, "", url);
    show();
    window.scrollTo(0, 0);
    $("main").focus({preventScroll: true});
    announce(document.title);
}

document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-route]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.href);
});
window.addEventListener("popstate", show);

async function spawn() {
    const path = await askSpawn();
    if (path) go(address(path));
}

/* The connection ---------------------------------------------------------------------------------------------------- */

const TEXTS = {connecting: "Connecting", live: "Live", waiting: "Server is away", refused: "Token wanted", missing: "No events here", held: "Paused"};
let countdown;

function showConnection(state, detail) {
    clearInterval(countdown);
    $("connection").dataset.state = state;
    setText($("connection-text"), TEXTS[state]);
    $("retry").hidden = state !== "waiting";
    setText($("connection-wait"), "");
    if (state === "waiting") {
        const tick = () => setText($("connection-wait"), `, again in ${Math.max(0, Math.ceil((detail.until - Date.now()) / 1000))} s`);
        tick();
        countdown = setInterval(tick, 500);
    }
    document.body.classList.toggle("stale", state === "waiting" || state === "held");
    if (state === "live") connected();
}

function connected() {
    checkToken();
    loadExits();
    if (atOverview()) overview.actors.start();
    else if (actor?.stream.state === "waiting") actor.resume();
}

/* The stream brings what happens from now on. */
async function loadExits() {
    try {
        overview.setExits(await request("GET", `/-/exits?limit=${EXITS_SHOWN}`));
    } catch (error) {
        /* the connection's state says it */
    }
}

const stats = new Stream(`/-/events?interval=${INTERVAL_MS}`, {onEvent, onState: showConnection, silenceMs: 20000});

function onEvent(event, data) {
    const value = parse(data);
    if (event === "stats") {
        overview.showStats(value, atOverview());
        setText($("facts"), value.version ? `version ${visible(value.version)}` : "");
    } else if (event === "exits") {
        overview.addExits(value);
    }
}

function pauseAll() {
    stats.hold();
    overview.actors.stop();
    actor?.hold();
}

function resumeAll() {
    stats.start();
    actor?.resume();
}

$("retry").addEventListener("click", () => {
    stats.retry();
    actor?.stream.retry();
});
window.addEventListener("online", () => stats.retry());

$("pause").addEventListener("click", () => {
    paused = !paused;
    setText($("pause"), paused ? "Resume" : "Pause");
    if (paused) pauseAll();
    else resumeAll();
});

let leaving;
document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) {
        leaving = setTimeout(() => {
            away = true;
            if (!paused) pauseAll();
        }, HIDDEN_MS);
    } else if (away) {
        away = false;
        if (!paused) resumeAll();
    }
});

/* The token --------------------------------------------------------------------------------------------------------- */

const RIGHTS = {yes: "May change", no: "Only looks", unknown: "Token"};

async function checkToken() {
    const may = await mayChange();
    $("token").dataset.may = may;
    setText($("token"), RIGHTS[may]);
    if (may === "yes") hideNotice();
    else if (may === "no" && (token() || hadMalformedToken())) wantToken();
}

function hideNotice() {
    $("notice").hidden = true;
    replace($("notice"));
}

/* The server has refused. Said once, above everything; asking is left to the user. */
function wantToken() {
    if (!$("notice").hidden) return;
    const text = hadMalformedToken() ? "What the address has as the token is none: a token is 64 hexadecimal digits." : token() ? "The server refuses the token of this page. It may have been started anew."
        : "The server wants a token for this.";
    replace($("notice"), h("span", {}, text), " ", h("button", {type: "button", onclick: () => ask()}, "Enter the token"));
    $("notice").hidden = false;
}

async function ask() {
    await askToken();
    checkToken();
}

$("token").addEventListener("click", ask);
onUnauthorized(() => {
    if (!$("dialog").open) wantToken();
});
onToken(() => {
    hideNotice();
    if (stats.state === "refused" || stats.state === "waiting") stats.start();
    checkToken();
    if (actor) actor.resume();
});

/* The theme --------------------------------------------------------------------------------------------------------- */

const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
    return document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
}

function showTheme() {
    setText($("theme"), `Theme: ${theme()}`);
    restyleCharts();
}

$("theme").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
        localStorage.setItem("greenroom.theme", root.dataset.theme);
    } catch (refused) {
        /* until the page is left */
    }
    showTheme();
    announce(`The theme is ${theme()}.`);
});
dark.addEventListener("change", showTheme);
showTheme();

$("skip").addEventListener("click", () => $("main").focus());
$("foot").hidden = !window.Dygraph;
overview = new Overview($("overview"), {spawn});
show();
stats.start();
