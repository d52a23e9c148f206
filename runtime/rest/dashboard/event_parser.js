/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Splits a stream of text into events as the standard says: lines end in CR, LF or both, an empty line ends an event. */
export class EventParser {
    constructor(onEvent) {
        this.onEvent = onEvent;
        this.rest = "";
        this.clear();
    }

    clear() {
        this.event = "message";
        this.data = [];
    }

    push(text) {
        const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
        this.rest = lines.pop();
        lines.forEach((line) => this.line(line));
    }

    line(line) {
        if (line === "") {
            if (this.data.length) this.onEvent(this.event, this.data.join("\n"));
            this.clear();
            return;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") this.event = value;
        else if (name === "data") this.data.push(value);
    }
}
