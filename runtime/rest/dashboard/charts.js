/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A chart over time with a legend that shows the numbers. Lines are drawn by dygraphs where the build found it, else by a few
 * lines of SVG; the legend, the numbers and the table behind "Numbers" are the same. Rows are [milliseconds, value, …]; null is
 * a gap. */
import {h, setText, svg} from "./dom.js";
import {clock, TICK_PIXELS, ticks} from "./format.js";

export const WINDOW_MS = 5 * 60 * 1000;
const WINDOW_MS_MIN = 60 * 1000;

const charts = new Set();

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function seriesColours(count) {
    return Array.from({length: count}, (_, i) => colour(`--series-${i + 1}`));
}

/* Of its plugins only these two: the legend's sets inline styles, which the page's policy forbids, and ours is better to read. */
if (window.Dygraph) window.Dygraph.PLUGINS = [window.Dygraph.Plugins.Axes, window.Dygraph.Plugins.Grid];

/* What draws has draw(rows, [from, to]), restyle(), resize() and drop(). */
function dygraphLines(plot, chart) {
    const labels = ["time", ...chart.series.map((series) => series.label)];
    let graph = null;
    const options = () => ({
        labels,
        colors: seriesColours(chart.series.length),
        legend: "never",
        strokeWidth: 1.8,
        fillGraph: true,
        fillAlpha: 0.1,
        includeZero: true,
        connectSeparatedPoints: false,
        highlightCircleSize: 3.5,
        animateBackgroundFade: false,
        interactionModel: {},
        gridLineColor: colour("--line"),
        gridLineWidth: 1,
        axisLineColor: colour("--line"),
        axisLineWidth: 1,
        axisLabelFontSize: 12,
        labelsKMG2: chart.binary,
        rightGap: 8,
        axes: {
            x: {drawGrid: false, axisLabelWidth: TICK_PIXELS, ticker: ticks},
            y: {axisLabelWidth: 62, pixelsPerLabel: 34, axisLabelFormatter: (value) => chart.format(value)},
        },
        highlightCallback: (event, x, points, row) => chart.showRow(row),
        unhighlightCallback: () => chart.showRow(null),
    });
    return {
        draw(rows, [from, to]) {
            if (!plot.clientWidth) return;
            const data = rows.length ? rows : [[to, ...chart.series.map(() => null)]];
            const top = Math.max(chart.top, ...rows.flatMap((row) => row.slice(1)).filter((value) => value !== null)) * 1.08;
            const range = {dateWindow: [from, to], valueRange: [0, top || 1]};
            if (!graph) graph = new window.Dygraph(plot, data, {...options(), ...range});
            else graph.updateOptions({file: data, ...range});
        },
        restyle() {
            graph?.updateOptions(options());
        },
        resize() {
            graph?.resize();
        },
        drop() {
            graph?.destroy();
        },
    };
}

const WIDTH = 300;
const HEIGHT = 100;

function sparkLines(plot, chart) {
    const paths = chart.series.map((_, i) => svg("path", {class: `spark spark-${i + 1}`, "vector-effect": "non-scaling-stroke"}));
    const top = h("span", {class: "spark-top"});
    plot.append(svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true"}, ...paths), top);
    return {
        draw(rows, [from, to]) {
            const values = rows.flatMap((row) => row.slice(1)).filter((value) => value !== null);
            const max = Math.max(chart.top, ...values) * 1.08 || 1;
            paths.forEach((path, i) => {
                let pen = "M";
                const steps = [];
                for (const row of rows) {
                    if (row[i + 1] === null) pen = "M";
                    else {
                        const x = (row[0] - from) / (to - from) * WIDTH, y = HEIGHT - row[i + 1] / max * HEIGHT;
                        steps.push(`${pen}${x.toFixed(1)} ${y.toFixed(1)}${pen === "M" ? "h0" : ""}`); /* h0: a dot, if nothing follows */
                        pen = "L";
                    }
                }
                path.setAttribute("d", steps.join(""));
            });
            setText(top, chart.format(max / 1.08));
        },
        restyle() {},
        resize() {},
        drop() {},
    };
}

/* The last minutes as a table: least, mean, most and last of each series. */
function summary(chart, rows) {
    return chart.series.map((series, i) => {
        const values = rows.map((row) => row[i + 1]).filter((value) => value !== null);
        if (!values.length) return [null, null, null, null];
        const sum = values.reduce((total, value) => total + value, 0);
        return [Math.min(...values), sum / values.length, Math.max(...values), values[values.length - 1]];
    });
}

export class Chart {
    /* series: [{label}]; format: number to text; top: the least that the axis reaches up to; binary: ticks at 1024s. */
    constructor(title, series, format, {top = 0, binary = false} = {}) {
        this.title = title;
        this.series = series;
        this.format = format;
        this.top = top;
        this.binary = binary;
        this.rows = [];
        this.hovered = null;
        this.values = series.map(() => h("span", {class: "legend-value"}, "–"));
        this.cells = series.map(() => ["least", "mean", "most", "last"].map(() => h("td", {}, "–")));
        this.plot = h("div", {class: "plot"});
        this.when = h("span", {class: "legend-when"});
        this.drawing = h("div", {class: "drawing", role: "img", "aria-label": `${title}, the last minutes: see Numbers`}, this.plot);
        this.element = h("figure", {class: "card chart"},
            h("figcaption", {class: "chart-head"}, h("h2", {}, title), this.legend()), this.drawing, this.table());
        this.lines = window.Dygraph ? dygraphLines(this.plot, this) : sparkLines(this.plot, this);
        this.watch = new ResizeObserver(() => {
            this.lines.resize();
            this.draw();
        });
        this.watch.observe(this.plot);
        charts.add(this);
    }

    legend() {
        return h("span", {class: "legend"}, this.when, this.series.map((series, i) => h("span", {class: "legend-entry"},
            h("span", {class: `swatch swatch-${i + 1}`, "aria-hidden": "true"}), `${series.label} `, this.values[i])));
    }

    table() {
        return h("details", {class: "numbers"}, h("summary", {}, "Numbers", h("span", {class: "unseen"}, `: ${this.title}`)),
            h("table", {}, h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "last 5 min"),
                ["least", "mean", "most", "last"].map((name) => h("th", {scope: "col"}, name)))),
            h("tbody", {}, this.series.map((series, i) => h("tr", {}, h("th", {scope: "row"}, series.label), this.cells[i])))));
    }

    showRow(row) {
        this.hovered = row;
        const values = row === null ? this.rows[this.rows.length - 1] : this.rows[row];
        setText(this.when, row === null || !values ? "" : clock(values[0] / 1000));
        this.values.forEach((value, i) => setText(value, this.format(values ? values[i + 1] : null)));
    }

    set(rows) {
        this.rows = rows;
        this.draw();
    }

    draw() {
        const last = this.rows.length ? this.rows[this.rows.length - 1][0] : Date.now();
        const first = Math.min(last - WINDOW_MS_MIN, this.rows.length ? this.rows[0][0] : last);
        this.lines.draw(this.rows, [Math.max(first, last - WINDOW_MS), last]);
        if (this.hovered === null) this.showRow(null);
        summary(this, this.rows).forEach((numbers, i) => numbers.forEach((number, j) =>
            setText(this.cells[i][j], this.format(number))));
    }
}

/* Another theme: other colours on the canvases. */
export function restyleCharts() {
    charts.forEach((chart) => chart.lines.restyle());
}

export function dropChart(chart) {
    charts.delete(chart);
    chart.watch.disconnect();
    chart.lines.drop();
}
