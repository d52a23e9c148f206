/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The dashboard in a real browser against `greenroom serve`: what an operator does with it, and what may go wrong. */
import {after, before, test} from "node:test";
import assert from "node:assert/strict";
import {live, LIMIT_MS, poorContrast, Server, startBrowser, stopBrowser, tooWide, until, untilText, withPage} from "./support.mjs";

const MAILBOX = 8;
const server = new Server();
const limit = {timeout: 3 * LIMIT_MS};

before(async () => {
    await server.start({environment: {GREENROOM_MAILBOX_MAX: String(MAILBOX)}});
    await startBrowser();
});
after(async () => {
    await stopBrowser();
    await server.close();
});

async function fillSpawn(page, behaviour, name, args) {
    await page.click("button:text-is('Spawn')");
    await page.waitForSelector(`#dialog option[value=${behaviour}]`, {state: "attached"});
    await page.getByLabel("Behaviour").selectOption(behaviour);
    await page.getByLabel("Name", {exact: true}).fill(name);
    await page.getByLabel("Arguments (JSON)").fill(args);
    await page.click("#dialog button[type=submit]");
}

test("the token leaves the address bar and stays in the tab", limit, () => withPage(server, {}, async (page) => {
    await page.goto(server.page("/"));
    await live(page);
    await page.waitForSelector("#token[data-may=yes]");
    assert.equal(page.url(), `${server.url}/`);
    assert.equal(await page.evaluate(() => sessionStorage.getItem("greenroom.token")), server.token);
    assert.equal(await page.evaluate(() => JSON.stringify({...localStorage})), "{}");
    await page.reload();
    await page.waitForSelector("#token[data-may=yes]");
}));

test("spawn, message, call, watch, kill", limit, () => withPage(server, {}, async (page) => {
    await page.goto(server.page("/"));
    await live(page);
    await fillSpawn(page, "counter", "hits/one", "{\"start\": 5}");
    await untilText(page, "h1", "hits/one");
    assert.equal(page.url(), `${server.url}/hits/one`);
    await untilText(page, "#state", "\"count\": 5");
    await page.getByLabel("JSON", {exact: true}).fill("{\"add\": 9007199254740992}");
    await page.click("button:text-is('Send')");
    await untilText(page, "#message-result", "Sent.");
    await untilText(page, "#state", "\"count\": 9007199254740997"); /* every digit of it, which no double has */
    await server.api("POST", "/hits/one", {add: 2});
    await untilText(page, "#state", "\"count\": 9007199254740999");
    await page.getByLabel("Method", {exact: true}).fill("add");
    await page.getByLabel("Argument (JSON)").fill("-9007199254740000");
    await page.click("#actor button:text-is('Call')");
    await untilText(page, "#call-result", "999");
    await untilText(page, "#state", "\"count\": 999");
    await untilText(page, "[data-fact=kind]", "server");
    await until(page, () => [...document.querySelectorAll("#methods option")].map((option) => option.value).join() === "add,get");
    await page.getByLabel("Method", {exact: true}).fill("nothing");
    await page.click("#actor button:text-is('Call')");
    await untilText(page, "#call-result", "no method nothing");
    await page.getByLabel("JSON", {exact: true}).fill("{oops");
    await page.click("button:text-is('Send')");
    await untilText(page, ".field-error", "Not JSON");
    await page.click("#actor button:text-is('Kill')");
    await page.click("#dialog button:text-is('Cancel')");
    await server.api("GET", "/hits/one");
    await page.click("#actor button:text-is('Kill')");
    await page.click("#dialog button:text-is('Kill')");
    await untilText(page, "#end h2", "It was killed");
    await until(page, () => /hits\/one: It was killed\.|Killed\./.test(document.querySelector("#announce[role=status]").textContent));
    await server.api("GET", "/hits/one", undefined, 404);
    await page.goBack();
    await page.waitForSelector("#overview:not([hidden])");
    await untilText(page, ".exits", "hits/one");
}));

test("what spawning can come to", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/taken", {behaviour: "echo"});
    await page.goto(server.page("/"));
    await live(page);
    await fillSpawn(page, "counter", "taken", "{\"start\": 1}");
    await untilText(page, "#dialog [role=alert]", "taken");
    await page.getByLabel("Name", {exact: true}).fill("bad");
    await page.getByLabel("Arguments (JSON)").fill("{\"start\": \"five\"}");
    await page.click("#dialog button[type=submit]");
    await untilText(page, "#dialog [role=alert]", "start");
    await page.getByLabel("Arguments (JSON)").fill("{");
    await page.click("#dialog button[type=submit]");
    await untilText(page, "#dialog .field-error", "Not JSON");
    await page.getByLabel("Arguments (JSON)").fill("");
    await page.getByLabel("Name", {exact: true}).fill("a/-/b");
    await page.click("#dialog button[type=submit]");
    await untilText(page, "#dialog .field-error", "A name that a path can hold");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#dialog", {state: "hidden"});
}));

test("an exception ends in its report", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/failing", {behaviour: "echo"});
    await page.goto(server.page("/failing"));
    await live(page);
    await page.getByLabel("Method", {exact: true}).fill("fail");
    await page.getByLabel("Argument (JSON)").fill("\"<b>out of luck</b>\"");
    await page.click("#actor button:text-is('Call')");
    await untilText(page, "#call-result .report", "<b>out of luck</b>");
}));

test("an actor that dies of an exception, and the one that takes its place", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/tree", {behaviour: "tree"});
    await page.goto(server.page("/tree/worker"));
    await untilText(page, "#state", "\"handled\": 0");
    await server.api("POST", "/tree/worker", {handle: "this"});
    await untilText(page, "#state", "\"handled\": 1");
    await server.api("POST", "/tree/worker", {crash: true});
    await untilText(page, "#end h2", "The one before raised at");
    await untilText(page, "#end", "somebody said so");
    await untilText(page, "#state", "\"handled\": 0");
    await page.goto(server.page("/"));
    await untilText(page, ".exits", "tree/worker raised crash");
    await page.goto(server.page("/tree/worker"));
    await untilText(page, "#end h2", "The one before raised at"); /* who comes later learns it, too */
    await server.api("DELETE", "/tree");
    await untilText(page, "#end h2", "It was killed");
    await page.reload();
    await untilText(page, "#end h2", "No actor answers under this name");
    await untilText(page, "#end", "The last one was killed at");
}));

test("a full mailbox is shown, and what refuses says when to try again", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/busy", {behaviour: "echo"});
    const sleeping = server.api("POST", "/busy/-/call/sleep", {ms: 3600000}).catch(() => {});
    await page.goto(server.page("/busy"));
    await live(page);
    await untilText(page, "[data-fact=waits_for]", ""); /* it is there */
    await page.getByLabel("JSON", {exact: true}).fill("1");
    for (let sent = 0; !(await page.locator("#message-result .bad").count()); sent++) {
        assert.ok(sent <= MAILBOX + 2, "the mailbox never filled");
        await page.evaluate(() => document.getElementById("message-result").replaceChildren());
        await page.click("button:text-is('Send')");
        await page.waitForSelector("#message-result p");
    }
    await untilText(page, "#message-result", "Try again in");
    await page.waitForSelector("#full:not([hidden])");
    await untilText(page, "[data-fact=mailbox]", `${MAILBOX} of ${MAILBOX}`);
    await page.click("a:has-text('All actors')");
    await page.click("button.sort:has-text('Mailbox')");
    await until(page, (wanted) => document.querySelector(".actors tbody tr th")?.textContent.startsWith("busy") &&
        document.querySelector(".actors tbody tr td.number").textContent === wanted, String(MAILBOX));
    await untilText(page, "[data-tile=lost]", "rejected 1");
    await server.api("DELETE", "/busy");
    await sleeping;
}));

test("the table: search, sort, pages", limit, () => withPage(server, {}, async (page) => {
    for (let i = 0; i < 45; i++) await server.api("PUT", `/row/${String(i).padStart(2, "0")}`, {behaviour: "counter", args: {start: i}});
    await server.api("POST", "/row/33", {add: 1});
    await server.api("POST", "/row/33", {add: 1});
    await page.goto(server.page("/"));
    await live(page);
    await page.getByLabel("Search actors").fill("row/");
    await untilText(page, "#range", "1 to 20 of 45");
    await page.click("button.sort:has-text('Name')");
    await untilText(page, ".actors tbody tr:nth-child(1) th", "row/00");
    assert.equal(await page.getAttribute("th:has-text('Name')", "aria-sort"), "ascending");
    await page.click("button:text-is('Next')");
    await untilText(page, "#range", "21 to 40 of 45");
    await page.click("button:text-is('Next')");
    await untilText(page, "#range", "41 to 45 of 45");
    assert.ok(await page.isDisabled("button:text-is('Next')"));
    await page.click("button.sort:has-text('Name')");
    await untilText(page, ".actors tbody tr:nth-child(1) th", "row/44");
    await untilText(page, "#range", "1 to 20 of 45");
    await page.click("button.sort:has-text('Messages')");
    await untilText(page, ".actors tbody tr:nth-child(1) th", "row/33");
    await page.click("button.sort:has-text('Memory')");
    await until(page, () => document.querySelector("[aria-sort]")?.textContent.startsWith("Memory"));
    await page.getByLabel("Search actors").fill("nobody is called that");
    await untilText(page, ".empty", "No actor matches.");
    await page.getByLabel("Search actors").fill("row/07");
    await untilText(page, "#range", "1 to 1 of 1");
    for (let i = 0; i < 45; i++) await server.api("DELETE", `/row/${String(i).padStart(2, "0")}`);
}));

/* The first cells of the table's rows. */
const rowNames = (page) => page.locator(".actors tbody th").allTextContents();

test("the table: sorted by state and behaviour, searched by behaviour and address", limit, () => withPage(server, {}, async (page) => {
    for (const name of ["idle/1", "idle/2"]) await server.api("PUT", `/${name}`, {behaviour: "relay"});
    await server.api("PUT", "/idle/asleep", {behaviour: "echo"});
    const sleeping = server.api("POST", "/idle/asleep/-/call/sleep", {ms: 3600000}).catch(() => {});
    await page.goto(server.page("/"));
    await live(page);
    await page.getByLabel("Search actors").fill("relay");
    await untilText(page, "#range", "1 to 2 of 2");
    assert.deepEqual((await rowNames(page)).map((text) => text.slice(0, 6)).sort(), ["idle/1", "idle/2"]);
    const {address} = (await server.api("GET", "/?search=idle/2")).actors[0];
    await page.getByLabel("Search actors").fill(address);
    await untilText(page, "#range", "1 to 1 of 1");
    await untilText(page, ".actors tbody th", "idle/2");

    /* As the server sorts them: by state one way, then the other; each state is a run. */
    await page.getByLabel("Search actors").fill("idle/");
    await untilText(page, "#range", "1 to 3 of 3");
    for (const [column, key] of [["State", "state"], ["Behaviour", "behaviour"]]) {
        for (const [direction, sort] of [["ascending", key], ["descending", `-${key}`]]) {
            await page.click(`button.sort:has-text('${column}')`);
            await page.waitForSelector(`th[aria-sort=${direction}]:has-text('${column}')`);
            await until(page, ([which, down]) => {
                const cells = [...document.querySelectorAll(`.actors tbody tr td:nth-child(${which})`)].map((cell) => cell.textContent);
                const sorted = [...cells].sort();
                return cells.length === 3 && cells.join() === (down ? sorted.reverse() : sorted).join();
            }, [key === "state" ? 3 : 2, sort.startsWith("-")]);
        }
    }
    for (const name of ["idle/1", "idle/2", "idle/asleep"]) await server.api("DELETE", `/${name}`);
    await sleeping;
}));

test("a thousand actors are pages of twenty", limit, () => withPage(server, {}, async (page) => {
    for (let i = 0; i < 1000; i += 50) {
        await Promise.all(Array.from({length: 50}, (_, j) => server.api("PUT", `/crowd/${String(i + j).padStart(3, "0")}`, {behaviour: "counter", args: {start: i}})));
    }
    await page.goto(server.page("/"));
    await live(page);
    await page.getByLabel("Search actors").fill("crowd/");
    await untilText(page, "#range", "1 to 20 of 1\u202f000");
    assert.equal(await page.locator(".actors tbody tr").count(), 20);
    await page.click("button.sort:has-text('Name')");
    await untilText(page, ".actors tbody tr:nth-child(20) th", "crowd/019");
    await page.click("button:text-is('Next')");
    await untilText(page, ".actors tbody tr:nth-child(1) th", "crowd/020");
    for (let i = 0; i < 1000; i += 50) {
        await Promise.all(Array.from({length: 50}, (_, j) => server.api("DELETE", `/crowd/${String(i + j).padStart(3, "0")}`)));
    }
    await untilText(page, ".empty", "No actor matches.");
}));

test("links lead from actor to actor, by name where there is one", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/linked/room", {behaviour: "chat"});
    await page.goto(server.page("/linked/room"));
    await untilText(page, ".links", "none");
    await server.api("POST", "/linked/room/-/call/join", {name: "ann"});
    await untilText(page, ".links", "linked/room/ann");
    await page.click(".links a");
    await untilText(page, "h1", (await server.api("GET", "/linked/room/ann/-/info")).address);
    await untilText(page, ".names", "linked/room/ann");
    await server.api("DELETE", "/linked/room");
}));

test("the mailbox's history is drawn, and what it waits for is said", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/history", {behaviour: "echo"});
    const sleeping = server.api("POST", "/history/-/call/sleep", {ms: 3600000}).catch(() => {});
    await page.goto(server.page("/history"));
    await live(page);
    const numbers = (row) => page.evaluate((at) => [...document.querySelectorAll(`#actor .chart .numbers tbody tr:nth-child(${at}) td`)]
        .map((cell) => cell.textContent), row);
    await until(page, () => document.querySelectorAll("#actor .plot canvas").length >= 2);
    for (let i = 0; i < 3; i++) await server.api("POST", "/history", {n: i});
    await untilText(page, "#actor .chart .numbers tbody tr:nth-child(1) td:nth-child(5)", "3"); /* name, least, mean, most, last */
    assert.equal(await page.textContent("#actor .chart .legend-entry:nth-of-type(2) .legend-value"), "3");
    assert.match(await page.textContent("[data-fact=waits_for]"), /\w/);
    await server.api("DELETE", "/history");
    await sleeping;
    await untilText(page, "#end h2", "It was killed");
    assert.equal((await numbers(1))[2], "3", "what was once in the mailbox stays in its history");
}));

/* Whether anything is stolen is chance, so what the server says is made up: seven steals and nine stolen within a second. */
test("steals are shown for the whole and for each worker", limit, () => withPage(server, {}, async (page, context) => {
    const stats = await server.api("GET", "/-/stats"), [worker] = stats.workers;
    const at = (seconds, steals, stolen) => ({...stats, time: stats.time + seconds, uptime: stats.uptime + seconds,
        workers: [{...worker, id: 0, steals, stolen}, {...worker, id: 1, steals: 0, stolen: 0}]});
    const body = [at(0, 100, 300), at(1, 107, 309)].map((one) => `event: stats\ndata: ${JSON.stringify(one)}\n\n`).join("");
    await context.route("**/-/events?*", (route) => route.fulfill({status: 200, contentType: "text/event-stream", body}));
    await page.goto(server.page("/"));
    await until(page, () => [...document.querySelectorAll(".workers tbody tr")]
        .map((row) => `${row.children[5].textContent} ${row.children[6].textContent}`).join() === "7 9,0 0");
    assert.deepEqual((await page.locator(".workers thead th").allTextContents()).slice(5), ["Steals/s", "Stolen/s"]);
    await untilText(page, ".charts figure:last-child .legend-value", "7");
}));

test("figures, charts and workers move", limit, () => withPage(server, {}, async (page) => {
    await page.goto(server.page("/"));
    await live(page);
    await server.api("PUT", "/moved", {behaviour: "counter", args: {start: 0}});
    for (let i = 0; i < 5; i++) await server.api("POST", "/moved", {add: 1});
    await until(page, () => /\d/.test(document.querySelector("[data-tile=messages] .tile-value").textContent));
    await until(page, () => document.querySelectorAll(".workers tbody tr").length > 0 &&
        [...document.querySelectorAll(".load-text")].every((text) => /\d/.test(text.textContent)));
    await until(page, () => document.querySelectorAll(".plot canvas").length >= 12); /* dygraphs drew them: two layers each */
    await until(page, () => /\d/.test(document.querySelector(".chart .numbers td").textContent));
    const before = await page.textContent("[data-tile=uptime] .tile-value");
    await until(page, (text) => document.querySelector("[data-tile=uptime] .tile-value").textContent !== text, before);
    await page.click("#pause");
    await page.waitForSelector("#connection[data-state=held]");
    assert.equal(await page.textContent("#pause"), "Resume"); /* the name says what it does next: no pressed state besides */
    assert.equal(await page.getAttribute("#pause", "aria-pressed"), null);
    await page.click("#pause");
    assert.equal(await page.textContent("#pause"), "Pause");
    await live(page);
}));

test("without the library the charts are plain lines", limit, () => withPage(server, {}, async (page, context) => {
    await context.route("**/dygraph.min.js", (route) => route.fulfill({status: 200, contentType: "text/javascript", body: ""}));
    await page.goto(server.page("/"));
    await live(page);
    await until(page, () => document.querySelectorAll("canvas").length === 0 &&
        /L/.test(document.querySelector(".plot path.spark-1")?.getAttribute("d") ?? ""));
    await until(page, () => /\d/.test(document.querySelector(".chart .numbers td").textContent));
}));

const HOSTILE = ["<img src=x onerror=window.hacked=1>", "\"><script>window.hacked=1</script>", "javascript:window.hacked=1",
    "' onmouseover='window.hacked=1", "a b&c;d?e#f", "%3Cb%3E", "__proto__", "constructor", "\u202egnp.exe", "{{1+1}}${window.hacked=1}", "日本語 ünï"];

test("hostile names, states and reports are text", limit, () => withPage(server, {}, async (page) => {
    const path = (name) => `/hostile/${name.split("/").map(encodeURIComponent).join("/")}`;
    for (const name of HOSTILE) await server.api("PUT", path(name), {behaviour: "counter", args: {start: 1}});
    await page.goto(server.page("/"));
    await live(page);
    await page.getByLabel("Search actors").fill("hostile/");
    for (const name of HOSTILE.filter((name) => !name.startsWith("\u202e"))) await untilText(page, ".actors tbody th", `hostile/${name}`);
    await untilText(page, ".actors tbody th", "hostile/\\u202egnp.exe");
    for (const name of HOSTILE.slice(0, 3)) {
        const shown = page.locator(".actors tbody th a", {hasText: `hostile/${name}`}).first();
        await shown.click();
        await untilText(page, "h1", `hostile/${name}`);
        await untilText(page, "#state", "\"count\": 1");
        assert.equal(new URL(page.url()).pathname, new URL(server.url + path(name)).pathname);
        await page.goBack();
        await page.waitForSelector("#overview:not([hidden])");
    }
    await server.api("PUT", "/hostile/room", {behaviour: "chat"});
    for (const name of HOSTILE.filter((name) => !name.includes("/"))) await server.api("POST", "/hostile/room/-/call/join", {name});
    await page.goto(server.page("/hostile/room"));
    await untilText(page, "#state", "onerror=window.hacked=1");
    assert.equal(await page.locator("#state img, #state script, #actor h1 img").count(), 0);
    await server.api("PUT", "/hostile/fails", {behaviour: "echo"});
    await page.goto(server.page("/hostile/fails"));
    await page.getByLabel("Method", {exact: true}).fill("fail");
    await page.getByLabel("Argument (JSON)").fill(JSON.stringify({"<img src=x onerror=window.hacked=1>": HOSTILE}));
    await page.click("#actor button:text-is('Call')");
    await untilText(page, "#call-result", "<script>");
    await page.getByLabel("Method", {exact: true}).fill("<img src=x onerror=window.hacked=1>");
    await page.click("#actor button:text-is('Call')");
    await untilText(page, "#call-result", "no method <img");
    /* And if some code of ours set markup after all, it would be shown and not be. */
    assert.equal(await page.evaluate(() => {
        const element = document.createElement("div");
        element.innerHTML = "<img src=x onerror=window.hacked=1>";
        return element.children.length;
    }), 0);
}));

test("paths that no actor can have, and that some would take for another server", limit, () => withPage(server, {}, async (page) => {
    for (const path of ["//evil.example", "///evil.example/x", "/a//b", "/a/", "/\\\\evil.example", "/%5c%5cevil.example", "/%zz"]) {
        const answer = await fetch(server.url + path, {headers: {Accept: "text/html"}});
        if (answer.status !== 200) { /* refused before there is a page */
            assert.ok([400, 404, 405].includes(answer.status), `${path}: ${answer.status}`);
            continue;
        }
        await page.goto(server.page(path));
        await live(page);
        assert.equal(new URL(page.url()).origin, server.url);
        await page.waitForSelector("#nowhere, #end:not([hidden])");
        await page.click("a:has-text('All actors')");
        await page.waitForSelector("#overview:not([hidden])");
    }
    /* However such a path comes into the address bar. */
    for (const path of ["//evil.example", "/x//evil.example"]) {
        await page.goto(server.page("/"));
        await live(page);
        await page.evaluate((there) => {
            history.pushState(null, "", location.origin + there);
            window.dispatchEvent(new PopStateEvent("popstate"));
        }, path);
        await untilText(page, "h1", "No such actor");
        await untilText(page, "#nowhere", path.slice(1));
        assert.equal(await page.locator("#actor form, #actor button").count(), 0, "nothing can be sent there");
    }
    /* The function that makes addresses refuses what is elsewhere, too. */
    assert.match(await page.evaluate(async () => {
        const {address} = await import("/-/dashboard/server.js");
        try {
            return String(address("https://evil.example/x"));
        } catch (refused) {
            return `refused: ${refused.message}`;
        }
    }), /^refused: /);
}));

test("headers: a strict policy, no frames, no caching without asking", limit, async () => {
    const page = await fetch(`${server.url}/`, {headers: {Accept: "text/html,*/*;q=0.8"}});
    const policy = page.headers.get("content-security-policy");
    assert.equal(page.status, 200);
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    assert.equal(page.headers.get("x-frame-options"), "DENY");
    const text = await page.text();
    assert.doesNotMatch(text, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?:\/\//);
    for (const [, file] of text.matchAll(/(?:src|href)="(-\/dashboard\/[^"]+)"/g)) {
        const asset = await fetch(`${server.url}/${file}`);
        assert.equal(asset.status, 200, file);
        assert.equal(asset.headers.get("x-content-type-options"), "nosniff");
        const again = await fetch(`${server.url}/${file}`, {headers: {"If-None-Match": asset.headers.get("etag")}});
        assert.equal(again.status, 304, file);
    }
    assert.equal((await fetch(`${server.url}/`, {headers: {Accept: "application/json"}})).headers.get("content-type"), "application/json");
    assert.equal((await fetch(`${server.url}/-/dashboard/../token`)).status, 405);
    assert.equal((await fetch(`${server.url}/-/dashboard/nothing.js`)).status, 404);
});

test("without a token it looks, and says what it may not", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/looked-at", {behaviour: "counter", args: {start: 3}});
    await page.goto(`${server.url}/looked-at`);
    await live(page);
    await page.waitForSelector("#token[data-may=no]");
    assert.ok(await page.isHidden("#notice"));
    await untilText(page, "#state", "\"count\": 3");
    await page.getByLabel("JSON", {exact: true}).fill("{\"add\": 1}");
    await page.click("button:text-is('Send')");
    await untilText(page, "#notice", "wants a token");
    await page.click("button:text-is('Enter the token')");
    await page.getByLabel("Token", {exact: true}).fill("12");
    await page.click("#dialog button[type=submit]");
    await untilText(page, "#dialog .field-error", "64 hexadecimal digits");
    await page.getByLabel("Token", {exact: true}).fill("0".repeat(64));
    await page.click("#dialog button[type=submit]");
    await untilText(page, "#dialog .field-error", "refuses this token");
    await page.getByLabel("Token", {exact: true}).fill(server.token);
    await page.click("#dialog button[type=submit]");
    await page.waitForSelector("#token[data-may=yes]");
    assert.ok(await page.isHidden("#notice"));
    await page.click("button:text-is('Send')");
    await untilText(page, "#state", "\"count\": 4");
}));

test("a wrong token in the address is said, and another one can be given", limit, () => withPage(server, {}, async (page) => {
    await page.goto(`${server.url}/#token=${"f".repeat(64)}`);
    await live(page);
    await untilText(page, "#notice", "refuses the token");
    await page.evaluate((token) => { location.hash = `#token=${token}`; }, server.token);
    await page.waitForSelector("#token[data-may=yes]");
    await page.waitForSelector("#notice", {state: "hidden"});
    assert.equal(page.url(), `${server.url}/`);
}));

test("what is no token is said to be none", limit, () => withPage(server, {}, async (page) => {
    for (const fragment of ["token=%zz", "token=x%0d%0ay", "a=b&token=<img>"]) {
        await page.goto("about:blank");
        await page.goto(`${server.url}/#${fragment}`);
        await untilText(page, "#notice", "64 hexadecimal digits");
        assert.equal(page.url(), `${server.url}/`);
        assert.equal(await page.evaluate(() => sessionStorage.getItem("greenroom.token")), null);
    }
}));

test("nobody's actor is said to be nobody's, until it is there", limit, () => withPage(server, {}, async (page) => {
    await page.goto(server.page("/not-yet"));
    await untilText(page, "#end", "No actor answers");
    await server.api("PUT", "/not-yet", {behaviour: "counter", args: {start: 8}});
    await untilText(page, "#state", "\"count\": 8");
    await page.waitForSelector("#end", {state: "hidden"});
}));

for (const colorScheme of ["light", "dark"]) {
    test(`contrast, ${colorScheme}`, limit, () => withPage(server, {colorScheme}, async (page) => {
        await server.api("PUT", `/seen-${colorScheme}`, {behaviour: "chat"});
        await page.goto(`${server.url}/`);
        await live(page);
        await until(page, () => document.querySelector(".actors tbody a") && document.querySelector(".plot .dygraph-axis-label"));
        const [red] = (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g).map(Number);
        assert.ok(colorScheme === "dark" ? red < 60 : red > 200, `background ${red}`);
        const views = [await poorContrast(page)];
        await page.goto(server.page(`/seen-${colorScheme}`));
        await untilText(page, "#state", "members");
        views.push(await poorContrast(page));
        await page.click("#actor button:text-is('Kill')");
        views.push(await poorContrast(page));
        await page.keyboard.press("Escape");
        await page.click("a:has-text('All actors')");
        await page.waitForSelector(".actors tbody a");
        await page.click("#pause"); /* what is old is faded, and can be read */
        await page.waitForSelector("body.stale");
        views.push(await poorContrast(page));
        assert.ok(views[0].seen > 40 && views[1].seen > 30 && views[2].seen > 3 && views[3].seen > 40, JSON.stringify(views.map((view) => view.seen)));
        assert.deepEqual(views.flatMap((view) => view.found), []);
    }));
}

test("the theme can be chosen, and stays", limit, () => withPage(server, {colorScheme: "dark"}, async (page) => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(`${server.url}/`);
    await live(page);
    const dark = await background();
    assert.equal(await page.textContent("#theme"), "Theme: dark");
    await page.click("#theme");
    const light = await background();
    assert.equal(await page.textContent("#theme"), "Theme: light");
    assert.equal(await page.textContent("#announce"), "The theme is light.");
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await background(), light);
    await page.emulateMedia({colorScheme: "light"});
    assert.equal(await background(), light);
}));

test("320 pixels are enough", limit, () => withPage(server, {viewport: {width: 320, height: 640}, hasTouch: true, isMobile: true}, async (page) => {
    await server.api("PUT", `/${"long-name".repeat(25)}`, {behaviour: "chat"});
    await page.goto(server.page("/"));
    await live(page);
    await until(page, () => document.querySelector(".actors tbody a"));
    assert.deepEqual(await tooWide(page), []);
    await page.getByLabel("Sort by").selectOption("name");
    await until(page, () => document.querySelector("[aria-sort=ascending]"));
    await page.goto(server.page(`/${"long-name".repeat(25)}`));
    await untilText(page, "#state", "members");
    assert.deepEqual(await tooWide(page), []);
    await page.click("#actor button:text-is('Kill')");
    assert.deepEqual(await tooWide(page), []);
    await page.keyboard.press("Escape");
    await page.click("a:has-text('All actors')");
    await page.click(".jump button:text-is('Actors')");
    await until(page, () => document.activeElement.id === "actors-title" && document.activeElement.getBoundingClientRect().top < innerHeight);
    await page.click("a.brand");
    const small = await page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea")]
        .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML.slice(0, 60)));
    assert.deepEqual(small, [], "too small to touch");
}));

/* Presses Tab until the element has the focus; everything passed on the way shows that it has it. */
async function tabTo(page, selector) {
    for (let i = 0; i < 200; i++) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate((wanted) => {
            const element = document.activeElement, style = getComputedStyle(element);
            return {there: element.matches(wanted), visible: element === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2),
                name: element.outerHTML.slice(0, 80)};
        }, selector);
        assert.ok(at.visible, `the focus is not visible on ${at.name}`);
        if (at.there) return;
    }
    assert.fail(`Tab never comes to ${selector}`);
}

test("everything works by keyboard alone", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/somebody", {behaviour: "echo"});
    await page.goto(server.page("/"));
    await live(page);
    await page.waitForSelector(".actors tbody a");
    await page.click("#pause"); /* rows hold still while they are counted */
    await page.evaluate(() => document.activeElement.blur());
    await page.reload();
    await live(page);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await tabTo(page, ".numbers summary");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".numbers[open] table");
    await tabTo(page, "#search");
    await tabTo(page, "#actors-title ~ * button.primary, .tools button.primary");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#dialog option[value=counter]", {state: "attached"});
    await page.keyboard.press("Escape");
    await page.waitForSelector("#dialog", {state: "hidden"});
    assert.ok(await page.evaluate(() => document.activeElement.matches(".tools button.primary")), "the focus comes back");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#dialog option[value=counter]", {state: "attached"});
    await page.keyboard.press("Home"); /* no typing ahead: that has a time limit */
    for (let i = 0; await page.inputValue("#dialog select") !== "counter"; i++) {
        assert.ok(i < 100, "no counter among the behaviours");
        await page.keyboard.press("ArrowDown");
    }
    await tabTo(page, "#dialog input[type=text]");
    await page.keyboard.type("by/keyboard");
    await page.keyboard.press("Enter");
    await untilText(page, "h1", "by/keyboard");
    await untilText(page, "#state", "\"count\": 0");
    await tabTo(page, "#actor textarea");
    await page.keyboard.type("{\"add\": 7}");
    await page.keyboard.press("Control+Enter");
    await untilText(page, "#state", "\"count\": 7");
    await page.evaluate(() => document.getElementById("main").focus());
    await tabTo(page, "#actor button.danger");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#dialog[open]");
    await tabTo(page, "#dialog button.danger");
    await page.keyboard.press("Enter");
    await untilText(page, "#end h2", "It was killed");
}));

test("Escape is a no, also after a yes", limit, () => withPage(server, {}, async (page) => {
    const killed = [];
    page.on("request", (request) => request.method() === "DELETE" && killed.push(new URL(request.url()).pathname));
    await server.api("PUT", "/yes", {behaviour: "echo"});
    await server.api("PUT", "/no", {behaviour: "echo"});
    await page.goto(server.page("/yes"));
    await untilText(page, "h1", "yes");
    await page.click("#actor button:text-is('Kill')");
    await page.click("#dialog button:text-is('Kill')");
    await untilText(page, "#end h2", "It was killed");
    await page.evaluate(() => (history.pushState(null, "", "/no"), dispatchEvent(new PopStateEvent("popstate"))));
    await untilText(page, "h1", "no");
    for (const answer of ["Escape", "Escape"]) { /* once the second one is over, what the first one led to has begun */
        await page.click("#actor button:text-is('Kill')");
        await page.waitForSelector("#dialog[open]");
        await page.keyboard.press(answer);
        await page.waitForSelector("#dialog", {state: "hidden"});
    }
    await server.api("GET", "/no/-/info");
    assert.deepEqual(killed, ["/yes"]);
}));

test("what is opened again before the browser has told of its end is a question of its own", limit, () => withPage(server, {}, async (page) => {
    await page.goto(server.page("/"));
    await live(page);
    await page.evaluate(() => {
        const button = document.querySelector(".tools button.primary");
        button.click();
        document.getElementById("dialog").close(); /* the event of which is still to come */
        button.click();
    });
    await page.waitForSelector("#dialog option[value=counter]", {state: "attached"});
    await page.selectOption("#dialog select", "counter");
    await page.fill("#dialog input[type=text]", "again");
    await page.click("#dialog button.primary");
    await untilText(page, "h1", "again");
}));

/* What checkers of accessibility look for, as far as this page can have it. */
async function accessibility(page) {
    return page.evaluate(() => {
        const all = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
        const complaints = [], say = (what, one) => complaints.push(`${what}: ${one.outerHTML.slice(0, 90)}`);
        if (!document.documentElement.lang) complaints.push("no language");
        if (!document.title) complaints.push("no title");
        for (const role of ["header", "main"]) if (all(role).length !== 1) complaints.push(`${role}: ${all(role).length}`);
        all("h1, h2, h3, h4").reduce((before, one) => {
            const level = Number(one.tagName[1]);
            if (level > before + 1) say(`a heading skips from ${before} to ${level}`, one);
            return level;
        }, 0);
        for (const one of all("*")) {
            for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "list"]) {
                for (const id of (one.getAttribute(name) || "").split(/\s+/).filter(Boolean)) if (!document.getElementById(id)) say(`${name} names nobody`, one);
            }
            if (one.tabIndex > 0) say("an order of its own", one);
            const style = getComputedStyle(one), scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
            if (scrolls && (one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1) && one.tabIndex < 0 && !one.querySelector("a, button, input")) say("scrolls, but not by keyboard", one);
        }
        for (const one of all("[aria-label], [aria-labelledby]")) {
            if (/^(DIV|SPAN|PRE|P)$/.test(one.tagName) && !one.getAttribute("role")) say("a name without a role", one);
        }
        for (const one of all("a, button, input, select, textarea, summary")) {
            if (one.parentElement.closest("a, button, summary")) say("a control inside a control", one);
            const box = one.getBoundingClientRect();
            const inLine = one.tagName === "A" || one.tagName === "SUMMARY";
            if (!inLine && !one.matches(".skip") && (box.height < 24 || box.width < 24)) say("too small to hit", one);
        }
        for (const one of all("img")) if (one.getAttribute("alt") === null) say("no alternative text", one);
        for (const one of all("ul, ol")) if ([...one.children].some((child) => child.tagName !== "LI")) say("a list of something else", one);
        for (const one of all("dl")) if (one.querySelectorAll("dt").length !== one.querySelectorAll("dd").length) say("a list of half definitions", one);
        const regions = all("section, nav, [role=region]").map((one) => `${one.tagName === "NAV" ? "nav" : "region"} ${one.getAttribute("aria-label") || document.getElementById(one.getAttribute("aria-labelledby"))?.textContent}`);
        regions.filter((name, i) => name.endsWith("undefined") || (name.startsWith("nav") && regions.indexOf(name) !== i)).forEach((name) => complaints.push(`${name} is no name of its own`));
        if (all("[aria-pressed]").some((one) => /Resume|Pause/.test(one.textContent))) complaints.push("a pressed state and a changing name");
        return complaints;
    });
}

test("names and roles for those who cannot see it", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/described", {behaviour: "echo"});
    for (const path of ["/", "/described"]) {
        await page.goto(server.page(path));
        await live(page);
        await until(page, () => document.querySelector(".actors tbody a, #actor .facts"));
        const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea, a, [role=img], [role=region]")]
            .filter((one) => one.checkVisibility() && !(one.textContent.trim() || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.labels?.length))
            .map((one) => one.outerHTML.slice(0, 80)));
        assert.deepEqual(nameless, []);
        const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((one) => one.id));
        assert.equal(new Set(ids).size, ids.length, "an id twice");
        assert.equal(await page.locator("h1:visible").count(), 1);
        assert.equal(await page.locator("table th:not([scope])").count(), 0);
        assert.deepEqual(await accessibility(page), []);
    }
}));

test("it comes back after a restart of the server, and asks for the new token", limit, () => withPage(server, {}, async (page) => {
    await server.api("PUT", "/returns", {behaviour: "counter", args: {start: 1}});
    await page.goto(server.page("/returns"));
    await untilText(page, "#state", "\"count\": 1");
    await server.stop();
    await page.waitForSelector("#connection[data-state=waiting]");
    await untilText(page, "#connection-wait", "again in");
    await untilText(page, "#changes", "as last seen");
    await server.start();
    await page.click("#retry", {timeout: 2000}).catch(() => {}); /* or it tried by itself meanwhile */
    await live(page);
    await untilText(page, "#end", "No actor answers");
    await server.api("PUT", "/returns", {behaviour: "counter", args: {start: 2}});
    await untilText(page, "#state", "\"count\": 2");
    await untilText(page, "#changes", "changed once");
    await page.waitForSelector("#token[data-may=yes]"); /* the token's file kept it */

    await server.stop();
    server.tokenFile += ".new";
    await server.start();
    await live(page);
    await untilText(page, "#notice", "refuses the token");
    await page.click("button:text-is('Enter the token')");
    await page.getByLabel("Token", {exact: true}).fill(server.token);
    await page.click("#dialog button[type=submit]");
    await page.waitForSelector("#token[data-may=yes]");
}));

test("where other machines can connect the page loads, and shows nothing without the token", limit, async () => {
    const exposed = new Server();
    exposed.listen = "0.0.0.0:0";
    await exposed.start({options: ["--insecure"]});
    try {
        await exposed.api("PUT", "/secret", {behaviour: "counter", args: {start: 6}});
        await withPage(exposed, {}, async (page) => {
            await page.goto(`${exposed.url}/secret`);
            await page.waitForSelector("#connection[data-state=refused]");
            await untilText(page, "#notice", "wants a token");
            assert.doesNotMatch(await page.textContent("body"), /"count"/);
            await page.click("button:text-is('Enter the token')");
            await page.getByLabel("Token", {exact: true}).fill(exposed.token);
            await page.click("#dialog button[type=submit]");
            await live(page);
            await untilText(page, "#state", "\"count\": 6");
        });
    } finally {
        await exposed.close();
    }
});
