# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""The report as one HTML file: plots as SVG, nothing from elsewhere, no script. Its page is report.html.

All text goes through esc() on its way into the page, whatever a program, a peer or the machine said.
"""
import html
import pathlib
import string

import plots
import summary
from catalogue import PONY
from plots import esc
from sides import OURS, plural
from summary import Spread, number

PAGE = pathlib.Path(__file__).resolve().with_suffix(".html")


def tag(met):
    kind, word = {True: ("ok", "✓ met"), False: ("bad", "✗ missed"), None: ("open", "– not judged")}[met]
    return f'<span class="tag {kind}">{word}</span>'


def table(head, lines, numeric=(), wrap=(), firsts=()):
    """lines: cells as HTML already."""
    def kind(i):
        name = "n" if i in numeric else "wrap" if i in wrap else ""
        return f' class="{name}"' if name else ""
    out = ['<div class="scroll"><table><thead><tr>']
    out += [f"<th{kind(i)}>{esc(h)}</th>" for i, h in enumerate(head)]
    out.append("</tr></thead><tbody>")
    for n, cells in enumerate(lines):
        out.append('<tr class="first">' if n in firsts else "<tr>")
        out += [f"<td{kind(i)}>{c}</td>" for i, c in enumerate(cells)]
        out.append("</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def tiles(records, rows):
    met, missed, open_ = summary.verdict_counts(rows)
    measured = sum(r["kind"] == "measurement" for r in records)
    failed = sum(r["kind"] == "failed" for r in records)
    shown = []
    if met or missed or open_:
        shown += [("ok", met, "targets met"), ("bad" if missed else "", missed, "missed"), ("", open_, "not judged")]
    shown += [("", measured, "runs whose law held"), ("bad" if failed else "", failed, "runs that failed")]
    if probe := probes(records):
        shown.append(("", f"{probe.median:.0f} ns", f"a line between two cores [{probe.low:.0f}..{probe.high:.0f}]"))
    return '<div class="tiles">' + "".join(
        f'<div class="tile {kind}"><b>{esc(value)}</b><span>{esc(text)}</span></div>' for kind, value, text in shown) + "</div>"


def probes(records):
    return Spread.of(r[k] for r in records if r["kind"] == "round"
                     for k in ("cross_core_ns_min", "cross_core_ns", "cross_core_ns_max") if k in r)


def warnings(records):
    found = []
    for r in records:
        if r["kind"] == "machine" and r.get("smoke"):
            found.append("Made with --smoke: laws were checked, the numbers mean nothing.")
        if r["kind"] == "machine":
            found += [f"Build {i + 1} is no release build: {b['type']} {b['sanitize']}"
                      for i, b in enumerate(r["builds"]) if b["type"] not in ("RelWithDebInfo", "Release") or b["sanitize"]]
        if r["kind"] == "skipped" and "workload" not in r:
            found.append(f"Skipped: {r['peer']}: {r['reason']}")
    found += [f"Failed: {text}" for text in summary.failures(records)]
    busy = max((r["others"] + r["stolen"] for r in records if r["kind"] == "round"), default=0)
    if busy > 0.05:
        found.append(f"The machine was not quiet: up to {busy:.0%} of the CPUs' time in a round went to others. Rates are low, "
                     "spreads wide; ratios within a round suffer least.")
    return "".join(f'<p class="warning">{esc(text)}</p>' for text in dict.fromkeys(found))


def targets(rows):
    lines = []
    for row in rows:
        for e in row.entries:
            for v in e.verdicts:
                lines.append([esc(f"{row.workload} {row.metric}".rstrip()), str(row.workers), esc(e.label), esc(v.target),
                              esc(v.text), tag(v.met)])
    if not lines:
        return ""
    return "<h2>Targets</h2>" + table(["workload", "workers", "form", "target", "found, median of the rounds", ""], lines,
                                      numeric=(1,), wrap=(4,))


def groups(rows):
    """Rows by workload and metric; programs with cases (NAME/CASE) together."""
    found = {}
    for row in rows:
        found.setdefault((row.workload.partition("/")[0], row.metric), []).append(row)
    return found


def bars_of(group, colours):
    """A chart for each number of workers and unit."""
    charts = {}
    for row in group:
        charts.setdefault((row.workers, row.unit), []).append(row)
    out = []
    several = len({workers for workers, _ in charts}) > 1
    for (workers, unit), rows in charts.items():
        bars = []
        for row in rows:
            case = row.workload.partition("/")[2]
            for e in row.entries:
                label = " ".join(filter(None, (case, e.label if not case or len(row.entries) > 1 else "")))
                aim = plots.aim(row, e)
                bars.append(plots.Bar(label, e.spread, list(e.rounds.values()), colours[e.label], aim, not e.ours))
        if several or workers > 1:
            out.append(f"<h4>{plural(workers)}</h4>")
        out.append(plots.bars(bars, unit, f"{rows[0].workload}, {plural(workers)}"))
    return "".join(out)


def curves_of(group, colours):
    """Over the number of workers, where there are some."""
    if len({row.workers for row in group}) < 2 or any("/" in row.workload for row in group):
        return ""
    lines = {}
    for row in group:
        for e in row.entries:
            lines.setdefault(e.label, []).append((row.workers, e.spread))
    lines = {label: sorted(points) for label, points in lines.items() if len(points) > 1}
    if not lines:
        return ""
    return "<h4>over workers</h4>" + plots.curves(lines, colours, group[0].unit, f"{group[0].workload} over workers")


def latencies_of(group, colours):
    out = []
    for row in group:
        sides = [e for e in row.entries if e.histogram]
        if sides and not row.metric or row.metric == "p99" and sides:
            out.append(f"<h4>latency, {plural(row.workers)}</h4>")
            out.append(plots.histograms({e.label: e.histogram for e in sides}, colours, f"latency of {row.workload}"))
            lines = [[esc(e.label)] + [esc(number(Spread.of(v[k] for v in e.latency if k in v).median))
                                       if any(k in v for v in e.latency) else "" for k in ("p50", "p90", "p99", "p999", "max")]
                     for e in sides]
            out.append(table(["µs", "p50", "p90", "p99", "p99.9", "max"], lines, numeric=(1, 2, 3, 4, 5)))
    return "".join(out)


def cards(records, rows):
    about = {r["workload"].partition("/")[0]: (r.get("folder", ""), r.get("text") or r["line"].get("operation", ""))
             for r in records if r["kind"] == "measurement" and r["peer"] == OURS}
    colours = plots.colours(rows)
    out = []
    folder = None
    for (workload, metric), group in groups(rows).items():
        place, text = about.get(workload, ("", ""))
        if place != folder:
            out.append("</div>" if folder is not None else "")
            titles = {"runtime": "Workloads", "savina": "Savina", "micro": "Single structures", "scaling": "Many workers"}
            out.append(f'<h2>{esc(titles.get(place, place))}</h2><div class="cards{" small" if place == "savina" else ""}">')
            folder = place
        sense = "more is better" if group[0].higher else "less is better"
        out.append(f'<section class="card"><header><h3>{esc(f"{workload} {metric}".rstrip())}</h3>'
                   f'<span class="soft">{esc(" · ".join(filter(None, (text, f"{group[0].unit}, {sense}"))))}</span></header>')
        out += [bars_of(group, colours), curves_of(group, colours), latencies_of(group, colours), "</section>"]
    out.append("</div>" if folder is not None else "")
    return "".join(out)


def numbers(rows):
    peers = []
    for row in rows:
        peers += [e.side.peer for e in row.entries if not e.ours and e.side.peer not in peers]
    peers.sort(key=lambda p: p == PONY)
    versus = any(e.versus_first for row in rows for e in row.entries)
    head = ["workload", "workers", "side", "median", "min..max", "unit", "runs"] + ["÷ first build"] * versus + \
        [f"÷ {p}" for p in peers]
    lines, firsts = [], []

    def ratio(spread):
        return f'<span title="{number(spread.low)}..{number(spread.high)}">{summary.ratio_text(spread)}</span>' if spread else ""
    for row in rows:
        firsts.append(len(lines))
        for i, e in enumerate(row.entries):
            s = e.spread
            cells = [esc(f"{row.workload} {row.metric}".rstrip()) if i == 0 else "", str(row.workers) if i == 0 else "",
                     esc(e.label), number(s.median), f"{number(s.low)}..{number(s.high)}", esc(row.unit), str(s.count)]
            lines.append(cells + [ratio(e.versus_first)] * versus + [ratio(e.ratios.get(p)) for p in peers])
    return "<h2>All numbers</h2><p class=\"soft\">÷ peer: ours divided by theirs within a round, the median over the rounds; its " \
        "spread shows when the pointer rests on it.</p>" + \
        table(head, lines, numeric=(1, 3, 4, *range(6, len(head))), firsts=firsts)


def counts(records):
    """What the runtime counted for an operation; the median over the rounds."""
    found, names = {}, []
    for r in records:
        each = r["line"].get("per_operation") if r["kind"] == "measurement" and r["peer"] == OURS and not r.get("build") else None
        for name, value in (each or {}).items():
            found.setdefault((r["workload"], r["workers"], r["form"], r["copy"]), {}).setdefault(name, []).append(value)
            names += [name] if name not in names else []
    copies = len({key[3] for key in found}) > 1
    lines = [[esc(workload), str(workers), esc(f"{form} {copy}" if copies else form)] +
             [number(Spread.of(each[name]).median) if name in each else "" for name in names]
             for (workload, workers, form, copy), each in found.items()]
    if not lines:
        return ""
    return "<h2>What one operation is, in counts</h2><p class=\"soft\">Of the runtime's counters, set-up and end included; what is " \
        "nought is left out.</p>" + table(["workload", "workers", "form"] + names, lines, numeric=(1, *range(3, 3 + len(names))))


def rounds(records):
    found = [r for r in records if r["kind"] == "round"]
    lines = [[str(r["round"]), number(r["cross_core_ns"]) if "cross_core_ns" in r else "–",
              f"{number(r['cross_core_ns_min'])}..{number(r['cross_core_ns_max'])}" if "cross_core_ns" in r else "–",
              f"{r['others']:.1%}", f"{r['stolen']:.1%}", f"{r['load']:.1f}"] for r in found]
    if not lines:
        return ""
    return "<h2>Rounds</h2>" + table(["round", "line between cores, ns", "min..max", "CPU of other programs", "of other machines",
                                      "load"], lines, numeric=range(6))


def machine(records):
    lines = []
    for r in (r for r in records if r["kind"] == "machine"):
        lines += [("date", r["date"]), ("command", r["command"]), ("rounds", r["runs"]),
                  ("processor", f"{r['cpu']}, {r['cpus']} CPUs{', virtual' if r['virtual'] else ''}"),
                  ("kernel", r["kernel"]), ("huge pages", r["huge_pages"]), ("load before", f"{r['load']:.1f}")]
        for i, b in enumerate(r["builds"]):
            lines.append((f"build {i + 1}", f"commit {b['commit']}, {b['type']}, {b['compiler']}, context {b['context']}, "
                                            f"invariants {b['invariants']} {b['sanitize']}".rstrip()))
        lines += [(name, value) for name, value in r["environment"].items()]
    versions = {r["peer"]: r["line"]["version"] for r in records if r["kind"] == "measurement" and r["line"].get("version")}
    lines += sorted(versions.items())
    return "<h2>Machine and sides</h2>" + table(["", ""], [[esc(k), f"<code>{esc(v)}</code>"] for k, v in lines], wrap=(1,))


def page(records):
    rows = summary.summarise(records)
    first = next((r for r in records if r["kind"] == "machine"), {})
    title = f"Greenroom bench, {first.get('date', '')[:10]}"
    pony = any(e.side.peer == PONY for row in rows for e in row.entries)
    body = [f"<h1>{esc(title)}</h1>",
            f'<p class="soft">{esc(first.get("cpu", ""))}, {esc(first.get("cpus", "?"))} CPUs, commit '
            f'{esc(", ".join(b["commit"] for b in first.get("builds", [])))}, rounds: {esc(first.get("runs", "?"))}. '
            "All sides take turns within a round; bars are medians, lines go from the slowest to the fastest round, dots are "
            "rounds, a dashed line is what the target asks for."
            + (" pony* is computed: Tokio of this run times Pony ÷ Tokio of an earlier comparison." if pony else "") + "</p>",
            tiles(records, rows), warnings(records), targets(rows), cards(records, rows), numbers(rows), counts(records), rounds(records),
            machine(records)]
    return string.Template(PAGE.read_text(encoding="utf-8")).substitute(title=html.escape(title), body="\n".join(filter(None, body)))
