/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Servers and pages for the dashboard's tests. GREENROOM is the command, PLAYWRIGHT the folder whose node_modules has
 * playwright-core. Waits are for conditions, with generous limits: nothing here depends on how fast the machine is. */
import {spawn} from "node:child_process";
import {existsSync, mkdtempSync, readFileSync, rmSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {join} from "node:path";
import assert from "node:assert/strict";

export const LIMIT_MS = Number(process.env.LIMIT_MS) || 60000;

const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";

/* What the tests need besides the command; says what is missing and ends: 77 is "skipped" to ctest, 1 where they must run. */
async function load() {
    const folder = process.env.PLAYWRIGHT || process.cwd();
    let missing = "";
    if (!existsSync(CHROMIUM)) missing = `${CHROMIUM}: apt-get install chromium`;
    else if (!existsSync(join(folder, "node_modules/playwright-core"))) missing = `playwright-core in ${folder}: npm ci there, as tools/test does`;
    if (!missing) return createRequire(join(folder, "package.json"))("playwright-core");
    console.error(`${process.env.TESTS_REQUIRED ? "FAILED" : "SKIPPED"}, missing: ${missing}`);
    process.exit(process.env.TESTS_REQUIRED ? 1 : 77);
}

const {chromium} = await load();

export class Server {
    constructor() {
        this.folder = mkdtempSync(join(tmpdir(), "greenroom-dashboard."));
        this.tokenFile = join(this.folder, "token");
        this.listen = "127.0.0.1:0";
    }

    /* Returns when it answers; the port stays the same over restarts. Meanwhile another program may have it for a moment: exit
     * code 3, and once more. */
    async start(settings = {}) {
        const restart = !this.listen.endsWith(":0");
        while (!await this.startOnce(settings)) assert.ok(restart && await this.ended === 3, `greenroom serve did not start: ${this.log}`);
        return this;
    }

    async startOnce({options = [], environment = {}}) {
        const child = this.child = spawn(process.env.GREENROOM, ["serve", "--listen", this.listen, "--token-file", this.tokenFile, ...options],
            {env: {...process.env, ...environment}, stdio: ["ignore", "pipe", "pipe"]});
        let said = "";
        this.log = "";
        child.stderr.on("data", (data) => { this.log += data; });
        this.ended = new Promise((resolve) => child.on("close", resolve));
        const answers = await new Promise((resolve) => {
            child.stdout.on("data", (data) => {
                said += data;
                if (/answers on \S+\n/.test(said)) resolve(true);
            });
            this.ended.then(() => resolve(false));
        });
        if (!answers) return false;
        const port = /answers on \S+:(\d+)\n/.exec(said)[1];
        this.listen = this.listen.replace(/:0$/, `:${port}`);
        this.url = `http://127.0.0.1:${port}`;
        this.token = readFileSync(this.tokenFile, "utf8").trim();
        return true;
    }

    async stop(signal = "SIGKILL") {
        this.child.kill(signal);
        await this.ended;
    }

    async close() {
        await this.stop();
        rmSync(this.folder, {recursive: true});
    }

    /* A request past the browser, with the token; the answer's JSON. */
    async api(method, path, body, expected) {
        const response = await fetch(this.url + path, {method, body: body === undefined ? undefined : JSON.stringify(body),
            headers: {Authorization: `Bearer ${this.token}`, Accept: "application/json", "Content-Type": "application/json"}});
        const text = await response.text();
        if (expected !== undefined) assert.equal(response.status, expected, `${method} ${path}: ${text}`);
        else assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
        return text ? JSON.parse(text) : null;
    }

    /* The page's address, with the token in the fragment. */
    page(path = "/") {
        return `${this.url}${path}#token=${this.token}`;
    }
}

let browser;

export async function startBrowser() {
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ["--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
    });
}

export async function stopBrowser() {
    await browser?.close();
}

/* Statuses that a test provokes show up on the console, whatever the page does with them. */
const EXPECTED = /Failed to load resource: the server responded with a status of (401|404|409|422|503|504)|net::ERR_[A-Z_]+/;

/* Runs body(page) in a context of its own. Afterwards: nothing was asked of anybody but the server, nothing was said to the
 * console that was not provoked, no script failed, none ran that should not. */
export async function withPage(server, options, body) {
    const context = await browser.newContext({viewport: {width: 1280, height: 900}, locale: "en-GB", ...options});
    const page = await context.newPage();
    const elsewhere = [], complaints = [];
    context.setDefaultTimeout(LIMIT_MS);
    context.on("request", (request) => {
        if (new URL(request.url()).origin !== server.url) elsewhere.push(request.url());
    });
    page.on("console", (message) => {
        const provoked = EXPECTED.test(message.text()) && !/\/-\/dashboard\//.test(message.location().url); /* its own files are there */
        if (["error", "warning"].includes(message.type()) && !provoked) complaints.push(`${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => complaints.push(String(error.stack)));
    page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        dialog.dismiss();
    });
    try {
        await body(page, context);
        assert.equal(await page.evaluate(() => window.hacked), undefined, "a script from data ran");
        assert.deepEqual(elsewhere, [], "requests to elsewhere");
        assert.deepEqual(complaints, [], "on the console");
    } finally {
        await context.close();
    }
}

/* The condition, asked of the page again and again, until it is true. */
export async function until(page, condition, argument) {
    await page.waitForFunction(condition, argument, {timeout: LIMIT_MS, polling: 50});
}

export async function untilText(page, selector, text) {
    try {
        await until(page, ([where, what]) => [...document.querySelectorAll(where)].some((one) => one.textContent.includes(what)), [selector, text]);
    } catch (error) {
        const got = await page.locator(selector).allTextContents();
        assert.fail(`${selector} never said ${JSON.stringify(text)}, but ${JSON.stringify(got)}`);
    }
}

export async function live(page) {
    await page.waitForSelector("#connection[data-state=live]");
}

/* Everything that can be read, and the contrast it has: what is below `least` (3 for big text). */
export async function poorContrast(page, least = 4.5) {
    return page.evaluate((wanted) => {
        const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        const parse = (colour) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
            return [r, g, b, a / 255];
        };
        const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
        const linear = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        const background = (element) => {
            const layers = [];
            for (let at = element; at; at = at.parentElement) {
                layers.push(parse(getComputedStyle(at).backgroundColor));
                if (layers[layers.length - 1][3] === 1) break;
            }
            return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
        };
        const found = [];
        let seen = 0;
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const modal = document.querySelector("dialog[open]");
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const element = node.parentElement, style = getComputedStyle(element);
            if (!node.data.trim() || !element.checkVisibility() || element.closest(".unseen, [disabled], noscript, option")) continue;
            if (modal && !modal.contains(element)) continue;
            let opacity = 1;
            for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
            const behind = background(element), text = parse(style.color);
            const front = over([text[0], text[1], text[2], text[3] * opacity], behind);
            const [high, low] = [luminance(front), luminance(behind)].sort((a, b) => b - a);
            const size = parseFloat(style.fontSize), big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
            const ratio = (high + 0.05) / (low + 0.05);
            seen++;
            if (ratio < (big ? 3 : wanted)) found.push(`${ratio.toFixed(2)} ${element.className || element.tagName}: ${node.data.trim().slice(0, 40)}`);
        }
        return {seen, found};
    }, least);
}

/* What sticks out to the right, other than inside what scrolls by itself. */
export async function tooWide(page) {
    return page.evaluate(() => {
        const width = document.documentElement.clientWidth, found = [];
        if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth} of ${width}`);
        for (const element of document.body.querySelectorAll("*")) {
            if (!element.checkVisibility() || element.closest(".scroll, .json, .unseen, .plot, .skip")) continue;
            const right = element.getBoundingClientRect().right;
            if (right > width + 1) found.push(`${element.tagName}.${element.className}: ${Math.round(right)} of ${width}`);
        }
        return found;
    });
}
