# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""What there is to run: workloads with their metrics, and the targets that the numbers are held against.

Workloads are found: every bench/{micro,runtime,savina}/*_bench.c is one. WORKLOADS adds what the name does not say: parameters,
several workloads of one program, what is measured, where the number lies in the line of JSON.
"""
import dataclasses
import pathlib

BENCH = pathlib.Path(__file__).resolve().parent
FOLDERS = ("runtime", "savina", "micro")


def member(*names):
    """Reads the first of these that the line has; "a.b" goes into an object."""
    def read(line):
        for name in names:
            found = line
            for part in name.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, (int, float)) and not isinstance(found, bool):
                return found
        return None
    return read


def quotient(upper, lower, scale):
    def read(line):
        if line.get(upper) is None or not line.get(lower):
            return None
        return line[upper] / line[lower] * scale
    return read


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number of a run: read(line) takes it from the line of JSON, or gives None."""
    unit: str
    read: object
    higher: bool = False
    label: str = ""  # "" for the workload's first


RATE = Metric("M/s", quotient("operations", "seconds", 1e-6), higher=True)
WALL = Metric("s", member("seconds"))
CPU = Metric("s", member("cpu_seconds"), label="CPU")
BYTES = Metric("bytes", member("bytes_per_actor", "bytes_each", "value"))
P99 = Metric("µs", member("latency_us.p99"), label="p99")
REQUESTS = Metric("k/s", quotient("operations", "seconds", 1e-3), higher=True)
CPU_EACH = Metric("µs", quotient("cpu_seconds", "operations", 1e6), label="CPU a request")
BALANCED = Metric("ms", member("balanced_ms"), label="balanced")


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    program: str
    text: str = ""
    arguments: tuple = ()  # full size; the programs' own defaults besides
    smoke: tuple = ()      # together with --smoke
    metrics: tuple = (RATE,)
    workers: tuple = ()    # () all that are asked for; else the default
    any_workers: bool = True  # False: it does not depend on them, one count is enough
    forms: tuple = ("green", "server")
    folder: str = "runtime"  # what it is listed and asked for with; without a name on the command line it is runtime
    theirs: str = ""  # the peers' name for it, when it is another one


WORKLOADS = (
    Workload("pingpong", "pingpong", "a message between two actors; 2 M round trips"),
    Workload("ring", "ring", "a hop in a circle of 1,000 actors; 1 token, 2 M hops",
             ("--tokens", "1", "--hops", "2000000"), ("--tokens", "1", "--hops", "1000")),
    Workload("ring100", "ring", "the same with 100 tokens, 5 M hops",
             ("--tokens", "100", "--hops", "5000000"), ("--tokens", "100", "--hops", "1000")),
    Workload("fanin", "fanin", "a message of four producers, 1 M each, to one consumer without a bound"),
    Workload("ubench", "ubench", "a message among 256 actors, 5 under way each, to a pseudo-random other; 3 s"),
    Workload("spread", "spread", "64 actors spawned on one worker, 20 µs of work a message", metrics=(RATE, BALANCED)),
    Workload("spawn", "spawn", "a life: spawned, one message to the parent, end; 1 M"),
    Workload("skynet", "skynet", "a tree of tens to 1 M leaves, summed", metrics=(WALL,)),
    Workload("idle_memory", "idle_memory", "resident bytes an actor, 1 M of them, after one message", metrics=(BYTES,),
             any_workers=False),
    Workload("idle_memory_more", "idle_memory", "the same: green after snprintf, server with name, monitor, published state",
             ("--more", "1"), ("--more", "1"), metrics=(BYTES,), any_workers=False),
    Workload("json_call", "json_call", "a call with {op, id, args, name}, answered {id, sum}; 500 k, one pair",
             ("--pairs", "1"), ("--pairs", "1"), workers=(1,)),
    Workload("json_call4", "json_call", "the same among four pairs", ("--pairs", "4"), ("--pairs", "4"), workers=(2,)),
    Workload("struct_call", "json_call", "json_call of ours beside peers that move a struct instead", ("--pairs", "1"), ("--pairs", "1"),
             workers=(1,)),
    Workload("struct_call4", "json_call", "the same among four pairs", ("--pairs", "4"), ("--pairs", "4"), workers=(2,)),
    Workload("select", "select", "a call while 1,000 messages that do not match wait in the mailbox; 100 k"),
    Workload("timers", "timers", "100 k actors sleep ten times 1 to 100 ms", metrics=(WALL, CPU)),
    Workload("select_alternating", "select_alternating", "a receive among the same, of two shapes in turn; 100 k"),
    Workload("latency", "latency", "an echo beside one computing actor a worker, slice 1 ms; 2,000 questions", metrics=(P99,)),
    Workload("latency_alone", "latency", "the echo with nothing beside it", ("--alone", "1"), ("--alone", "1"), metrics=(P99,)),
    Workload("http_get", "http", "GET of a published state; wrk, one thread, 64 connections", ("--request", "0"),
             ("--request", "0"), (REQUESTS, CPU_EACH), (1,)),
    Workload("http_cast", "http", "POST of a cast to an actor", ("--request", "1"), ("--request", "1"), (REQUESTS, CPU_EACH), (1,),
             theirs="http_post_cast"),
    Workload("http_call", "http", "POST of a call that an actor answers", ("--request", "2"), ("--request", "2"),
             (REQUESTS, CPU_EACH), (1,), theirs="http_post_call"),
    Workload("scaling", "scaling", "counts, not speed: what a message costs the scheduler of 1 to 128 workers", folder="scaling"),
)

# The Pony runtime's bar is computed: what Tokio does in the same run times (Pony / Tokio) of one earlier comparison, per
# number of workers. Millions a second, skynet in seconds, bytes.
PONY_AND_TOKIO = {
    "pingpong": {1: (25.1, 22.1), 2: (5.2, 15.5)},
    "ring": {1: (16.2, 12.4), 2: (3.8, 10.7)},
    "ring100": {1: (46.7, 36.3), 2: (73.2, 40.4)},
    "fanin": {1: (21.0, 24.8), 2: (26.7, 11.9)},
    "ubench": {1: (37.7, 21.3), 2: (14.5, 24.2)},
    "spawn": {1: (0.7, 6.3), 2: (0.4, 4.2)},
    "skynet": {1: (1.9, 0.20), 2: (0.63, 0.46)},
    "struct_call": {1: (11.1, 4.0)},
    "struct_call4": {2: (12.6, 8.7)},
}
PONY = "pony*"

BEST = "best"  # of all peers in the run, Pony's computed bar included


@dataclasses.dataclass(frozen=True)
class Target:
    """Ours `op` (">=" or "<=") factor x beside; beside is a peer, BEST, "workers:1" (our own run with one worker, same form), or
    None for a plain number in the metric's unit. The best or the named peer is that of the same round."""
    workload: str
    op: str
    factor: float
    beside: str = BEST
    workers: int = 0   # 0: any
    form: str = ""     # "": any
    metric: str = ""   # label
    beside_workload: str = ""  # when it is another one
    floor: float = 0.0  # beside what nobody can beat: this number unless the line has "floor_seconds"

    def text(self, unit):
        sign = {">=": "≥", "<=": "≤"}[self.op]
        if self.floor:
            return f"{sign} {self.factor:g} × the floor"
        if self.beside is None:
            return f"{sign} {self.factor:,g} {unit}"
        beside = self.beside.replace("workers:1", "ours, 1 worker")
        return f"{sign} {self.factor:g} × {beside}" + (f" {self.beside_workload}" if self.beside_workload else "")


def _by_workers(workload, op, one, two, **more):
    return Target(workload, op, one, workers=1, **more), Target(workload, op, two, workers=2, **more)


TARGETS = (
    *_by_workers("pingpong", ">=", 3, 4),
    *_by_workers("ring", ">=", 4, 5),
    *_by_workers("ring100", ">=", 1.5, 1.5),
    *_by_workers("fanin", ">=", 2, 1.5),
    *_by_workers("ubench", ">=", 1.5, 1.5),
    Target("spread", ">=", 1.9, "workers:1", workers=2),
    Target("spread", "<=", 5, None, workers=2, metric="balanced"),
    *_by_workers("spawn", ">=", 1.3, 2, form="server"),
    Target("spawn", ">=", 1.5, "boost-fiber", workers=1, form="green"),
    Target("spawn", ">=", 2, "go", workers=2, form="green"),
    *_by_workers("skynet", "<=", 1, 0.5, form="server"),
    Target("skynet", "<=", 0.5, "go", form="green"),
    Target("idle_memory", "<=", 192, None, form="server"),
    Target("idle_memory", "<=", 4600, None, form="green"),
    Target("idle_memory_more", "<=", 512, None, form="server"),
    Target("idle_memory_more", "<=", 8800, None, form="green"),
    Target("json_call", ">=", 9, "erlang", workers=1),
    Target("json_call4", ">=", 9, "erlang", workers=2),
    # The bars of both were measured with structs: Tokio's serde_json is half as fast, and easier to beat.
    Target("struct_call", ">=", 2.5, "tokio", workers=1),
    Target("struct_call", ">=", 1, PONY, workers=1),
    Target("struct_call4", ">=", 2.5, "tokio", workers=2),
    Target("struct_call4", ">=", 1, PONY, workers=2),
    Target("select", ">=", 4, "erlang"),
    Target("select_alternating", ">=", 4, "erlang"),
    Target("timers", "<=", 1.1, "floor", floor=0.86),
    Target("timers", "<=", 0.5, "tokio", metric="CPU"),
    Target("latency", "<=", 3000, None, metric="p99"),
    Target("latency_alone", "<=", 1, metric="p99"),
    Target("http_get", "<=", 1.1, "nginx", metric="CPU a request", beside_workload="http_get"),
    Target("http_cast", "<=", 1.3, "nginx", metric="CPU a request", beside_workload="http_get"),
    Target("http_call", "<=", 1.5, "nginx", metric="CPU a request", beside_workload="http_get"),
)


def catalogue():
    """Workloads by name, in the order of the table, then what else lies in the folders."""
    found = {}
    for folder in FOLDERS:
        for source in sorted((BENCH / folder).glob("*_bench.c")):
            found[source.stem[: -len("_bench")]] = folder
    known = {w.name: w for w in WORKLOADS if w.program in found}
    programs = {w.program for w in known.values()}
    for program, folder in found.items():
        if program not in programs:
            known[program] = Workload(program, program, folder=folder, any_workers=folder != "micro",
                                      forms=() if folder == "micro" else ("green", "server"))
    return known
