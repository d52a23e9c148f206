/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Elements without HTML. Whatever comes from the server becomes a text node or an attribute that cannot run anything: there is no
 * innerHTML in the dashboard, and the page's Content-Security-Policy forbids it (trusted types). */

/* The only HTML that a library here sets are its axis labels (charts.js), which are our own numbers. If it ever were something
 * else, it would be shown as text. */
if (window.trustedTypes) {
    window.trustedTypes.createPolicy("default", {
        createHTML: (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`),
    });
}

const NAMESPACE = "http://www.w3.org/2000/svg";

/* Lists of children may hold lists, and what is not there. */
function present(children) {
    return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function fill(element, properties, children) {
    for (const [key, value] of Object.entries(properties)) {
        if (value === undefined || value === null || value === false) continue;
        if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else element.setAttribute(key, value === true ? "" : String(value));
    }
    element.append(...present(children));
    return element;
}

/* h("button", {type: "button", onclick: f}, "text", otherElement) */
export function h(tag, properties = {}, ...children) {
    return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
    return fill(document.createElementNS(NAMESPACE, tag), properties, children);
}

/* Text that is there already is not touched: selections and screen readers stay undisturbed. */
export function setText(element, text) {
    const wanted = String(text);
    if (element.textContent !== wanted) element.textContent = wanted;
}

export function setAttribute(element, name, value) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function replace(element, ...children) {
    element.replaceChildren(...present(children));
}

/* What would be invisible, or would change the direction of what stands around it, is shown by its number. */
export function visible(text) {
    return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
        (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/* Somebody else's text inside a line of ours. */
export function bdi(text) {
    return h("bdi", {}, visible(text));
}

const announcer = document.getElementById("announce");

/* Says it to screen readers, for what happened because somebody asked for it. */
export function announce(text) {
    announcer?.replaceChildren(text); /* a new node: the same words are said again */
}

let labels = 0;

/* A labelled form control: {row: element to insert, input, error(text or null)}. */
export function field(label, input, hint) {
    const id = `field-${++labels}`;
    const problem = h("span", {class: "field-error", id: `${id}-error`, hidden: true});
    const help = hint ? h("span", {class: "field-hint", id: `${id}-hint`}, hint) : null;
    input.id = id;
    input.setAttribute("aria-describedby", help ? `${id}-hint ${id}-error` : `${id}-error`);
    return {
        input,
        row: h("div", {class: "field"}, h("label", {for: id}, label), input, help, problem),
        error(text) {
            problem.hidden = !text;
            problem.textContent = text || "";
            setAttribute(input, "aria-invalid", text ? "true" : null);
            if (text) input.focus();
        },
    };
}
