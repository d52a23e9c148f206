/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The pictures in README.md: node tests/dashboard/screenshots.mjs FOLDER, with GREENROOM and PLAYWRIGHT as the tests have them.
 * Some work is made up, watched for a minute and a half, and pictured. optipng and pngquant make the files small, if there. */
import {execFileSync} from "node:child_process";
import net from "node:net";
import {join} from "node:path";
import {live, Server, startBrowser, stopBrowser, untilText, withPage} from "./support.mjs";

const FOLDER = process.argv[2] || "runtime/rest/dashboard/screenshots";
const WATCHED_MS = Number(process.env.WATCHED_MS) || 90000;

const COUNTERS = [["session", 1800], ["basket", 640], ["orders", 12]];
const WORDS = "green threads carry small messages between small actors, and an actor that waits costs nothing but its memory";
const server = new Server();
const taken = [];
let working = true;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const some = (list) => list[Math.floor(list.length * Math.random() ** 2)]; /* the first ones more often */

/* A kept connection may end just then, and a full mailbox refuses: this is load, not a test. */
async function ask(...request) {
    return server.api(...request).catch(() => {});
}

/* Traffic that rises and falls, until it is told to stop. */
async function customers() {
    const paths = COUNTERS.flatMap(([group, count]) => Array.from({length: Math.min(count, 60)}, (_, i) => `/${group}/${i}`));
    while (working) {
        await ask("POST", some(paths), {add: 1});
        await ask("POST", "/limits/-/call/take", `customer ${Math.floor(Math.random() * 40)}`);
        const key = `price ${Math.floor(Math.random() * 300)}`;
        const got = await ask("POST", "/prices/-/call/get", key);
        if (got?.found === false) await ask("POST", "/prices/-/call/put", {key, value: {cents: 1999, stock: 3}});
        await pause(8 + 30 * (0.5 + 0.5 * Math.sin(Date.now() / 11000)));
    }
}

/* What makes the workers work: thousands of short-lived actors and their messages for each request. */
async function analysts() {
    while (working) {
        const texts = Math.round(60 + 540 * (0.5 + 0.5 * Math.sin(Date.now() / 17000)) * Math.random());
        await ask("POST", "/report/words/-/call/run", Array(texts).fill(WORDS));
        await pause(120);
    }
}

/* A slow one whose mailbox fills and empties, a room where people talk, a tree in which something fails now and then. */
async function others() {
    for (let i = 0; working; i++) {
        const letters = Math.round(6 * (1 + Math.sin(i / 6)));
        ask("POST", "/mail/outbox/-/call/sleep", {ms: 400}); /* and what comes meanwhile waits */
        for (let j = 0; j < letters; j++) await ask("POST", "/mail/outbox", {letter: j});
        for (let j = 0; j < letters / 2; j++) await ask("POST", "/support/room/-/call/say", {from: j % 2 ? "ann" : "bob", text: WORDS});
        for (let j = 0; j < 3; j++) await ask("POST", `/tree/${["store", "worker", "log"][j]}`, {handle: i});
        if (i % 25 === 10) await ask("POST", "/tree/worker", {crash: true});
        if (i % 40 === 20) await ask("DELETE", `/session/${1700 + i}`);
        await pause(1000);
    }
}

async function prepare() {
    for (const [group, count] of COUNTERS) {
        for (let i = 0; i < count; i++) await server.api("PUT", `/${group}/${i}`, {behaviour: "counter", args: {start: i}});
    }
    await server.api("PUT", "/support/room", {behaviour: "chat", args: {port: 0}});
    for (const name of ["ann", "bob", "cleo"]) await server.api("POST", "/support/room/-/call/join", {name});
    await server.api("PUT", "/report/words", {behaviour: "pipeline", args: {tallies: 4}});
    await server.api("PUT", "/prices", {behaviour: "cache", args: {ttl_ms: 20000, max: 1000}});
    await server.api("PUT", "/limits", {behaviour: "limiter", args: {rate: 5, burst: 10}});
    await server.api("PUT", "/mail/outbox", {behaviour: "echo"});
    await server.api("PUT", "/tree", {behaviour: "tree"});
}

function small(file) {
    for (const [command, ...options] of [["pngquant", "--force", "--skip-if-larger", "--ext", ".png", "--speed", "1", "256"], ["optipng", "-quiet", "-o5"]]) {
        try {
            execFileSync(command, [...options, file], {stdio: "ignore"});
        } catch (missing) {
            console.error(`${command} did not run: ${file} stays bigger`);
        }
    }
}

async function picture(page, name) {
    const file = join(FOLDER, `${name}.png`);
    await page.screenshot({path: file, animations: "disabled", caret: "hide"});
    taken.push(file);
}

const views = {
    async light(page) {
        await page.waitForTimeout(WATCHED_MS);
        await picture(page, "light");
    },
    async dark(page) {
        await page.waitForTimeout(WATCHED_MS);
        await picture(page, "dark");
    },
    async actor(page) {
        await page.goto(server.page("/support/room"));
        await page.getByLabel("JSON", {exact: true}).fill("{\"note\": \"what is no call is counted and dropped\"}");
        await page.getByLabel("Method", {exact: true}).fill("say");
        await page.getByLabel("Argument (JSON)").fill("{\"from\": \"cleo\", \"text\": \"is anybody there?\"}");
        await page.waitForTimeout(WATCHED_MS);
        await page.click("button:text-is('Call')");
        await untilText(page, "#call-result", "heard_by");
        await picture(page, "actor");
    },
    async chat(page) {
        await server.api("PUT", "/foyer", {behaviour: "chat", args: {port: 0}});
        await page.goto(server.page("/demo/chat/?room=foyer"));
        await page.getByLabel("Your name").fill("ann");
        await page.click("button:text-is('Enter')");
        await untilText(page, "#members", "ann (you)");
        const terminal = net.connect(Number((await server.api("GET", "/foyer")).listens.split(":")[1]), "127.0.0.1");
        terminal.write("bob\n");
        await untilText(page, "#members", "bob");
        terminal.write("hello from a terminal\n");
        await untilText(page, "#log", "hello from a terminal");
        await page.getByLabel("Say something").fill("and from a browser: one room, two ways in");
        await page.keyboard.press("Enter");
        await untilText(page, "#log .mine", "two ways in");
        terminal.write("no JSON here, only lines\n");
        await untilText(page, "#log", "only lines");
        await picture(page, "chat");
        terminal.destroy();
    },
    async phone(page) {
        await page.waitForTimeout(WATCHED_MS);
        await picture(page, "phone");
    },
};

await server.start();
await startBrowser();
await prepare();
const load = [customers(), customers(), customers(), analysts(), others()];
const phone = {viewport: {width: 375, height: 812}, isMobile: true, hasTouch: true, deviceScaleFactor: 2};
const options = {light: {viewport: {width: 1280, height: 1240}}, dark: {viewport: {width: 1280, height: 1240}, colorScheme: "dark"},
    actor: {viewport: {width: 1280, height: 1060}}, chat: {viewport: {width: 1000, height: 560}}, phone};
await Promise.all(Object.entries(views).filter(([name]) => !process.argv[3] || name === process.argv[3]).map(([name, view]) =>
    withPage(server, options[name], async (page) => {
        await page.goto(server.page("/"));
        await live(page);
        await page.waitForSelector(".actors tbody a");
        await view(page);
    })));
working = false;
await stopBrowser();
await server.close();
await Promise.all(load);
taken.forEach(small);
