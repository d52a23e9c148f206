/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The table of actors: searched, sorted and cut into pages by the server, looked at again every two seconds. Rows are kept by
 * address, so what has the focus keeps it. */
import {bdi, h, replace, setAttribute, setText, visible} from "./dom.js";
import {bytes, count, exact} from "./format.js";
import {actorPath, request} from "./server.js";

const PAGE = 20;
const REFRESH_MS = 2000;
const TYPING_MS = 200;

/* key of the server's sort, heading, class, whether the biggest comes first */
const COLUMNS = [
    ["name", "Name", "", false], ["behaviour", "Behaviour", "wide", false], ["state", "State", "wide", false],
    ["mailbox", "Mailbox", "number", true], ["messages", "Messages", "number", true], ["memory", "Memory", "number wide", true],
];

function stateBadge(state) {
    return h("span", {class: `badge state-${["running", "waiting"].includes(state) ? state : "other"}`}, visible(state ?? "?"));
}

class Row {
    constructor(actor) {
        this.link = h("a", {"data-route": true});
        this.small = h("span", {class: "narrow muted"});
        this.cells = Object.fromEntries(COLUMNS.slice(1).map(([key, , kind]) => [key, h("td", {class: kind})]));
        this.element = h("tr", {}, h("th", {scope: "row"}, this.link, this.small), Object.values(this.cells));
        this.show(actor);
    }

    show(actor) {
        const name = actor.name || actor.address, path = actorPath(actor);
        if (this.name !== name) replace(this.link, bdi(name)), this.name = name;
        setAttribute(this.link, "href", path ? path.slice(1) : null);
        setText(this.small, [actor.behaviour, actor.state].filter(Boolean).map(visible).join(", "));
        setText(this.cells.behaviour, visible(actor.behaviour ?? (actor.kind || "–")));
        if (this.state !== actor.state) replace(this.cells.state, stateBadge(actor.state)), this.state = actor.state;
        setText(this.cells.mailbox, count(actor.mailbox));
        setText(this.cells.messages, count(actor.messages));
        setText(this.cells.memory, bytes(actor.memory));
    }
}

export class ActorsTable {
    constructor({spawn}) {
        this.sort = "-messages";
        this.offset = 0;
        this.total = 0;
        this.rows = new Map();
        this.build(spawn);
    }

    build(spawn) {
        this.search = h("input", {type: "search", id: "search", placeholder: "name, behaviour or address", autocomplete: "off",
            spellcheck: "false", autocapitalize: "none", oninput: () => this.typed()});
        this.order = h("select", {id: "order", onchange: () => this.sortBy(this.order.value)},
            COLUMNS.map(([key, label, , big]) => h("option", {value: big ? `-${key}` : key}, `${label}${big ? ", most first" : ""}`)));
        this.heads = COLUMNS.map(([key, label, kind, big]) => h("th", {scope: "col", class: kind},
            h("button", {type: "button", class: "sort", onclick: () => this.clicked(key, big)}, label, h("span", {class: "arrow", "aria-hidden": "true"}))));
        this.body = h("tbody");
        this.empty = h("p", {class: "muted empty", hidden: true});
        this.problem = h("p", {class: "field-error", hidden: true});
        this.range = h("span", {class: "muted", id: "range"});
        this.back = h("button", {type: "button", onclick: () => this.turn(-PAGE)}, "Previous");
        this.forth = h("button", {type: "button", onclick: () => this.turn(PAGE)}, "Next");
        this.element = h("section", {class: "card", "aria-labelledby": "actors-title"},
            h("div", {class: "card-head"}, h("h2", {id: "actors-title", tabindex: "-1"}, "Actors"),
                h("div", {class: "tools"}, h("label", {class: "unseen", for: "search"}, "Search actors"), this.search,
                    h("label", {class: "unseen", for: "order"}, "Sort by"), this.order,
                    h("button", {type: "button", class: "primary", onclick: spawn}, "Spawn"))),
            this.problem, h("table", {class: "actors"}, h("caption", {class: "unseen"}, "Actors, a page at a time"),
                h("thead", {}, h("tr", {}, this.heads)), this.body), this.empty,
            h("nav", {class: "pager", "aria-label": "Pages of actors"}, this.back, this.range, this.forth));
        this.showSort();
    }

    typed() {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => {
            this.offset = 0;
            this.refresh();
        }, TYPING_MS);
    }

    clicked(key, big) {
        const first = big ? `-${key}` : key, second = big ? key : `-${key}`;
        this.sortBy(this.sort === first ? second : first);
    }

    sortBy(sort) {
        this.sort = sort;
        this.offset = 0;
        this.showSort();
        this.refresh();
    }

    showSort() {
        COLUMNS.forEach(([key], i) => {
            const mine = this.sort.replace(/^-/, "") === key;
            setAttribute(this.heads[i], "aria-sort", mine ? (this.sort.startsWith("-") ? "descending" : "ascending") : null);
        });
        this.order.value = this.sort;
    }

    turn(by) {
        this.offset = Math.max(0, this.offset + by);
        this.refresh();
    }

    /* While the page is shown and connected: now and every two seconds. */
    start() {
        this.stop();
        this.running = true;
        this.refresh();
    }

    stop() {
        this.running = false;
        clearTimeout(this.timer);
        this.aborter?.abort();
    }

    async refresh() {
        clearTimeout(this.timer);
        this.aborter?.abort();
        const aborter = this.aborter = new AbortController();
        const query = new URLSearchParams({limit: PAGE, offset: this.offset, sort: this.sort});
        if (this.search.value.trim()) query.set("search", this.search.value.trim());
        try {
            const answer = await request("GET", `/?${query}`, {signal: aborter.signal});
            if (this.aborter !== aborter) return;
            this.problem.hidden = true;
            this.show(answer);
        } catch (error) {
            if (this.aborter !== aborter || error.name === "AbortError") return;
            this.problem.hidden = error.status === 0 || error.status === 401; /* the connection's state says it */
            this.problem.textContent = visible(error.message);
        }
        if (this.running) this.timer = setTimeout(() => this.refresh(), REFRESH_MS);
    }

    show({total, offset, actors}) {
        if (actors.length === 0 && offset > 0 && total > 0) return void this.turn(-PAGE);
        const old = this.rows, focused = document.activeElement;
        this.total = total;
        this.rows = new Map(actors.map((actor) => {
            const row = old.get(actor.address);
            row?.show(actor);
            return [actor.address, row || new Row(actor)];
        }));
        const wanted = [...this.rows.values()].map((row) => row.element);
        if (wanted.length !== this.body.children.length || wanted.some((element, i) => this.body.children[i] !== element)) {
            this.body.replaceChildren(...wanted);
            if (this.body.contains(focused)) focused.focus({preventScroll: true});
        }
        const searched = this.search.value.trim();
        this.empty.hidden = total > 0;
        setText(this.empty, searched ? "No actor matches." : "No actors yet. Spawn one.");
        setText(this.range, total ? `${exact(offset + 1)} to ${exact(offset + actors.length)} of ${exact(total)}` : "");
        this.back.disabled = offset === 0;
        this.forth.disabled = offset + actors.length >= total;
    }
}
