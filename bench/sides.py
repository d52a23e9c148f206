# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Sides of a comparison: our programs in one or more builds, and the peers. Runs one of them once."""
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
PEERS = BENCH / "peers"
OURS = "greenroom"
RESULTS = {"operations", "steals", "wakes", "system_allocations", "cross_core_ns"}
NOT_THERE, NOT_INSTALLED = 3, 4  # exit codes of a peer: no such workload; not installed


@dataclasses.dataclass(frozen=True)
class Side:
    """Who runs a workload. A peer has a name only."""
    peer: str = OURS
    build: int = 0
    form: str = ""
    copy: str = ""

    def label(self, builds=1, copies=1):
        if self.peer != OURS:
            return self.peer
        parts = [self.form or "ours"]
        if copies > 1:
            parts.append(self.copy)
        if builds > 1:
            parts.append("AB"[self.build] if builds == 2 else f"build {self.build + 1}")
        return " ".join(parts)


@dataclasses.dataclass
class Outcome:
    """What one run came to. status: "ok", "failed", "skipped" (the line says why), or for peers "none" (no such workload)
    and "missing"."""
    status: str
    reason: str = ""
    lines: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    too_long: bool = False


def peers():
    """The names of all peers that the tree has a driver for."""
    try:
        done = subprocess.run([str(PEERS / "run"), "--list"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.split()


def _wait(child, limit_s):
    """Waits for the process group; returns its exit code and resource usage, None as code when it took too long."""
    deadline = time.monotonic() + limit_s
    pause = 0.0005
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage
        if time.monotonic() > deadline:
            os.killpg(child.pid, signal.SIGKILL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            return None, usage
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _end(child):
    """After Ctrl-C or a failure of ours: nothing of a side outlives us."""
    if child.returncode is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()


def execute(command, environment, limit_s):
    """Runs a command in a session of its own and reads its lines of JSON."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                                     start_new_session=True)
        except OSError as error:
            return Outcome("failed", f"{command[0]}: {error.strerror}")
        try:
            code, usage = _wait(child, limit_s)
        finally:
            _end(child)
        out.seek(0), err.seek(0)
        text, errors = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    outcome = Outcome("ok", "", [], time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "")
    if code is None:
        outcome.status, outcome.reason, outcome.too_long = "failed", f"took longer than {limit_s:g} s", True
    elif code != 0:
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        outcome.status, outcome.reason = "failed", f"{cause}: {last}" if last else cause
        if code == NOT_THERE:
            outcome.status = "none"
        if code == NOT_INSTALLED:
            outcome.status, outcome.reason = "missing", last or "not installed"
    else:
        _read_lines(outcome, text)
    return outcome


def _read_lines(outcome, text):
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        try:
            outcome.lines.append(json.loads(line))
        except ValueError:
            outcome.status, outcome.reason = "failed", f"no JSON: {line[:100]}"
            return
    broken = [line for line in outcome.lines if line.get("law") != "held"]
    if not outcome.lines:
        outcome.status, outcome.reason = "failed", "printed no line of JSON"
    elif "skipped" in outcome.lines[0]:
        outcome.status, outcome.reason = "skipped", str(outcome.lines[0]["skipped"])
    elif broken:
        outcome.status, outcome.reason = "failed", f"law: {broken[0].get('law', 'not a word about it')}"


def plural(workers):
    return f"{workers} worker{'s' if workers != 1 else ''}"


def cases(lines):
    """What tells the lines of one run apart: their "case", or the parameters in which they differ from the first."""
    if len(lines) == 1:
        return [""]
    first = lines[0]
    found = []
    for i, line in enumerate(lines):
        varied = [f"{k} {v}" for k, v in line.items() if isinstance(v, int) and first.get(k) != v and k not in RESULTS]
        found.append(line.get("case") or " ".join(varied) or ("default" if i == 0 else str(i + 1)))
    return found


def run(side, workload, workers, builds, smoke, limit_s, commit, more=()):
    """One run of one side. Exit codes 3 and 4 mean something from peers only."""
    environment = dict(os.environ, BENCH_COMMIT=commit)
    if side.peer != OURS:
        command = [str(PEERS / "run"), side.peer, workload.theirs or workload.name, "--workers", str(workers)] + ["--smoke"] * smoke
        return execute(command, environment, limit_s)
    command = [str(builds[side.build] / "bench" / f"{workload.program}_bench")] + ["--smoke"] * smoke
    if side.form:
        command += ["--form", side.form, "--workers", str(workers)]
    command += [*(workload.smoke if smoke else workload.arguments), *more]
    if side.copy:
        environment["GREENROOM_COPY"] = side.copy
    outcome = execute(command, environment, limit_s)
    if outcome.status in ("none", "missing"):
        outcome.status = "failed"
        outcome.reason = outcome.reason or "exit code 3 or 4"
    return outcome
