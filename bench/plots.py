# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Plots as SVG: bars with spread, curves over workers, latency histograms. Colours are the page's, by class of side."""
import dataclasses
import html
import math

from summary import Spread, number

WIDTH = 540
LABEL_MAX = 44
CHARACTER = 6.6  # guess: mean width of 12 px text


def esc(text):
    return html.escape(str(text), quote=True)


def colours(rows):
    """label -> colour: a side has the same everywhere in a report. Ours come first: green threads, servers."""
    ours, theirs = {}, {}
    for row in rows:
        for e in row.entries:
            (ours if e.ours else theirs)[e.label] = e
    forms = sorted((label for label, e in ours.items() if e.side.form), key=lambda label: (ours[label].side.build,
                                                                                          ours[label].side.copy, label))
    found = {label: f"var(--c{i % 8})" for i, label in enumerate(forms)}
    found.update({label: "var(--c0)" for label in ours if label not in found})
    found.update({label: f"var(--c{2 + i % 6})" for i, label in enumerate(sorted(theirs))})
    return found


def aim(row, e):
    """The value at which the hardest of its targets would be met; None without one."""
    found = [v.bar for v in e.verdicts if v.bar is not None]
    return (max if row.higher else min)(found) if found else None


def ticks(top, count=4):
    """Round numbers from 0 that cover top."""
    if top <= 0:
        return [0, 1]
    raw = top / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


def tick_text(value):
    if value >= 10000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.10g}" if value >= 1 else f"{value:.3g}"


@dataclasses.dataclass
class Bar:
    label: str
    spread: Spread
    values: list
    colour: str
    aim: float
    peer: bool


def bars(items, unit, title):
    left = min(max(len(b.label) for b in items), LABEL_MAX) * CHARACTER + 12
    right = 96
    pitch, thick, top = 26, 15, 4
    reach = max(b.spread.high for b in items)
    aims = [b.aim for b in items if b.aim is not None]
    if aims:
        reach = max(reach, min(max(aims), reach * 4))
    scale = ticks(reach)
    width = WIDTH - left - right
    height = top + pitch * len(items) + 20

    def x(value):
        return left + width * value / scale[-1]
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{esc(title)}">']
    bottom = top + pitch * len(items)
    for t in scale:
        out.append(f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{top}" y2="{bottom}"/>'
                   f'<text class="s" x="{x(t):.1f}" y="{bottom + 14}" text-anchor="middle">{esc(tick_text(t))}</text>')
    out.append(f'<text class="s" x="{WIDTH}" y="{bottom + 14}" text-anchor="end">{esc(unit)}</text>')
    for i, b in enumerate(items):
        y = top + i * pitch + (pitch - thick) / 2
        middle = y + thick / 2
        s = b.spread
        label = b.label if len(b.label) <= LABEL_MAX else b.label[:LABEL_MAX - 1] + "…"
        tip = f"{b.label}: {number(s.median)} {unit} [{number(s.low)}..{number(s.high)}], {s.count} rounds"
        out.append(f'<g><title>{esc(tip)}</title>'
                   f'<text x="{left - 8:.1f}" y="{middle + 4:.1f}" text-anchor="end">{esc(label)}</text>'
                   f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(1, x(s.median) - left):.1f}" height="{thick}" rx="2" '
                   f'fill="{b.colour}" fill-opacity="{0.55 if b.peer else 1}"/>')
        if s.count > 1:
            out.append(f'<path class="whisker" fill="none" d="M{x(s.low):.1f} {middle:.1f}H{x(s.high):.1f}M{x(s.low):.1f} '
                       f'{middle - 4:.1f}v8M{x(s.high):.1f} {middle - 4:.1f}v8"/>')
        if 1 < s.count <= 15:
            out += [f'<circle class="dot" cx="{x(v):.1f}" cy="{middle:.1f}" r="2"/>' for v in b.values]
        beyond = ""
        if b.aim is not None:
            if b.aim <= scale[-1]:
                out.append(f'<line class="target" x1="{x(b.aim):.1f}" x2="{x(b.aim):.1f}" y1="{y - 4:.1f}" '
                           f'y2="{y + thick + 4:.1f}"/>')
            else:
                beyond = f" → {number(b.aim)}"
        out.append(f'<text x="{WIDTH}" y="{middle + 4:.1f}" text-anchor="end">{esc(number(s.median))}'
                   f'<tspan class="s">{esc(beyond)}</tspan></text></g>')
    out.append("</svg>")
    return "".join(out)


def _apart(wanted, least, low, high):
    """Positions near the wanted ones, at least so far apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = {}
    last = low - least
    for i in order:
        last = max(wanted[i], last + least)
        placed[i] = last
    last = high + least
    for i in reversed(order):
        last = min(placed[i], last - least)
        placed[i] = last
    return [placed[i] for i in range(len(wanted))]


def _dash(i):
    return ("", "6 3", "2 3", "9 3 2 3", "1 2")[i % 5]


def _decades(low, high):
    """1, 2 and 5 times powers of ten around a range."""
    power, found = math.floor(math.log10(low)), []
    while True:
        for m in (1, 2, 5):
            found.append(m * 10.0 ** power)
            if found[-1] >= high * 0.999:
                first = max(i for i, v in enumerate(found) if v <= low * 1.001)
                return found[first:]
        power += 1


def _value_axis(low, high, bottom, top):
    """Ticks and the function from value to y. Logarithmic where the sides are far apart: else the slow ones are one line."""
    if low <= 0 or high / low < 10:
        scale = ticks(high)
        return scale, lambda value: bottom - (bottom - top) * value / scale[-1]
    scale = _decades(low, high)
    span = math.log(scale[-1] / scale[0])
    return scale, lambda value: bottom - (bottom - top) * math.log(value / scale[0]) / span


def curves(lines, colour, unit, title):
    """lines: label -> [(workers, Spread)]. The number of workers is logarithmic."""
    counts = sorted({n for points in lines.values() for n, _ in points})
    spreads = [s for points in lines.values() for _, s in points]
    right = max(100, max(len(label) for label in lines) * CHARACTER + 16)
    left, top = 48, 8
    height = max(180, 15 * len(lines) + 36)
    bottom = height - 24
    scale, y = _value_axis(min(s.low for s in spreads), max(s.high for s in spreads), bottom, top)
    span = math.log2(counts[-1] / counts[0])

    def x(n):
        return left + 14 + (WIDTH - left - right - 42) * math.log2(n / counts[0]) / span
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{esc(title)}">']
    edge = WIDTH - right - 14
    for t in scale:
        out.append(f'<line class="grid" x1="{left}" x2="{edge:.0f}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
                   f'<text class="s" x="{left - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{esc(tick_text(t))}</text>')
    for n in counts:
        out.append(f'<text class="s" x="{x(n):.1f}" y="{bottom + 18}" text-anchor="middle">{n}</text>')
    out.append(f'<text class="s" x="{WIDTH}" y="{bottom + 18}" text-anchor="end">workers · {esc(unit)}</text>')
    labels = _apart([y(points[-1][1].median) for points in lines.values()], 14, top + 4, bottom - 2)
    for i, (label, points) in enumerate(lines.items()):
        c = colour[label]
        path = "L".join(f"{x(n):.1f} {y(s.median):.1f}" for n, s in points)
        tip = label + ": " + ", ".join(f"{n}: {number(s.median)} [{number(s.low)}..{number(s.high)}]" for n, s in points)
        out.append(f'<g><title>{esc(tip)}</title><path class="curve" d="M{path}" stroke="{c}" stroke-dasharray="{_dash(i)}"/>')
        for n, s in points:
            out.append(f'<path d="M{x(n):.1f} {y(s.low):.1f}V{y(s.high):.1f}" stroke="{c}" stroke-width="1"/>'
                       f'<circle cx="{x(n):.1f}" cy="{y(s.median):.1f}" r="3" fill="{c}"/>')
        end = x(points[-1][0])
        out.append(f'<path d="M{end + 5:.1f} {y(points[-1][1].median):.1f}L{WIDTH - right + 2:.1f} {labels[i]:.1f}" stroke="{c}" '
                   f'stroke-width="0.75" fill="none"/><text x="{WIDTH - right + 6:.1f}" y="{labels[i] + 4:.1f}">{esc(label)}'
                   "</text></g>")
    out.append("</svg>")
    return "".join(out)


def histograms(sides, colour, title):
    """sides: label -> {upper edge in us: count}. Share of the samples in each bucket of a fixed logarithmic width."""
    buckets = {}
    for label, histogram in sides.items():
        total = sum(histogram.values())
        shares = {}
        for us, count in histogram.items():
            at = math.ceil(4 * math.log2(max(us, 1e-3)) - 1e-6)
            shares[at] = shares.get(at, 0) + 100 * count / total
        buckets[label] = shares
    low = min(min(s) for s in buckets.values()) - 1
    high = max(max(s) for s in buckets.values())
    scale = ticks(max(max(s.values()) for s in buckets.values()), 3)
    left, right, top, height = 44, 12, 6, 140
    bottom = height - 20

    def x(at):
        return left + (WIDTH - left - right) * (at - low) / (high - low)

    def y(share):
        return bottom - (bottom - top) * share / scale[-1]
    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{esc(title)}">']
    for t in scale:
        out.append(f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
                   f'<text class="s" x="{left - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{esc(tick_text(t))} %</text>')
    for power in range(math.ceil(low / 4 / math.log2(10)), math.floor(high / 4 / math.log2(10)) + 1):
        at = 4 * power * math.log2(10)
        name = f"{10 ** power:g} µs" if power < 3 else f"{10 ** (power - 3):g} ms" if power < 6 else f"{10 ** (power - 6):g} s"
        out.append(f'<line class="axis" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top}" y2="{bottom + 4}"/>'
                   f'<text class="s" x="{x(at):.1f}" y="{bottom + 16}" text-anchor="middle">{esc(name)}</text>')
    for label, shares in buckets.items():
        path = [f"M{x(low):.1f} {bottom}"]
        for at in range(low + 1, high + 1):
            path.append(f"V{y(shares.get(at, 0)):.1f}H{x(at):.1f}")
        out.append(f'<path class="area" d="{"".join(path)}V{bottom}" fill="{colour[label]}" stroke="{colour[label]}">'
                   f"<title>{esc(label)}</title></path>")
    out.append("</svg>")
    key = "".join(f'<li><span style="background:{colour[label]}"></span>{esc(label)}</li>' for label in sides)
    return "".join(out) + f'<ul class="key">{key}</ul>'
