/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What asks: the token, a behaviour to spawn, whether to kill. One <dialog>: the browser keeps the focus inside, Escape closes,
 * and the focus goes back to where it was. */
import {announce, bdi, field, h, replace, visible} from "./dom.js";
import {mayChange, namePath, parse, request} from "./server.js";
import {isToken, setToken, token} from "./token.js";

const dialog = document.getElementById("dialog");

/* One for each time it was opened and has not told of its end: the event comes later, perhaps when the next one is open. The
 * dialog's own returnValue would be that of the one before, where Escape ends it. */
const opened = [];
dialog.addEventListener("close", () => {
    const {resolve, result} = opened.shift();
    resolve(result);
});

function end(result) {
    opened[opened.length - 1].result = result;
    dialog.close();
}

/* What the dialog ends with; "" where nobody wants it. */
function show(title, form) {
    replace(dialog, h("h2", {id: "dialog-title"}, title), form);
    if (dialog.open) dialog.close();
    dialog.showModal();
    return new Promise((resolve) => opened.push({resolve, result: ""}));
}

function buttons(action, {danger = false} = {}) {
    return h("div", {class: "buttons"},
        h("button", {type: "button", onclick: () => end("")}, "Cancel"),
        h("button", {type: "submit", class: danger ? "danger" : "primary"}, action));
}

/* onSubmit returns what the dialog closes with, or nothing to keep it open. */
function form(onSubmit, ...children) {
    const status = h("p", {class: "field-error", role: "alert", hidden: true});
    return h("form", {
        novalidate: true,
        async onsubmit(event) {
            event.preventDefault();
            status.hidden = true;
            try {
                const result = await onSubmit();
                if (result !== undefined) end(result);
            } catch (error) {
                status.hidden = false;
                status.textContent = visible(error.message);
            }
        },
    }, children.slice(0, -1), status, children[children.length - 1]);
}

let asking = false;

/* Asks for the token. `why`: what the server said to the one we had. */
export async function askToken(why) {
    if (asking) return;
    asking = true;
    const input = h("input", {type: "password", autocomplete: "off", spellcheck: "false", autocapitalize: "none"});
    const one = field("Token", input, "64 hexadecimal digits. It stays in this tab and goes to this server only.");
    input.value = token();
    await show(token() ? "The token" : "A token is needed", form(async () => {
        const text = input.value.trim();
        if (text && !isToken(text)) return void one.error("A token is 64 hexadecimal digits.");
        const kept = token();
        setToken(text);
        if (text && await mayChange() === "no") {
            setToken(kept === text ? "" : kept);
            return void one.error("The server refuses this token. It gets a new one at every start, unless --token-file keeps it.");
        }
        announce(text ? "The token is right." : "The token is forgotten.");
        return "done";
    }, why ? h("p", {}, why) : null,
    h("p", {class: "muted"}, "greenroom serve prints it, or the name of the file that holds it. Add it to this page's address as ",
        h("code", {}, "#token=…"), ", or enter it here. Empty: only look."), one.row, buttons("Use it")));
    asking = false;
}

/* True if the user means it. */
export async function askKill(actor) {
    return await show("Kill this actor?", form(async () => "kill",
        h("p", {}, h("strong", {}, bdi(actor.name || actor.address)), " ends at its next suspension point. Those who are linked or wait hear of it."),
        buttons("Kill", {danger: true}))) === "kill";
}

/* A value of an argument shape to begin with: {"start": int} gives {"start": 0}. */
function exampleOf(shape) {
    if (!shape) return "";
    const text = shape.replace(/\$\d+/g, "null").replace(/\b(string|str|bytes)\b(?=\s*[,}\])])/g, "\"\"")
        .replace(/\b(int|number|float)\b(?=\s*[,}\])])/g, "0").replace(/\bbool\b(?=\s*[,}\])])/g, "false")
        .replace(/\b(any|address|null)\b(?=\s*[,}\])])/g, "null").replace(/\bdict\b(?=\s*[,}\])])/g, "{}").replace(/\blist\b/g, "[]");
    try {
        return JSON.stringify(JSON.parse(text));
    } catch (notSimple) {
        return "";
    }
}

/* JSON text, or undefined after saying what is wrong. Empty is null. */
export function checkJson(one) {
    const text = one.input.value.trim();
    try {
        if (text) parse(text);
        one.error(null);
        return text || "null";
    } catch (error) {
        one.error(`Not JSON: ${error.message}`);
        return undefined;
    }
}

/* Spawns; returns the new actor's path, or "". */
export async function askSpawn() {
    const choice = h("select", {}), name = h("input", {type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "none"});
    const args = h("textarea", {rows: "3", spellcheck: "false", autocapitalize: "none"});
    const about = h("p", {class: "field-hint"});
    const fields = [field("Behaviour", choice), field("Name", name, "1 to 255 bytes, without a \"-\" segment"), field("Arguments (JSON)", args, "empty is null")];
    let list = [];
    const chosen = () => {
        const one = list.find((behaviour) => behaviour.name === choice.value);
        about.textContent = one ? visible(one.text || "") : "";
        args.value = exampleOf(one?.arguments);
    };
    choice.addEventListener("change", chosen);
    const result = show("Spawn an actor", form(async () => {
        const path = name.value && namePath(name.value);
        if (!path) return void fields[1].error("A name that a path can hold, please.");
        const json = checkJson(fields[2]);
        if (json === undefined) return undefined;
        await request("PUT", path, {body: `{"behaviour": ${JSON.stringify(choice.value)}, "args": ${json}}`});
        announce(`Spawned ${name.value}.`);
        return path;
    }, fields[0].row, about, fields[1].row, fields[2].row, buttons("Spawn")));
    try {
        list = await request("GET", "/-/behaviours");
        replace(choice, list.map((behaviour) => h("option", {value: behaviour.name}, visible(behaviour.name))));
        chosen();
    } catch (error) {
        about.textContent = visible(error.message);
    }
    return result;
}
