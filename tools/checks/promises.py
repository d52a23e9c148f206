# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Tests: none sleeps, and every clause of tests/semantics/INDEX has tests that exist.

tests/semantics/INDEX has a line per clause, `clause text | suite/name, suite/name`: each a TEST(suite, name) somewhere in
tests/, or the path of a test that is a program or a script. Empty lines and lines with # are for people.
"""
import re

from .framework import Finding, append, check, plant, write

INDEX = "tests/semantics/INDEX"
_SLEEP = re.compile(r"(?<![\w.>])(u?sleep|nanosleep|clock_nanosleep|pthread_delay_np|thrd_sleep)\s*\(")
_TEST = re.compile(r"\bTEST\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)")


@check("sleeps", "tests wait on conditions or on simulated time, never by sleeping")
def sleeps(tree):
    for path in tree.match(r"tests/.*\.(c|cpp|h)"):
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            match = _SLEEP.search(line)
            if match:
                yield Finding(path, number, f"{match.group(1)}: wait for a condition instead")
    scripts = [path for path in tree.match(r"tests/(.*/)?([^./]+|.*\.sh)") if tree.text(path).startswith("#!")]
    for path in scripts:
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"(^|[;&|]|\bdo\b|\bthen\b)\s*sleep\s", line):
                yield Finding(path, number, "sleep: wait for a condition instead")


@plant("sleeps")
def sleepy(root):
    write(root, "tests/unit/plant_test.c", "void f(void)\n{\n    usleep (10);\n}\n")


@plant("sleeps")
def sleepy_script(root):
    write(root, "tests/plant", "while true; do sleep 1; done\n", head="#!/bin/sh\n")


def clauses(tree):
    """(line, clause, [test]) of the index."""
    for number, line in enumerate(tree.lines(INDEX), 1):
        if line.strip() and not line.startswith("#"):
            clause, _, tests = line.rpartition("|")
            yield number, clause.strip() or line.strip(), [test.strip() for test in tests.split(",") if test.strip()]


@check("index", "every clause in tests/semantics/INDEX has tests, and they exist; every semantics test has a clause")
def index(tree):
    if INDEX not in tree.files:
        yield Finding(INDEX, 0, "is missing")
        return
    existing = {}
    for path in tree.match(r"tests/.*\.(c|cpp)"):
        for match in _TEST.finditer(tree.code(path)):
            existing["/".join(match.groups())] = path
    named = set()
    for line, clause, tests in clauses(tree):
        if not tests:
            yield Finding(INDEX, line, f"no test for: {clause}")
        for test in tests:
            named.add(test)
            if test not in existing and test not in tree.files:
                yield Finding(INDEX, line, f"there is no test {test}")
    for test, path in sorted(existing.items()):
        if path.startswith("tests/semantics/") and test not in named:
            yield Finding(path, 0, f"{test} stands under no clause of {INDEX}")


@plant("index")
def clause_without_test(root):
    append(root, INDEX, "\nthe planted clause |\n")


@plant("index")
def test_that_is_not_there(root):
    append(root, INDEX, "\nthe planted clause | plant/missing\n")


@plant("index")
def test_without_clause(root):
    append(root, INDEX, "")
    write(root, "tests/semantics/plant_test.c", "TEST(plant, lonely)\n{\n}\n")


POINTS = "tests/support/suspension_points.h"
_SUSPENDS = re.compile(r"^GR_SUSPENDS\s[^;(]*?\b(gr_\w+)\s*\(", re.MULTILINE)


@check("suspends", "every call of the actor interface that suspends is in " + POINTS + ", and nothing else is")
def suspends(tree):
    if POINTS not in tree.files:
        yield Finding(POINTS, 0, "is missing")
        return
    # A call that waits in another way for remote addresses has a second row, gr_call's is call_at_remote.
    listed = {re.sub(r"_at_remote$", "", name): 0 for name in re.findall(r"\bX\((\w+), ", tree.code(POINTS))}
    for header in ("actor.h", "blocking.h", "call.h", "fetch.h", "io.h", "remote.h", "tls.h"):
        path = f"include/greenroom/{header}"
        code = re.sub(r"\bGR_MUST_CHECK\s+|\bGR_PRINTF\([^)]*\)\s*", "", tree.code(path))
        for match in _SUSPENDS.finditer(code):
            name = re.sub(r"_site$", "", match.group(1))[len("gr_"):]
            if name not in listed:
                yield Finding(path, code.count("\n", 0, match.start()) + 1, f"gr_{name} is not in {POINTS}")
            listed[name] = 1
    for name, seen in listed.items():
        if not seen:
            yield Finding(POINTS, 0, f"there is no gr_{name} that suspends")


@plant("suspends")
def suspending_call_without_a_row(root):
    append(root, "include/greenroom/actor.h", "\nGR_SUSPENDS GR_MUST_CHECK int gr_planted(gr_self *self);\n")


@plant("suspends")
def row_without_a_call(root):
    append(root, POINTS, "\nX(planted, GR_ETIMEOUT, 0, PARKS)\n")
