/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* How actors ended: the list of the last ends, and one exception report with its stack trace. */
import {bdi, h, visible} from "./dom.js";
import {clock} from "./format.js";
import {jsonBlock} from "./json_view.js";
import {actorPath} from "./server.js";

export const WORDS = {returned: "returned", exception: "raised", killed: "was killed", overflow: "overflowed its stack"};

function frame(entry) {
    const place = `${entry.filename ?? "?"}:${entry.lineno ?? "?"}`;
    return h("li", {}, h("code", {}, visible(entry.method ?? "?")), " ", h("span", {class: "muted"}, visible(place)),
        entry.code ? h("code", {class: "frame-code"}, visible(entry.code)) : null);
}

/* {"error", "description", "text-exception", "stack-trace"}, or anything else that was raised. */
export function reportBlock(report) {
    const trace = report?.["stack-trace"];
    if (report === null || report === undefined) return h("p", {class: "muted"}, "No report.");
    if (typeof report !== "object" || !("error" in report)) return jsonBlock(report);
    const described = typeof report.description === "string";
    return h("div", {class: "report"},
        h("p", {}, h("strong", {}, visible(String(report.error))), described && report.description ? [": ", bdi(report.description)] : null),
        described || report.description === undefined || report.description === null ? null : jsonBlock(report.description),
        Array.isArray(trace) && trace.length ? h("ol", {class: "trace"}, trace.slice(0, 64).map(frame)) : null);
}

function line(exit) {
    const path = actorPath(exit);
    return [h("span", {class: "muted"}, clock(exit.time)), " ",
        path && exit.name ? h("a", {href: path.slice(1), "data-route": true}, bdi(exit.name)) : bdi(exit.name || exit.address || "?"),
        " ", h("span", {class: `how how-${exit.how in WORDS ? exit.how : "other"}`}, WORDS[exit.how] || visible(exit.how ?? "ended")),
        exit.report?.error ? [" ", h("span", {class: "muted"}, visible(String(exit.report.error)))] : null];
}

/* One end as an item of a list; its report is folded. */
export function exitItem(exit) {
    if (exit.report === null || exit.report === undefined) return h("li", {class: "exit"}, h("div", {class: "exit-line"}, line(exit)));
    return h("li", {class: "exit"}, h("div", {class: "exit-line"}, line(exit)),
        h("details", {}, h("summary", {}, "Report", h("span", {class: "unseen"}, ` of ${exit.name || exit.address}`)),
            reportBlock(exit.report)));
}
