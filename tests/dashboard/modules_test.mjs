/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The dashboard's pure modules, without a browser: event streams cut anywhere, rates, numbers for people. */
import {test} from "node:test";
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";

/* They are served as they are, so they have no package.json that would call them modules. */
function load(name) {
    const text = readFileSync(new URL(`../../runtime/rest/dashboard/${name}`, import.meta.url), "utf8");
    return import(`data:text/javascript,${encodeURIComponent(text)}`);
}

const {EventParser} = await load("event_parser.js");
const {quantiles, rate} = await load("rates.js");
const format = await load("format.js");

function events(...pieces) {
    const got = [];
    const parser = new EventParser((event, data) => got.push([event, data]));
    pieces.forEach((piece) => parser.push(piece));
    return got;
}

test("event streams, cut in two anywhere, with every kind of line end", () => {
    const lines = [": hello", "", "id: 7", "event: state", "data: {\"a\":", "data:1}", "retry: 2000", "", "data", "", "event: none", "", "data:  x", ""];
    const wanted = [["state", "{\"a\":\n1}"], ["message", ""], ["message", " x"]];
    for (const end of ["\n", "\r\n", "\r"]) {
        const text = lines.join(end) + end;
        const closed = end === "\r" ? `${text}:` : text; /* a last CR may be half of a CRLF */
        for (let at = 0; at <= closed.length; at++) assert.deepEqual(events(closed.slice(0, at), closed.slice(at)), wanted, `${JSON.stringify(end)} ${at}`);
        assert.deepEqual(events(...closed), wanted);
    }
    assert.deepEqual(events("data: never ended\n"), []);
});

test("rates", () => {
    assert.equal(rate(30, 10, 2), 10);
    assert.equal(rate(10, 30, 2), null); /* started anew */
    assert.equal(rate(30, undefined, 2), null);
    assert.equal(rate(30, 10, 0), null);
    assert.equal(rate("30", 10, 1), null);
});

test("quantiles of what is new", () => {
    assert.deepEqual(quantiles([[1, 50], [9, 50]], [], 50, 99), [1, 9]);
    assert.deepEqual(quantiles([[1, 50], [9, 50], [20, 1]], [[1, 50], [9, 50]], 50, 99), [20, 20]);
    assert.deepEqual(quantiles([[1, 50]], [[1, 50]], 50, 99), [null, null]);
    assert.deepEqual(quantiles(undefined, undefined, 50), [null]);
    assert.deepEqual(quantiles([[9, 1], [1, 198], [9, 1]], [], 50, 99, 100), [1, 1, 9]);
    assert.deepEqual(quantiles([[5, 10], [5, 3]], [[5, 10], [5, 3]], 50), [null]); /* the last bucket may come twice */
});

test("numbers for people", () => {
    const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");
    const cases = [
        [format.count, [[0, "0"], [950, "950"], [1000, "1 000"], [9031, "9 031"], [9999, "9 999"], [1234.5, "1 235"], [-1234, "-1 234"], [12345, "12.3 k"], [999999, "1 M"], [4.25, "4.25"], [undefined, "–"], [NaN, "–"], [null, "–"]]],
        [format.exact, [[1234567, "1 234 567"], [12345678901234567890n, "12 345 678 901 234 567 890"], [-1234, "-1 234"], [null, "–"]]],
        [format.bytes, [[0, "0 B"], [1023, "1023 B"], [1024, "1 KiB"], [61500000, "58.7 MiB"], ["1", "–"]]],
        [format.micros, [[0, "0 µs"], [0.4, "<1 µs"], [35, "35 µs"], [1234, "1.23 ms"], [3400000, "3.4 s"], [null, "–"]]],
        [format.percent, [[0.256, "26 %"], [1, "100 %"], [undefined, "–"]]],
        [format.duration, [[0.5, "0.5 s"], [59, "59 s"], [60, "1 min"], [725, "12 min 5 s"], [3600, "1 h"], [12000, "3 h 20 min"], [86400 * 3, "3 d"], [-1, "0 s"]]],
    ];
    for (const [show, list] of cases) for (const [number, wanted] of list) assert.equal(plain(show(number)), wanted, `${show.name} ${number}`);
});

test("times below a chart: round ones, as many as there is room for", () => {
    const from = Date.UTC(2026, 0, 31, 12, 0, 7), at = (...range) => format.ticks(...range).map(({v}) => (v - from) / 1000 + 7);
    assert.deepEqual(at(from, from + 90000, 258), [30, 60, 90]);
    assert.deepEqual(at(from, from + 60000, 258), [30, 60]);
    assert.deepEqual(at(from, from + 300000, 258), [120, 240]);
    assert.deepEqual(at(from, from + 300000, 700), [60, 120, 180, 240, 300]);
    assert.deepEqual(at(from + 16000, from + 76000, 258), [60], "30 would stand on the 0 of the other axis");
    assert.ok(format.ticks(from, from + 300000, 0).length <= 1);
    for (let seconds = 60; seconds <= 300; seconds++) {
        for (const pixels of [150, 258, 320, 700]) {
            const count = at(from, from + seconds * 1000, pixels).length;
            assert.ok(count >= 1 && count <= pixels / format.TICK_PIXELS + 1, `${seconds} s on ${pixels} pixels: ${count}`);
        }
    }
    assert.match(format.ticks(from, from + 60000, 258)[0].label, /^\d\d:\d\d:30$/);
});
