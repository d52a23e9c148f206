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

const ACTORS = [["orders", 7], ["sessions", 12], ["billing", 4], ["search", 5]];
const server = new Server();
const taken = [];
let working = true;

/* Traffic that rises and falls, until it is told to stop. */
async function work(number) {
    const paths = ACTORS.flatMap(([group, count]) => Array.from({length: count}, (_, i) => `/${group}/${i}`));
    for (let i = number; working; i += 7) {
        const level = 0.5 + 0.5 * Math.sin(Date.now() / 9000);
        const path = paths[Math.floor(paths.length * ((i * 0.618) % 1) ** 2)];
        await server.api("POST", path, {add: i % 10}).catch(() => {}); /* a kept connection may end just then */
        if (i % 5 === 0) await server.api("POST", "/lines/-/call/run", Array(80).fill("green threads carry small messages between small actors")).catch(() => {});
        await new Promise((resolve) => { setTimeout(resolve, 2 + 14 * (1 - level)); });
    }
}

async function prepare() {
    for (const [group, count] of ACTORS) {
        for (let i = 0; i < count; i++) await server.api("PUT", `/${group}/${i}`, {behaviour: "counter", args: {start: 100 * i}});
    }
    await server.api("PUT", "/lobby", {behaviour: "chat", args: {port: 0}});
    for (const name of ["ann", "bob"]) await server.api("POST", "/lobby/-/call/join", {name});
    await server.api("PUT", "/lines", {behaviour: "pipeline", args: {tallies: 4}});
    await server.api("PUT", "/mailer/3", {behaviour: "echo"});
    await server.api("PUT", "/mailer/4", {behaviour: "echo"});
    await server.api("DELETE", "/mailer/4");
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
        await page.goto(server.page("/lobby"));
        await page.getByLabel("Method", {exact: true}).fill("say");
        await page.getByLabel("Argument (JSON)").fill("{\"from\": \"ann\", \"text\": \"hello\"}");
        for (const text of ["hello", "is anybody there?", "yes"]) await server.api("POST", "/lobby/-/call/say", {from: "ann", text});
        await page.waitForTimeout(WATCHED_MS / 3);
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
const workers = Array.from({length: 6}, (_, i) => work(i));
const phone = {viewport: {width: 375, height: 812}, isMobile: true, hasTouch: true, deviceScaleFactor: 2};
const options = {light: {viewport: {width: 1280, height: 1120}}, dark: {viewport: {width: 1280, height: 1120}, colorScheme: "dark"},
    actor: {viewport: {width: 1280, height: 960}}, chat: {viewport: {width: 1000, height: 560}}, phone};
await Promise.all(Object.entries(views).filter(([name]) => !process.argv[3] || name === process.argv[3]).map(([name, view]) =>
    withPage(server, options[name], async (page) => {
        await page.goto(server.page("/"));
        await live(page);
        await page.waitForSelector(".actors tbody a");
        await view(page);
    })));
working = false;
await Promise.all(workers);
await stopBrowser();
await server.close();
taken.forEach(small);
