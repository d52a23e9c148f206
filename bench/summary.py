# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""From lines of JSON to rows: medians, spread, ratios within a round, targets met or missed; and the table as text.

A ratio is ours / theirs of one round, so that what the machine did meanwhile happened to both; of the rounds' ratios the median
counts.
"""
import dataclasses
import statistics

from catalogue import BEST, PONY, PONY_AND_TOKIO, TARGETS
from sides import OURS, Side, plural


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float
    count: int

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


@dataclasses.dataclass
class Verdict:
    target: str
    met: object    # True, False; None: not judged
    text: str      # what was found, or why it is not judged
    bar: float = None  # the value that would just do


@dataclasses.dataclass
class Entry:
    """One side in a row."""
    side: Side
    label: str
    rounds: dict                                 # round -> value
    spread: Spread = None
    ratios: dict = dataclasses.field(default_factory=dict)  # peer -> Spread
    verdicts: list = dataclasses.field(default_factory=list)
    versus_first: Spread = None                  # with several builds: this one / the first
    latency: list = dataclasses.field(default_factory=list)  # latency_us of each round
    floor: float = 0.0                           # what nobody can beat, where the program knows it
    histogram: dict = dataclasses.field(default_factory=dict)  # us -> count, all rounds

    @property
    def ours(self):
        return self.side.peer == OURS


@dataclasses.dataclass
class Row:
    workload: str
    metric: str
    unit: str
    higher: bool
    workers: int
    entries: list

    def entry(self, **wanted):
        for e in self.entries:
            if all(getattr(e.side, k) == v for k, v in wanted.items()):
                return e
        return None


def _side(record):
    return Side(record["peer"], record.get("build", 0), record.get("form", ""), record.get("copy", ""))


def _collect(records):
    rows = {}
    for r in (r for r in records if r["kind"] == "measurement"):
        for label, number in r["values"].items():
            key = (r["workload"], label, r["workers"])
            row = rows.setdefault(key, Row(r["workload"], label, number["unit"], number["higher"], r["workers"], []))
            side = _side(r)
            e = next((e for e in row.entries if e.side == side), None)
            if not e:
                e = Entry(side, "", {})
                row.entries.append(e)
            e.rounds[r["round"]] = number["value"]
            e.floor = r["line"].get("floor_seconds", 0.0)
            if r["line"].get("latency_us"):
                e.latency.append(r["line"]["latency_us"])
            for us, count in r["line"].get("histogram") or ():
                e.histogram[us] = e.histogram.get(us, 0) + count
    return list(rows.values())


def _add_pony(row):
    factors = PONY_AND_TOKIO.get(row.workload, {}).get(row.workers)
    tokio = row.entry(peer="tokio")
    if factors and tokio and not row.metric:
        rounds = {n: value * factors[0] / factors[1] for n, value in tokio.rounds.items()}
        row.entries.append(Entry(Side(PONY), PONY, rounds))


def _ratio(mine, theirs):
    return Spread.of(mine[n] / theirs[n] for n in mine if theirs.get(n))


def _best(row, e):
    """The peer that is hardest to beat."""
    peers = [(p, s) for p, s in e.ratios.items()]
    if not peers:
        return None, None
    return (min if row.higher else max)(peers, key=lambda x: x[1].median)


def _beside(row, e, target, rows):
    """What a target compares with: (name, Spread of the ratio), or (reason, None)."""
    if target.floor:
        floor = e.floor or target.floor
        return f"the floor of {number(floor)}", Spread.of(v / floor for v in e.rounds.values())
    if target.beside is None:
        return "", e.spread
    if target.beside == "workers:1":
        one = next((r.entry(peer=OURS, build=e.side.build, form=e.side.form, copy=e.side.copy) for r in rows
                    if (r.workload, r.metric, r.workers) == (row.workload, row.metric, 1)), None)
        return ("one worker", _ratio(e.rounds, one.rounds)) if one else ("not run with one worker", None)
    if target.beside == BEST:
        name, spread = _best(row, e)
        return (name, spread) if spread else ("no peer in this run", None)
    if target.beside_workload:
        other = next((r.entry(peer=target.beside) for r in rows
                      if (r.workload, r.metric) == (target.beside_workload, row.metric)), None)
        return (target.beside, _ratio(e.rounds, other.rounds)) if other else (f"no {target.beside} in this run", None)
    spread = e.ratios.get(target.beside)
    need = "tokio" if target.beside == PONY else target.beside
    return (target.beside, spread) if spread else (f"no {need} in this run", None)


def _judge(row, e, rows):
    for target in TARGETS:
        if (target.workload, target.metric) != (row.workload, row.metric) or target.workers not in (0, row.workers) or \
                target.form not in ("", e.side.form):
            continue
        name, spread = _beside(row, e, target, rows)
        text = target.text(row.unit)
        if not spread:
            e.verdicts.append(Verdict(text, None, name))
            continue
        met = spread.median >= target.factor if target.op == ">=" else spread.median <= target.factor
        found = number(spread.median) if target.beside is None else f"{ratio_text(spread)} × {name}"
        bar = target.factor if target.beside is None else e.spread.median * target.factor / spread.median
        e.verdicts.append(Verdict(text, met, found, bar))


def summarise(records):
    """Rows in the order in which they were measured first."""
    rows = _collect(records)
    smoke = any(r.get("smoke") for r in records if r["kind"] == "machine")
    builds = {e.side.build for row in rows for e in row.entries if e.ours}
    copies = {e.side.copy for row in rows for e in row.entries if e.side.copy}
    for row in rows:
        row.entries.sort(key=lambda e: (not e.ours, e.side.form, e.side.copy, e.side.build))
        _add_pony(row)
        for e in row.entries:
            e.label = e.side.label(len(builds), len(copies))
            e.spread = Spread.of(e.rounds.values())
            if not e.ours:
                continue
            for other in row.entries:
                if not other.ours and (spread := _ratio(e.rounds, other.rounds)):
                    e.ratios[other.side.peer] = spread
            if e.side.build:
                first = row.entry(peer=OURS, build=0, form=e.side.form, copy=e.side.copy)
                e.versus_first = _ratio(e.rounds, first.rounds) if first else None
    judged_copy = "packed" if "packed" in copies else next(iter(copies), "")
    for row in () if smoke else rows:
        for e in row.entries:
            if e.ours and e.side.copy in (judged_copy, "") and e.side.build == max(builds):
                _judge(row, e, rows)
    return rows


def number(value):
    """Three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}"


def failures(records):
    """A line for each side and reason: who failed, why, where."""
    found = {}
    for r in records:
        if r["kind"] == "failed":
            places = found.setdefault((r["side"], r["reason"]), {})
            place = f"{r['workload']}, {plural(r['workers'])}"
            places[place] = places.get(place, 0) + 1
    return [f"{side}: {reason}: " + "; ".join(p + (f" ({n} times)" if n > 1 else "") for p, n in places.items())
            for (side, reason), places in found.items()]


def verdict_counts(rows):
    verdicts = [v for row in rows for e in row.entries for v in e.verdicts]
    return tuple(sum(v.met is wanted for v in verdicts) for wanted in (True, False, None))


def _line(cells, widths):
    text = "  ".join(c.ljust(w) if i in (0, 2) or i == len(cells) - 1 else c.rjust(w)
                     for i, (c, w) in enumerate(zip(cells, widths)))
    return text.rstrip()


def ratio_text(spread):
    return f"{spread.median:.{1 if spread.median >= 10 else 2 if spread.median >= 0.1 else 3}f}"


def table(rows):
    """The lines of the table."""
    peers = []
    for row in rows:
        peers += [e.side.peer for e in row.entries if not e.ours and e.side.peer not in peers]
    peers.sort(key=lambda p: p == PONY)
    versus = any(e.versus_first for row in rows for e in row.entries)
    head = ["workload", "w", "side", "median", "[min..max]", ""] + (["/ first build"] if versus else []) + \
        [f"/ {p}" for p in peers] + ["target"]
    body = []
    for row in rows:
        for i, e in enumerate(row.entries):
            title = [f"{row.workload} {row.metric}".rstrip(), str(row.workers)] if i == 0 else ["", ""]
            s = e.spread
            cells = title + [e.label, number(s.median), f"[{number(s.low)}..{number(s.high)}]", row.unit]
            if versus:
                cells.append(ratio_text(e.versus_first) if e.versus_first else "")
            cells += [ratio_text(e.ratios[p]) if p in e.ratios else "" for p in peers]
            cells.append("; ".join(f"{v.target}: {'met' if v.met else 'MISSED'}, {v.text}" for v in e.verdicts
                                   if v.met is not None))
            body.append(cells)
    widths = [max(len(line[i]) for line in [head] + body) for i in range(len(head) - 1)] + [0]
    return [_line(head, widths)] + [_line(cells, widths) for cells in body]


def markdown(rows):
    """The table for a README: a line for each workload and number of workers, a column for each side, targets at the end."""
    labels = []
    for row in rows:
        labels += [e.label for e in row.entries if e.label not in labels]
    ours = {e.label for row in rows for e in row.entries if e.ours}
    labels.sort(key=lambda label: (label not in ours, label == PONY))
    out = ["| workload | w | " + " | ".join(labels) + " | beside the target |", "|" + "---|" * (len(labels) + 3)]
    last = None
    for row in rows:
        title = f"{row.workload} {row.metric}".rstrip() + ("" if row.unit == "M/s" else f", {row.unit}")
        found = {e.label: e for e in row.entries}
        cells = ["" if title == last else title, str(row.workers)]
        last = title
        for label in labels:
            s = found[label].spread if label in found else None
            cells.append(f"{number(s.median)} [{number(s.low)}..{number(s.high)}]" if s else "")
        verdicts = []
        for e in row.entries:
            verdicts += [f"{e.label} {v.text} ({v.target}{'' if v.met else ', **missed**'})" for v in e.verdicts if v.met is not None]
        out.append("| " + " | ".join(cells + ["; ".join(verdicts)]) + " |")
    return out
