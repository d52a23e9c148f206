/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One actor: what it publishes, as it changes (a stream of its own); facts about it, asked for every second; its end; and the
 * forms that send, call and kill. */
import {Chart, dropChart} from "./charts.js";
import {announce, bdi, h, replace, setAttribute, setText, visible} from "./dom.js";
import {askKill} from "./dialogs.js";
import {callForm, messageForm} from "./forms.js";
import {bytes, clock, count, duration, exact} from "./format.js";
import {jsonBlock, jsonNodes} from "./json_view.js";
import {reportBlock, WORDS} from "./report.js";
import {rate} from "./rates.js";
import {actorPath, parse, request} from "./server.js";
import {Stream} from "./stream.js";

const INTERVAL_MS = 100; /* between two states: what comes faster is left out, the newest never */
const INFO_MS = 1000;
const ROWS_MAX = 330;
const LINKS_SHOWN = 50;
const LINKS_NAMED = 20; /* a request each, when they change */

/* [key of the information, label, how to show it] */
const FACTS = [
    ["address", "Address", String], ["kind", "Kind", String], ["waits_for", "Waits for", (value, info) => (value
        ? `${value}${typeof info.waits_since_ms === "number" ? `, for ${duration(info.waits_since_ms / 1000)}` : ""}` : "–")],
    ["mailbox", "Mailbox", (value, info) => (info.mailbox_max ? `${exact(value)} of ${exact(info.mailbox_max)}` : exact(value))],
    ["messages", "Messages", exact], ["publications", "Published", (value) => (value === 1 ? "once" : `${exact(value)} times`)], ["memory", "Memory", bytes],
    ["stack", "Stack", (value) => (value === 0 ? "none" : bytes(value))], ["worker", "Worker", (value) => (value === null || value === undefined ? "–" : String(value))],
    ["monitors", "Monitored by", exact],
];

export function allActors() {
    return h("p", {}, h("a", {href: "./", "data-route": true}, "← All actors"));
}

export class ActorPage {
    constructor(root, name, path) {
        this.root = root;
        this.name = name;
        this.path = path;
        this.rows = [];
        this.before = null;
        this.behaviourShown = undefined;
        this.changes = 0;
        this.leaving = new AbortController();
        this.alive = undefined; /* until it is known */
        this.build();
        this.stream = new Stream(`${path}/-/events?interval=${INTERVAL_MS}`, {onEvent: (event, data) => this.onEvent(event, data),
            onState: (state) => this.onState(state)});
    }

    build() {
        this.title = h("h1", {class: "actor-title"}, bdi(this.name));
        this.behaviour = h("span", {class: "muted"});
        this.badge = h("span", {class: "badge"}, "…");
        this.kill = h("button", {type: "button", class: "danger", onclick: () => this.askKill()}, "Kill");
        this.state = h("pre", {class: "json", id: "state", tabindex: "0", role: "group", "aria-labelledby": "state-title"}, "…");
        this.changed = h("span", {class: "muted", id: "changes"});
        this.facts = h("dl", {class: "facts"});
        this.factCells = Object.fromEntries(FACTS.map(([key, label]) => {
            const cell = h("dd", {"data-fact": key}, "–");
            this.facts.append(h("div", {}, h("dt", {}, label), cell));
            return [key, cell];
        }));
        this.links = h("ul", {class: "links"});
        this.methods = h("datalist", {id: "methods"});
        this.names = h("p", {class: "muted names", hidden: true});
        this.full = h("p", {class: "warning", id: "full", role: "status", hidden: true}, "The mailbox is full: messages are refused.");
        this.end = h("section", {class: "card end", id: "end", "aria-labelledby": "end-title", hidden: true});
        this.chart = new Chart("Mailbox", [{label: "waiting"}, {label: "messages/s"}], count, {top: 4});
        replace(this.root, allActors(),
            h("div", {class: "actor-head"}, h("div", {}, this.title, h("p", {class: "under-title"}, this.badge, " ", this.behaviour)), this.kill),
            this.names, this.full, this.end,
            h("div", {class: "columns wide-left"},
                h("div", {class: "column"}, h("section", {class: "card", "aria-labelledby": "state-title"},
                    h("div", {class: "card-head"}, h("h2", {id: "state-title"}, "Published state"), this.changed), this.state), this.chart.element),
                h("section", {class: "card", "aria-labelledby": "facts-title"}, h("h2", {id: "facts-title"}, "Facts"), this.facts,
                    h("h3", {}, "Links"), this.links)),
            h("div", {class: "columns"}, messageForm(this.path), callForm(this.path, this.methods)));
    }

    start() {
        this.stream.start();
        this.askInfo();
    }

    hold() {
        this.stream.hold();
        this.holding = true;
        clearTimeout(this.timer);
        this.aborter?.abort();
    }

    resume() {
        this.holding = false;
        this.start();
    }

    close() {
        this.hold();
        this.leaving.abort();
        dropChart(this.chart);
    }

    onState(state) {
        if (state !== "connecting") this.showChanges(state === "waiting" || state === "held");
        if (state === "live") {
            this.askInfo();
        } else if (state === "missing") {
            setText(this.badge, "not there");
            setAttribute(this.badge, "class", "badge state-gone");
            setAttribute(this.kill, "disabled", "");
            if (this.alive !== false) this.end.hidden = true; /* it ended while nobody looked, or was never there */
            this.alive = false;
            if (this.end.hidden) this.showMissing();
        }
    }

    onEvent(event, data) {
        if (event === "state") this.showState(data);
        if (event === "exit") this.showEnd(parse(data));
    }

    showState(text) {
        if (text !== this.text) this.changes++; /* a new connection begins with the state that we may have */
        this.text = text;
        if (!this.alive) this.showLast();
        this.alive = true;
        setAttribute(this.kill, "disabled", null);
        replace(this.state, jsonNodes(parse(text)));
        this.showChanges(false);
    }

    /* Nothing is known of what happens while the server is away, or the page is held. */
    showChanges(away) {
        if (!this.changes) return;
        setText(this.changed, away ? "as last seen" : this.changes > 1 ? `changed ${this.changes === 2 ? "once" : `${exact(this.changes - 1)} times`} while you look` : "live");
    }

    /* How the last one of this name, or this address, ended, as far as the server remembers. */
    async lastExit() {
        try {
            return (await request("GET", "/-/exits")).find((one) => one.address === this.name || one.name === this.name);
        } catch (unknown) {
            return undefined;
        }
    }

    setEnd(title, ...content) {
        this.end.hidden = false;
        replace(this.end, h("h2", {id: "end-title"}, title), content);
        announce(`${visible(this.name)}: ${title}.`);
    }

    /* Above one that lives: how the one before it ended. */
    async showLast() {
        const exit = await this.lastExit();
        if (!this.alive) return;
        this.end.hidden = !exit;
        if (exit) this.setEnd(`The one before ${WORDS[exit.how] || "ended"} at ${clock(exit.time)}`, exit.report ? reportBlock(exit.report) : null);
    }

    async showMissing() {
        const exit = await this.lastExit();
        if (this.stream.state !== "missing" || !this.end.hidden) return;
        this.setEnd("No actor answers under this name",
            exit ? h("p", {}, `The last one ${WORDS[exit.how] || "ended"} at ${clock(exit.time)}.`)
                : h("p", {class: "muted"}, "This page looks again every few seconds."),
            exit?.report ? reportBlock(exit.report) : null);
    }

    /* {"exit": result}, {"exception": report} or {"killed": true} */
    showEnd(exit) {
        const report = exit.exception, returned = "exit" in exit;
        this.alive = false;
        setText(this.badge, "ended");
        setAttribute(this.badge, "class", "badge state-gone");
        setAttribute(this.kill, "disabled", "");
        this.setEnd(returned ? "It returned" : report === undefined ? "It was killed" : "It ended with an exception",
            returned ? jsonBlock(exit.exit) : report === undefined ? null : reportBlock(report));
    }

    async askInfo() {
        clearTimeout(this.timer);
        this.aborter?.abort();
        const aborter = this.aborter = new AbortController();
        try {
            const info = await request("GET", `${this.path}/-/info`, {signal: aborter.signal});
            if (this.aborter === aborter) this.showInfo(info);
        } catch (error) {
            if (this.aborter !== aborter || error.name === "AbortError") return;
            if (error.status === 404) return; /* the stream finds it again */
        }
        if (!this.holding && this.aborter === aborter) this.timer = setTimeout(() => this.askInfo(), INFO_MS);
    }

    showInfo(info) {
        const now = Date.now(), full = info.mailbox_max > 0 && info.mailbox >= info.mailbox_max;
        setText(this.badge, visible(info.state ?? "?"));
        setAttribute(this.badge, "class", `badge state-${["running", "waiting"].includes(info.state) ? info.state : "other"}`);
        setText(this.behaviour, visible(info.behaviour || ""));
        for (const [key, , format] of FACTS) setText(this.factCells[key], visible(format(info[key] ?? null, info)));
        setAttribute(this.factCells.mailbox, "data-alarm", full ? "true" : null);
        this.full.hidden = !full;
        this.showNames(info.names || []);
        if (info.behaviour !== this.behaviourShown) this.showMethods(this.behaviourShown = info.behaviour);
        this.showLinks(info.links || []);
        const seconds = this.before ? (now - this.before.at) / 1000 : 0;
        this.rows.push([now, info.mailbox ?? null, rate(info.messages, this.before?.info.messages, seconds)]);
        if (this.rows.length > ROWS_MAX) this.rows.shift();
        this.before = {at: now, info};
        this.chart.set(this.rows);
    }

    showNames(names) {
        const others = names.filter((name) => name !== this.name);
        this.names.hidden = others.length === 0;
        setText(this.names, `Also known as ${others.map(visible).join(", ")}`);
    }

    /* What can be called, as far as its behaviour is known by name. */
    async showMethods(name) {
        try {
            const one = (await request("GET", "/-/behaviours")).find((behaviour) => behaviour.name === name);
            replace(this.methods, (one?.methods || []).map((method) => h("option", {value: method})));
        } catch (unknown) {
            /* whoever calls knows what */
        }
    }

    showLinks(links) {
        const key = JSON.stringify(links);
        if (key === this.linksShown) return;
        this.linksShown = key;
        const texts = links.map((link) => (typeof link === "string" ? link : link?._pyact_address ?? link?.address ?? "?"));
        const linked = [];
        replace(this.links, texts.length === 0 ? h("li", {class: "muted"}, "none") : null, texts.slice(0, LINKS_SHOWN).map((text) => {
            const path = actorPath({address: text});
            if (!path) return h("li", {}, visible(text)); /* a URL: an actor of another server */
            const link = h("a", {href: path.slice(1), "data-route": true}, visible(text));
            linked.push([link, path]);
            return h("li", {}, link);
        }), texts.length > LINKS_SHOWN ? h("li", {class: "muted"}, `and ${texts.length - LINKS_SHOWN} more`) : null);
        linked.slice(0, LINKS_NAMED).forEach(([link, path]) => this.nameLink(link, path));
    }

    /* The name of the one behind an address, and what it is, if it has one and is still there. */
    async nameLink(link, path) {
        try {
            const {names, behaviour} = await request("GET", `${path}/-/info`, {signal: this.leaving.signal});
            if (names?.length) replace(link, bdi(names[0]));
            if (behaviour) link.after(h("span", {class: "muted"}, ` ${visible(behaviour)}`));
        } catch (gone) {
            /* the address says enough */
        }
    }

    async askKill() {
        if (!await askKill({name: this.name})) return;
        try {
            const answer = await request("DELETE", this.path);
            announce(answer?.killed === false ? "It has been told to end, and takes its time." : "Killed.");
        } catch (error) {
            announce(`Not killed: ${error.message}`);
            if (error.status !== 404) this.setEnd("Not killed", h("p", {}, visible(error.message)));
        }
    }
}
