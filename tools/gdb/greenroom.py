# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Greenroom in gdb, in a running program or a core file:

    gdb -x tools/gdb/greenroom.py program [core]

    greenroom workers             what each worker runs
    greenroom actors [TEXT]       every actor alive (whose line contains TEXT): state, what it waits for, where it is
    greenroom bt ACTOR            the backtrace of a parked one: its address, name, or number in the table
    greenroom apply all [COMMAND] COMMAND (bt) for each parked one

generate-core-file of gdb cannot read beside stack guards of the kind "install" and loses what is near them: run the program with
GREENROOM_GUARD=protect, or let the kernel write the core (kill -ABRT).

Needs the debug information of libgreenroom (build it with -g, or install it). Only reads: nothing is called in the program, and
no register is written, so that a core will do.
"""
import re

import gdb
from gdb.unwinder import Unwinder, register_unwinder

MASK = (1 << 64) - 1
STATES = ("running", "waiting", "waiting", "ending")
CLOSED, NODE_MASK = 3, 0x0000FFFFFFFFFFC0
SERVER, ATTACHED = 1, 2
# Where a suspended context keeps the caller's registers (runtime/context): name, word from sp up; and the frame's size in words.
FRAMES = {
    "i386:x86-64": (("r15", "r14", "r13", "r12", "rbx", "rbp", "rip"), 7, "rsp", "rip"),
    "aarch64": (("x29", "pc") + tuple(f"x{n}" for n in range(19, 29)), 20, "sp", "pc"),
}


def variable(name):
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"{name} is not known: this program has no Greenroom in it, or no debug information of it")
    return symbol.value()


def number(value):
    """Of an integer, pointer or atomic."""
    return int(value.cast(gdb.lookup_type("unsigned long"))) if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR else int(value)


def text_at(pointer, most=256):
    try:
        return pointer.cast(gdb.lookup_type("char").pointer()).string(errors="replace", length=-1)[:most]
    except gdb.error:
        return "?"


# ---- addresses: as gr_address_print has them (runtime/message/address.c) ----

def rotate(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def siphash_two(key, a, b):
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D, key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]

    def mix(rounds):
        for _ in range(rounds):
            v[0], v[2] = (v[0] + v[1]) & MASK, (v[2] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2], v[0] = (v[2] + v[1]) & MASK, (v[0] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    for word in (a, b, 16 << 56):
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 0xFF
    mix(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def address_text(ident):
    halves = variable("key_halves")
    key = (number(halves[0]), number(halves[1]))
    tag = siphash_two(key, 2, ident)
    masked = ident ^ siphash_two(key, 3, tag)
    groups = (number(variable("incarnation")) << 8 | masked >> 56, masked >> 16 & 0xFFFFFFFFFF,
              (masked & 0xFFFF) << 24 | tag >> 40, tag & 0xFFFFFFFFFF)
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[group >> (35 - 5 * i) & 31] for group in groups for i in range(8))


# ---- actors ----

class Actor:
    def __init__(self, index, block):
        self.index, self.block = index, block
        self.generation = number(block["generation"])
        self.flags = int(block["flags"])
        self.word = number(block["mailbox"]["word"])
        self.state = self.word & 3
        self.parked_on = block["task"]["stack"] if self.is_waiting() else None
        if self.parked_on is not None and number(self.parked_on) == 0:
            self.parked_on = None

    def is_waiting(self):
        return self.state in (1, 2)

    def address(self):
        return address_text(self.generation << 32 | self.index)

    def aside(self):
        chunk = variable("asides")[self.index // 1024]
        if number(chunk) == 0:
            return None
        return chunk.cast(gdb.lookup_type("aside").pointer())[self.index % 1024]

    def names(self):
        aside, names = self.aside(), []
        node = aside["names"].cast(gdb.lookup_type("name").pointer()) if aside is not None else None
        while node is not None and number(node) != 0:
            names.append(text_at(node["text"].address))
            node = node["next"].cast(node.type)
        return names

    def behaviour(self):
        aside = self.aside()
        pointer = aside["behaviour"] if aside is not None else None
        if pointer is None or number(pointer) == 0:
            return None
        return text_at(pointer.cast(gdb.lookup_type("gr_behaviour").pointer())["name"])

    def kind(self):
        return "server" if self.flags & SERVER else "attached thread" if self.flags & ATTACHED else "green thread"

    def waits_for(self):
        if not self.is_waiting():
            return STATES[self.state]
        record = self.parked_on["waiting"] if self.parked_on is not None and not self.flags & ATTACHED else None
        if record is None or number(record) == 0:
            return "waits for a message" if self.state == 1 else "waits"
        record = record.cast(gdb.lookup_type("gri_waiting").pointer())
        kinds = {int(field.enumval): field.name for field in gdb.lookup_type("enum gri_waiting_kind").fields()}
        kind = kinds.get(int(record["kind"]), "?").replace("GRI_WAITING_", "").lower()
        if (kind == "select") != (self.state == 1):
            return "waits for a message" if self.state == 1 else "waits"
        what = {"call": "the answer to", "end": "the end of", "socket": "a socket:", "select": "a message of some shape",
                "sleep": "time to pass", "state": "a publication of", "blocking": "a blocking call"}.get(kind, kind)
        if kind in ("end", "state"):
            what += " " + address_text(int(record["address"]["id"]))
        if kind in ("call", "socket", "other"):
            what += " " + text_at(record["what"], 80)
        if kind == "call":
            what += " of " + address_text(int(record["address"]["id"]))
        return "waits for " + what

    def line(self):
        names = "".join(f' "{name}"' for name in self.names())
        behaviour = f" {self.behaviour()}" if self.behaviour() else ""
        where = ""
        if self.parked_on is not None:
            function = gdb.block_for_pc(self.registers()["pc"])
            while function is not None and function.function is None:
                function = function.superblock
            where = f", in {innermost_of_user(self) or (function.function.name if function else '?')}"
        return f"{self.address()} #{self.index}{names}{behaviour}, {self.kind()}, {self.waits_for()}{where}"

    def registers(self):
        """What the one who resumes it will find in the registers."""
        names, words, sp_name, pc_name = layout()
        sp = number(self.parked_on["context"]["sp"])
        word = gdb.lookup_type("unsigned long")
        memory = gdb.Value(sp).cast(word.pointer())
        found = {name: int(memory[i]) for i, name in enumerate(names)}
        found[sp_name] = sp + 8 * words
        found["pc"] = found[pc_name]
        return found


def layout():
    name = gdb.selected_inferior().architecture().name() if hasattr(gdb.selected_inferior(), "architecture") \
        else gdb.selected_frame().architecture().name()
    if name not in FRAMES:
        raise gdb.GdbError(f"how a parked actor looks on {name} is not known here")
    return FRAMES[name]


def actors():
    runtime = variable("gri_runtime_now")
    if number(runtime["state"]) == 0:
        raise gdb.GdbError("the runtime is not up")
    table = runtime["actors"]["base"].cast(gdb.lookup_type("struct gr_self").pointer())
    for index in range(number(runtime["actor_limit"])):
        block = table[index]
        try:
            alive = number(block["generation"]) & 1 and number(block["mailbox"]["word"]) & 3 != CLOSED
        except gdb.MemoryError:
            continue  # a part of the table that is not in the core, or was given back
        if alive:
            yield Actor(index, block)


def find(text):
    for actor in actors():
        if text in (str(actor.index), f"#{actor.index}") or text in actor.names() or text == actor.address():
            return actor
    raise gdb.GdbError(f"there is no actor {text}")


# ---- backtraces ----

class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Parked(Unwinder):
    """While it has an actor, the caller of the newest frame is that actor's, as it was when it parked."""

    def __init__(self):
        super().__init__("greenroom")
        self.actor = self.origin = None

    def __call__(self, pending):
        if self.actor is None:
            return None
        _, _, sp_name, pc_name = layout()
        here = (number(pending.read_register(sp_name)), number(pending.read_register(pc_name)))
        if here != self.origin:
            return None
        info = pending.create_unwind_info(FrameId(gdb.Value(1), gdb.Value(here[1])))  # inside all others
        for name, value in self.actor.registers().items():
            register = pending.read_register(name)
            info.add_saved_register(name, gdb.Value(value).cast(register.type))
        return info

    def follow(self, actor):
        _, _, sp_name, pc_name = layout()
        gdb.newest_frame().select()
        frame = gdb.newest_frame()
        self.origin = (number(frame.read_register(sp_name)), number(frame.read_register(pc_name)))
        self.actor = actor
        gdb.invalidate_cached_frames()

    def leave(self):
        self.actor = self.origin = None
        gdb.invalidate_cached_frames()


parked = Parked()
register_unwinder(None, parked, replace=True)


def frames_of(actor):
    """gdb's own lines of its backtrace, the innermost first."""
    parked.follow(actor)
    try:
        lines = gdb.execute("bt", to_string=True).split("\n")
    finally:
        parked.leave()
    starts = [i for i, line in enumerate(lines) if re.match(r"#1\s", line)]
    shown = lines[starts[0]:] if starts else []
    return [re.sub(r"^#(\d+)(\s*)", lambda match: f"#{int(match.group(1)) - 1}{match.group(2)}", line)
            for line in shown if line.strip()]


def innermost_of_user(actor):
    """The first function that is not the runtime's."""
    for line in frames_of(actor):
        match = re.match(r"#\d+\s+(?:0x[0-9a-f]+ in )?([\w.]+)", line)
        if match and not match.group(1).startswith(("gr_", "gri_")) and "/runtime/" not in line:
            return match.group(1)
    return None


def worker_of(actor):
    scheduler = variable("gri_scheduler_now")
    for index in range(number(scheduler["worker_count"])):
        worker = scheduler["workers"][index]
        if number(worker["current"]) == number(actor.block["task"].address):
            return index, number(worker["thread_id"])
    return None


def backtrace(actor):
    if actor.parked_on is not None:
        return frames_of(actor)
    if actor.is_waiting():
        return ["an idle server: it has no stack" if actor.flags & SERVER else "its thread waits: see info threads"]
    worker = worker_of(actor)
    if worker is None:
        return ["it is about to run: it is in a queue"]
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == worker[1] or thread.ptid[2] == worker[1]:
            return [f"it runs on worker {worker[0]}: thread {thread.num}, then bt"]
    return [f"it runs on worker {worker[0]}"]


# ---- commands ----

class Greenroom(gdb.Command):
    __doc__ = __doc__

    def __init__(self):
        super().__init__("greenroom", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Actors(gdb.Command):
    """Every actor alive, or those whose line contains the text."""

    def __init__(self):
        super().__init__("greenroom actors", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = 0
        for actor in actors():
            line = actor.line()
            if argument in line:
                print(line)
                count += 1
        print(f"{count} actors")


class Backtrace(gdb.Command):
    """The backtrace of a parked actor: its address, name, or number in the table."""

    def __init__(self):
        super().__init__("greenroom bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not argument.strip():
            raise gdb.GdbError("greenroom bt ACTOR: its address, name, or number")
        actor = find(argument.strip())
        print(actor.line())
        for line in backtrace(actor):
            print(line)


class Apply(gdb.Command):
    """The backtraces of all parked actors."""

    def __init__(self):
        super().__init__("greenroom apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument.split() not in (["all"], ["all", "bt"]):
            raise gdb.GdbError("greenroom apply all [bt]")
        for actor in actors():
            if actor.parked_on is None:
                continue
            print(actor.line())
            for line in frames_of(actor):
                print(line)
            print()


class Workers(gdb.Command):
    """What each worker runs."""

    def __init__(self):
        super().__init__("greenroom workers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        scheduler = variable("gri_scheduler_now")
        phases = ("absent", "busy", "searching", "asleep")
        for index in range(number(scheduler["worker_count"])):
            worker = scheduler["workers"][index]
            current, runs = number(worker["current"]), ""
            for actor in actors():
                if current and number(actor.block["task"].address) == current:
                    runs = f", runs {actor.line()}"
            print(f"worker {index}, thread {number(worker['thread_id'])}, {phases[number(worker['phase']) & 3]}{runs}")


for command in (Greenroom, Actors, Backtrace, Apply, Workers):
    command()
