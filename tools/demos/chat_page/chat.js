/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A member of a chat room in a browser. Everything goes over the actors' own routes (chat.c says what a room understands): join
 * spawns the member, its events bring what it hears, say is a call of the member; leaving the page leaves the room. Whoever comes
 * by nc to the room's port is in the same room. */
import {askToken} from "../../-/dashboard/dialogs.js";
import {bdi, field, h, replace, setText, visible} from "../../-/dashboard/dom.js";
import {actorPath, address, headers, namePath, onUnauthorized, parse, request} from "../../-/dashboard/server.js";
import {Stream} from "../../-/dashboard/stream.js";

const $ = (id) => document.getElementById(id);
const PORT_ANY = {behaviour: "chat", args: {port: 0}};
const STATES = {connecting: "Coming in", live: "In the room", waiting: "Server is away", refused: "Token wanted", missing: "The room is closed", held: "Not in a room"};

let here = null; /* {room, name, path of the room, of the member, streams, how much has been heard} */

/* Coming in ---------------------------------------------------------------------------------------------------------- */

const room = field("Room", h("input", {type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "none",
    value: new URLSearchParams(location.search).get("room") || "lobby"}), "opened if there is none of this name");
const name = field("Your name", h("input", {type: "text", autocomplete: "off", spellcheck: "false"}));
$("enter").append(room.row, name.row, h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary"}, "Enter")));

async function join(path, who) {
    const body = JSON.stringify({name: who});
    try {
        return await request("POST", `${path}/-/call/join`, {body});
    } catch (error) {
        if (error.status !== 404) throw error;
    }
    await request("PUT", path, {body: JSON.stringify(PORT_ANY)});
    return request("POST", `${path}/-/call/join`, {body});
}

function why(error) {
    const report = error.problem?.exception;
    return visible(typeof report?.description === "string" ? report.description : error.message);
}

$("enter").addEventListener("submit", async (event) => {
    event.preventDefault();
    const path = namePath(room.input.value.trim()), who = name.input.value.trim();
    room.error(path ? null : "A name that a path can hold, please.");
    if (!path) return;
    name.error(who ? null : "A name, please.");
    if (!who) return;
    try {
        const member = await join(path, who);
        enter(room.input.value.trim(), path, who, actorPath({name: member.name, address: member.address?._pyact_address}));
    } catch (error) {
        if (error.status !== 401) name.error(why(error));
    }
});

/* Inside ------------------------------------------------------------------------------------------------------------- */

function enter(title, roomPath, who, memberPath) {
    const member = new Stream(`${memberPath}/-/events`, {onEvent: heard, onState: connection});
    const members = new Stream(`${roomPath}/-/events`, {onEvent: roomChanged, onState() {}});
    here = {title, who, roomPath, memberPath, streams: [member, members], heard: 0};
    replace($("log"), line("news", null, `You are ${visible(who)}. What is said from now on comes here.`));
    replace($("room-title"), bdi(title));
    $("door").hidden = true;
    $("room").hidden = false;
    document.title = `${visible(title)} – Chat`;
    history.replaceState(null, "", `${location.pathname}?${new URLSearchParams({room: title})}`);
    here.streams.forEach((stream) => stream.start());
    $("text").focus();
}

function outside(text) {
    here?.streams.forEach((stream) => stream.stop());
    here = null;
    $("room").hidden = true;
    $("door").hidden = false;
    connection("held");
    name.error(text);
    name.input.focus();
}

function connection(state) {
    $("connection").dataset.state = state;
    setText($("connection-text"), STATES[state]);
    if (state === "missing") outside("You are not in the room any more.");
}

function line(kind, from, text) {
    return h("li", {class: `line ${kind}`}, from === null ? null : h("span", {class: "from"}, bdi(from)), h("span", {}, bdi(text)));
}

/* The member keeps what it heard last, and counts what it has forgotten: so we know what is new. */
function heard(event, data) {
    if (event === "exit") return void outside("You are not in the room any more.");
    if (event !== "state") return;
    const state = parse(data), list = state.heard || [], first = Number(state.missed || 0), log = $("log");
    const down = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (first > here.heard) log.append(line("news", null, `${first - here.heard} lines went by too fast.`));
    log.append(...list.slice(Math.max(0, here.heard - first)).map((one) => line(one.from === here.who ? "mine" : "", one.from, String(one.text))));
    here.heard = Math.max(here.heard, first + list.length);
    if (down) log.scrollTop = log.scrollHeight;
}

function roomChanged(event, data) {
    if (event !== "state") return;
    const state = parse(data);
    replace($("members"), (state.members || []).map((one) => h("li", {}, bdi(one), one === here?.who ? h("span", {class: "muted"}, " (you)") : null)));
    $("nc").hidden = !state.listens;
    if (state.listens) replace($("nc"), "Or from a terminal: ", h("code", {}, `nc ${visible(state.listens.replace(":", " "))}`));
}

$("say").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("text").value;
    if (!text || !here) return;
    $("problem").hidden = true;
    try {
        await request("POST", `${here.memberPath}/-/call/say`, {body: JSON.stringify({text})});
        $("text").value = "";
    } catch (error) {
        $("problem").hidden = false;
        $("problem").textContent = why(error);
    }
});

/* A request that outlives the page. */
function leave() {
    if (!here) return;
    fetch(address(`${here.roomPath}/-/call/leave`), {method: "POST", keepalive: true, body: JSON.stringify({name: here.who}),
        headers: headers({"Content-Type": "application/json"})}).catch(() => {});
}

$("leave").addEventListener("click", () => {
    leave();
    outside(null);
});
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", (event) => {
    if (event.persisted && here) outside("You left the room with the page.");
});

$("token").addEventListener("click", () => askToken());
onUnauthorized(() => askToken("The server wants a token for this."));
