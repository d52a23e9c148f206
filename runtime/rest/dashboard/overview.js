/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The whole runtime: figures, charts, workers, the actors' table, how actors ended. Built once, then only numbers change. */
import {ActorsTable} from "./actors.js";
import {Chart} from "./charts.js";
import {h, replace, setAttribute, setText} from "./dom.js";
import {bytes, count, duration, exact, micros, percent} from "./format.js";
import {exitItem} from "./report.js";
import {last, series, take} from "./samples.js";

export const EXITS_SHOWN = 20;

const TILES = [
    ["messages", "Messages a second", "sent, actor to actor"],
    ["latency", "Time in mailbox, 99 %", ""],
    ["actors", "Actors alive", ""],
    ["lost", "Not delivered", "dead letters, dropped, rejected"],
    ["memory", "Memory", "resident"],
    ["uptime", "Up", ""],
];

function tile([id, label, note]) {
    const value = h("span", {class: "tile-value"}, "–"), small = h("span", {class: "tile-note"}, note);
    return [id, {element: h("div", {class: "tile", "data-tile": id}, h("span", {class: "tile-label"}, label), value, small), value, small}];
}

const WORKER_COLUMNS = [
    ["worker", "Worker", "row"], ["load", "Load", ""], ["state", "State", "wide"], ["queue", "Queue", "number"],
    ["messages", "Messages/s", "number wide"], ["steals", "Steals/s", "number"], ["stolen", "Stolen/s", "number wide"],
];

function workerRow() {
    const bar = h("span", {class: "load-bar", "aria-hidden": "true"}, h("span", {class: "load-fill"}));
    const cells = Object.fromEntries(WORKER_COLUMNS.map(([id, , kind]) =>
        [id, id === "worker" ? h("th", {scope: "row"}) : h("td", {class: kind})]));
    const load = h("span", {class: "load-text"});
    cells.load.append(bar, load);
    return {element: h("tr", {}, Object.values(cells)), cells, fill: bar.firstChild, load};
}

export class Overview {
    constructor(root, {spawn}) {
        this.root = root;
        this.tiles = Object.fromEntries(TILES.map(tile));
        this.throughput = new Chart("Throughput", [{label: "messages/s"}], count, {top: 10});
        this.latency = new Chart("Time in mailbox", [{label: "median"}, {label: "99 %"}], micros, {top: 10});
        this.requests = new Chart("HTTP", [{label: "requests/s"}], count, {top: 10});
        this.answers = new Chart("Time to answer", [{label: "median"}, {label: "99 %"}], micros, {top: 10});
        this.load = new Chart("Workers' load", [{label: "mean"}], percent, {top: 1 / 1.08});
        this.stealing = new Chart("Steals", [{label: "steals/s"}], count, {top: 10});
        this.workers = new Map();
        this.workersBody = h("tbody");
        this.exits = h("ul", {class: "exits"}, h("li", {class: "muted"}, "None so far."));
        this.actors = new ActorsTable({spawn});
        replace(root, h("h1", {class: "unseen"}, "Overview"),
            h("section", {class: "tiles", "aria-label": "Figures"}, Object.values(this.tiles).map((one) => one.element)),
            this.jumps(), h("section", {class: "charts", id: "charts", tabindex: "-1", "aria-label": "Charts"}, this.charts().map((one) => one.element)),
            h("div", {class: "columns"}, this.workersCard(), this.exitsCard()), this.actors.element);
    }

    /* On a phone the page is long. */
    jumps() {
        const parts = [["Charts", "charts"], ["Workers", "workers-title"], ["Ends", "exits-title"], ["Actors", "actors-title"]];
        return h("nav", {class: "jump", "aria-label": "Parts of this page"}, parts.map(([label, id]) => h("button", {type: "button", onclick() {
            const part = document.getElementById(id);
            part.scrollIntoView();
            part.focus({preventScroll: true});
        }}, label)));
    }

    charts() {
        return [this.throughput, this.latency, this.load, this.requests, this.answers, this.stealing];
    }

    workersCard() {
        const head = h("tr", {}, WORKER_COLUMNS.map(([, label, kind]) => h("th", {scope: "col", class: kind}, label)));
        return h("section", {class: "card", "aria-labelledby": "workers-title"}, h("h2", {id: "workers-title", tabindex: "-1"}, "Workers"),
            h("div", {class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "workers-title"},
                h("table", {class: "workers"}, h("thead", {}, head), this.workersBody)));
    }

    exitsCard() {
        return h("section", {class: "card", "aria-labelledby": "exits-title"}, h("h2", {id: "exits-title", tabindex: "-1"}, "Ends"),
            h("p", {class: "muted"}, "Actors that did not just return, newest first."),
            h("div", {class: "scroll exits-scroll", tabindex: "0", role: "region", "aria-labelledby": "exits-title"}, this.exits));
    }

    tile(id, value, note) {
        setText(this.tiles[id].value, value);
        if (note !== undefined) setText(this.tiles[id].small, note);
    }

    showTiles(stats) {
        const actors = stats.actors || {}, messages = stats.messages || {}, memory = stats.memory || {};
        const lost = [messages.dead_letters, messages.dropped, messages.rejected].map((number) => number ?? 0);
        this.tile("messages", count(last("messages")), `${exact(messages.sent)} in all`);
        const times = stats.mailbox?.time_us;
        this.tile("latency", micros(last("p99") ?? times?.p99), `half within ${micros(last("p50") ?? times?.p50)}`);
        this.tile("actors", exact(actors.live), `${exact(actors.running)} running, ${exact(actors.spawned)} spawned`);
        this.tile("lost", count(lost.reduce((a, b) => a + b, 0)), `dead ${count(lost[0])}, dropped ${count(lost[1])}, rejected ${count(lost[2])}`);
        this.tile("memory", bytes(memory.resident), `messages ${bytes(memory.messages)}, stacks ${bytes(memory.stacks)}`);
        this.tile("uptime", duration(stats.uptime), stats.version ? `version ${stats.version}` : "");
        setAttribute(this.tiles.lost.element, "data-alarm", lost[2] > 0 ? "true" : null);
    }

    showWorkers(workers, rates) {
        const known = new Set();
        for (const worker of workers || []) {
            let row = this.workers.get(worker.id);
            if (!row) {
                row = workerRow();
                this.workers.set(worker.id, row);
                this.workersBody.append(row.element);
            }
            known.add(worker.id);
            const rate = rates.get(worker.id) || {}, cpu = worker.cpu === null || worker.cpu === undefined ? "" : `, CPU ${worker.cpu}`;
            setText(row.cells.worker, `${worker.id}${cpu}`);
            row.fill.style.width = `${Math.round(Math.min(1, worker.load ?? 0) * 100)}%`;
            setText(row.load, percent(worker.load));
            setText(row.cells.state, worker.state ?? "–");
            setText(row.cells.queue, count(worker.queue));
            for (const key of ["messages", "steals", "stolen"]) setText(row.cells[key], count(rate[key]));
        }
        for (const [id, row] of this.workers) {
            if (!known.has(id)) row.element.remove(), this.workers.delete(id);
        }
    }

    showStats(stats, shown) {
        const rates = take(stats);
        if (!shown) return;
        this.showTiles(stats);
        this.throughput.set(series("messages"));
        this.latency.set(series("p50", "p99"));
        this.requests.set(series("requests"));
        this.answers.set(series("http50", "http99"));
        this.load.set(series("load"));
        this.stealing.set(series("steals"));
        this.showWorkers(stats.workers, rates);
    }

    /* All that the server remembers, newest first. */
    setExits(list) {
        replace(this.exits, list.length ? list.slice(0, EXITS_SHOWN).map(exitItem) : h("li", {class: "muted"}, "None so far."));
    }

    /* Those that have come meanwhile, newest first. */
    addExits(fresh) {
        if (this.exits.querySelector(".exit") === null) replace(this.exits);
        this.exits.prepend(...fresh.slice(0, EXITS_SHOWN).map(exitItem));
        while (this.exits.children.length > EXITS_SHOWN) this.exits.lastElementChild.remove();
    }
}
