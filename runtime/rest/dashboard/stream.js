/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Server-sent events by fetch(): an EventSource cannot send the token.
 *
 *      start                 200                silence, end, error
 *     -------> connecting ---------> live ---------------------------> waiting --- after 0.5 to 10 s ---> connecting
 *                   |                                                                           (or retry())
 *                   +--- 401 ---> refused     until the token changes (start again)
 *                   +--- 404 ---> missing     looks again every 3 s
 *
 * hold() closes the connection and stays silent until start(). */
import {EventParser} from "./event_parser.js";
import {open} from "./server.js";

const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 10000;
const MISSING_MS = 3000;

export class Stream {
    /* silenceMs: how long nothing may come before the connection counts as lost; the server sends a comment every 15 s. */
    constructor(path, {onEvent, onState, silenceMs = 40000}) {
        this.path = path;
        this.onEvent = onEvent;
        this.onState = onState;
        this.silenceMs = silenceMs;
        this.failures = 0;
        this.state = "held";
    }

    set(state, detail) {
        this.state = state;
        this.onState(state, detail);
    }

    start() {
        this.stop();
        this.run();
    }

    retry() {
        if (this.state === "waiting" || this.state === "missing") this.start();
    }

    hold() {
        this.stop();
        this.set("held");
    }

    stop() {
        clearTimeout(this.timer);
        this.aborter?.abort();
        this.aborter = null;
    }

    wait(state, ms) {
        this.timer = setTimeout(() => this.run(), ms);
        this.set(state, {until: Date.now() + ms});
    }

    async run() {
        const aborter = new AbortController();
        this.aborter = aborter;
        if (this.state !== "missing") this.set("connecting");
        try {
            const response = await open("GET", this.path, {signal: aborter.signal, headers: {Accept: "text/event-stream"}});
            if (this.aborter !== aborter) return;
            this.failures = 0;
            this.set("live");
            await this.read(response.body.getReader(), aborter);
            if (this.aborter === aborter) this.lost();
        } catch (error) {
            if (this.aborter !== aborter) return;
            if (error.status === 401) this.set("refused");
            else if (error.status === 404) this.wait("missing", MISSING_MS);
            else this.lost();
        }
    }

    async read(reader, aborter) {
        const decoder = new TextDecoder();
        const parser = new EventParser((event, data) => {
            if (this.aborter === aborter) this.onEvent(event, data);
        });
        let watch;
        try {
            for (;;) {
                clearTimeout(watch);
                watch = setTimeout(() => reader.cancel(), this.silenceMs);
                const {done, value} = await reader.read();
                if (done || this.aborter !== aborter) return;
                parser.push(decoder.decode(value, {stream: true}));
            }
        } finally {
            clearTimeout(watch);
        }
    }

    /* Doubling, with some chance, so that many pages do not come back in step. */
    lost() {
        const ms = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** this.failures++) * (0.75 + Math.random() / 2);
        this.wait("waiting", ms);
    }
}
