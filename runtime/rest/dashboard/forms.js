/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The forms of an actor's page: send a message, call a method. What comes of it is shown below, and said to screen readers. */
import {checkJson} from "./dialogs.js";
import {field, h, replace, visible} from "./dom.js";
import {jsonBlock} from "./json_view.js";
import {reportBlock} from "./report.js";
import {request} from "./server.js";

const WAIT_S = 30;

function textarea(value) {
    return h("textarea", {rows: "3", spellcheck: "false", autocapitalize: "none", autocomplete: "off"}, value);
}

/* Ctrl+Enter sends, too. */
function submitting(run) {
    return {
        class: "stack", novalidate: true,
        onsubmit(event) {
            event.preventDefault();
            run();
        },
        onkeydown(event) {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
        },
    };
}

function refusal(error) {
    const later = error.status === 503 && error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    return h("p", {class: "bad"}, visible(error.message) + later);
}

export function messageForm(path) {
    const body = field("JSON", textarea(""), "any value, for example {\"add\": 2}");
    const result = h("div", {class: "result", id: "message-result", role: "status"});
    let sent = 0;
    const run = async () => {
        const text = body.input.value.trim() ? checkJson(body) : void body.error("A JSON value, please.");
        if (text === undefined) return;
        try {
            await request("POST", path, {body: text});
            replace(result, h("p", {class: "good"}, `Sent. ${++sent > 1 ? `${sent} so far.` : ""}`));
        } catch (error) {
            replace(result, refusal(error));
        }
    };
    return h("section", {class: "card", "aria-labelledby": "message-title"}, h("h2", {id: "message-title"}, "Send a message"),
        h("form", submitting(run), body.row, h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary"}, "Send")), result));
}

/* methods: a <datalist> of those that the behaviour has. */
export function callForm(path, methods) {
    const method = field("Method", h("input", {type: "text", list: methods.id, spellcheck: "false", autocapitalize: "none", autocomplete: "off"}));
    const argument = field("Argument (JSON)", textarea(""), "empty is null");
    const result = h("div", {class: "result", id: "call-result", role: "status"});
    const run = async () => {
        const name = method.input.value.trim(), text = checkJson(argument);
        if (!name || name.includes("/")) return void method.error("The name of a method, please.");
        method.error(null);
        if (text === undefined) return;
        replace(result, h("p", {class: "muted"}, "Waiting for the answer …"));
        try {
            const answer = await request("POST", `${path}/-/call/${encodeURIComponent(name)}`, {body: text, headers: {Prefer: `wait=${WAIT_S}`}});
            replace(result, h("p", {class: "good"}, "It answered:"), jsonBlock(answer));
        } catch (error) {
            const report = error.problem?.exception;
            replace(result, refusal(error), report === undefined ? null : reportBlock(report));
        }
    };
    return h("section", {class: "card", "aria-labelledby": "call-title"}, h("h2", {id: "call-title"}, "Call a method"),
        h("form", submitting(run), method.row, argument.row, h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary"}, "Call")), methods, result));
}
