/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One room, two ways in: the demo's page in a browser, and a plain TCP client as nc is one. */
import {after, before, test} from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import {LIMIT_MS, poorContrast, Server, startBrowser, stopBrowser, tooWide, until, untilText, withPage} from "./support.mjs";

const server = new Server();
const limit = {timeout: 3 * LIMIT_MS};

before(async () => {
    await server.start();
    await startBrowser();
});
after(async () => {
    await stopBrowser();
    await server.close();
});

/* A client that says lines and waits for lines. */
class Terminal {
    constructor(port) {
        this.text = "";
        this.socket = net.connect(port, "127.0.0.1");
        this.socket.setEncoding("utf8");
        this.socket.on("data", (data) => {
            this.text += data;
            this.woken?.();
        });
        this.socket.on("close", () => {
            this.closed = true;
            this.woken?.();
        });
    }

    say(line) {
        this.socket.write(`${line}\n`);
    }

    async hears(line) {
        while (!this.text.split("\n").slice(0, -1).includes(line)) {
            assert.ok(!this.closed, `closed before ${line}: ${this.text}`);
            await new Promise((resolve) => { this.woken = resolve; });
        }
    }
}

async function enter(page, room, name, address = server.page(`/demo/chat/?room=${room}`)) {
    await page.goto(address);
    await page.getByLabel("Your name").fill(name);
    await page.click("button:text-is('Enter')");
}

async function portOf(room) {
    const {listens} = await server.api("GET", `/${room}`);
    return Number(listens.split(":")[1]);
}

async function say(page, text) {
    await page.getByLabel("Say something").fill(text);
    await page.keyboard.press("Enter");
    await until(page, () => document.getElementById("text").value === "");
}

test("nc and the browser are in one room", limit, () => withPage(server, {}, async (page) => {
    await enter(page, "lobby", "ann");
    await untilText(page, "#members", "ann (you)");
    await untilText(page, "#nc", `nc 127.0.0.1 ${await portOf("lobby")}`);
    const nc = new Terminal(await portOf("lobby"));
    await nc.hears("What is your name?");
    nc.say("bob");
    await nc.hears("Welcome, bob.");
    await untilText(page, "#members", "bob");
    await say(page, "hello from the browser");
    await nc.hears("ann: hello from the browser");
    await untilText(page, "#log .mine", "hello from the browser");
    nc.say("hello from <b>nc</b>, ünï");
    await untilText(page, "#log", "bobhello from <b>nc</b>, ünï");
    assert.equal(await page.locator("#log b").count(), 0);
    for (let i = 0; i < 60; i++) nc.say(`line ${i}`); /* more than a member keeps: none twice, in order, or said to be gone */
    await untilText(page, "#log", "line 59");
    const numbers = (await page.locator("#log .line:not(.mine)").allTextContents()).map((text) => /line (\d+)$/.exec(text)?.[1]).filter(Boolean).map(Number);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
    nc.socket.destroy();
    await until(page, () => !document.getElementById("members").textContent.includes("bob"));
    await page.click("button:text-is('Leave')");
    await page.waitForSelector("#door:not([hidden])");
    await until(page, () => fetch("/lobby", {headers: {Accept: "application/json"}}).then((answer) => answer.json()).then((state) => state.members.length === 0));
}));

test("two browsers, a name that is taken, hostile names and words", limit, () => withPage(server, {}, async (page, context) => {
    await enter(page, "den", "<img src=x onerror=window.hacked=1>");
    await untilText(page, "#members", "<img src=x");
    const other = await context.newPage();
    await enter(other, "den", "<img src=x onerror=window.hacked=1>");
    await untilText(other, "#enter .field-error", "is in the room already");
    await other.getByLabel("Your name").fill("cat");
    await other.click("button:text-is('Enter')");
    await untilText(other, "#members", "cat (you)");
    await say(other, "<script>window.hacked=1</script>");
    await untilText(page, "#log", "cat<script>window.hacked=1</script>");
    assert.equal(await other.evaluate(() => window.hacked), undefined);
    await other.goto("about:blank"); /* who leaves the page leaves the room */
    await until(page, () => !document.getElementById("members").textContent.includes("cat"));
    await server.api("DELETE", "/den");
    await page.waitForSelector("#door:not([hidden])");
    await untilText(page, "#enter .field-error", "not in the room any more");
}));

test("without the token it asks for it", limit, () => withPage(server, {}, async (page) => {
    await enter(page, "closed", "dan", `${server.url}/demo/chat/?room=closed`);
    await page.getByLabel("Token", {exact: true}).fill(server.token);
    await page.click("#dialog button[type=submit]");
    await page.waitForSelector("#dialog", {state: "hidden"});
    await page.click("button:text-is('Enter')");
    await untilText(page, "#members", "dan (you)");
}));

for (const colorScheme of ["light", "dark"]) {
    test(`on a phone, ${colorScheme}`, limit, () => withPage(server, {colorScheme, viewport: {width: 320, height: 600}}, async (page) => {
        await page.goto(server.page(`/demo/chat/?room=phone-${colorScheme}`));
        await page.waitForSelector("#enter input");
        const door = await poorContrast(page);
        assert.deepEqual([await tooWide(page), door.found], [[], []]);
        await enter(page, `phone-${colorScheme}`, "eve".repeat(20));
        await untilText(page, "#members", "(you)");
        await say(page, "w".repeat(300));
        await untilText(page, "#log .mine", "www");
        const room = await poorContrast(page);
        assert.deepEqual([await tooWide(page), room.found], [[], []]);
        assert.ok(door.seen > 4 && room.seen > 8, `${door.seen} ${room.seen}`);
    }));
}

test("the page takes nothing but GET, and has a strict policy", limit, async () => {
    const page = await fetch(`${server.url}/demo/chat/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'/);
    assert.equal((await fetch(`${server.url}/demo/chat/nothing.js`)).status, 404);
    assert.equal((await fetch(`${server.url}/demo/chat/`, {method: "POST", headers: {Authorization: `Bearer ${server.token}`}})).status, 405);
});
