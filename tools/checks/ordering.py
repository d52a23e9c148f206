# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Memory ordering: every non-relaxed atomic carries a tag, and every tag has its other side.

    mo:A.x release -> B.y acquire: what it publishes       at A.x, and
    mo:B.y acquire <- A.x release                          at B.y
    mo:A.x seq_cst <-> B.y seq_cst                         at A.x, and the same turned round at B.y
"""
import collections
import re

from .framework import Finding, append, blank, check, plant, write

WRAPPERS = "runtime/base/atomic.h"
SOURCES = r"runtime/.*\.(c|h)"

_SITE = re.compile(r"\bgri_(?:load|store|exchange|cas_weak|cas_strong|add|sub|or|and|xor|fence)_"
                   r"(acquire|release|acq_rel|seq_cst|relaxed)(_acquire_fail)?\s*\(")
_TAG = re.compile(r"\bmo:\s*([\w.]+)\s+(\w+)\s*(<->|->|<-)\s*([\w.]+)(?:\s+(\w+))?")
_ARROW_OF_OTHER_SIDE = {"->": "<-", "<-": "->", "<->": "<->"}
_ALLOWED = {  # what a tag may call its own side, by the order in the wrapper's name
    "acquire": {"acquire"},
    "release": {"release"},
    "acq_rel": {"acquire", "release", "acq_rel"},
    "seq_cst": {"acquire", "release", "acq_rel", "seq_cst"},
}


def _comments(text):
    """For each line, the comment text on it ('' where there is none)."""
    code = blank(text, literals=False)
    return ["".join(char if code[at + i] == " " and char != " " else " " if char == " " else ""
                    for i, char in enumerate(line)) for line, at in _with_offsets(text)], code.split("\n")


def _with_offsets(text):
    at = 0
    for line in text.split("\n"):
        yield line, at
        at += len(line) + 1


class Source:
    """A file seen as lines of code and lines of comment."""

    def __init__(self, text):
        self.comments, self.code = _comments(text)

    def only_comment(self, number):
        return bool(self.comments[number].strip()) and not self.code[number].strip()

    def statement_start(self, number):
        """The first line of the statement that line belongs to."""
        while number > 0 and not self.only_comment(number - 1):
            before = self.code[number - 1].strip()
            if not before or before[-1] in ";{}:" or before.startswith("#") and not before.endswith("\\"):
                break
            number -= 1
        return number

    def comment_for(self, number):
        """What is said about a line: on it, earlier in its statement, and in the comment block right above."""
        start = self.statement_start(number)
        said = self.comments[start:number + 1]
        # The end of a comment that follows the code: "x(); /* … \n * … */"
        above = start - 1
        while above >= 0 and self.only_comment(above):
            said.insert(0, self.comments[above])
            above -= 1
        return "\n".join(said)


def _tags(tree, paths):
    """(path, line, own side, own order, arrow, other side) of every tag."""
    for path in paths:
        source = Source(tree.text(path))
        for number, comment in enumerate(source.comments):
            for match in _TAG.finditer(comment):
                yield path, number + 1, match.group(1), match.group(2), match.group(3), match.group(4)


@check("ordering", "every non-relaxed atomic has a mo: tag, and every tag its other side")
def ordering(tree):
    paths = [path for path in tree.match(SOURCES) if path != WRAPPERS]
    tags = list(_tags(tree, paths))
    sides = {(own, arrow, other) for _, _, own, _, arrow, other in tags}
    for path, line, own, order, arrow, other in tags:
        if order not in _ALLOWED["seq_cst"]:
            yield Finding(path, line, f"mo:{own}: {order!r} is no order; there are acquire, release, acq_rel, seq_cst")
        if (other, _ARROW_OF_OTHER_SIDE[arrow], own) not in sides:
            yield Finding(path, line, f"mo:{own} {arrow} {other}: no site is tagged "
                          f"mo:{other} … {_ARROW_OF_OTHER_SIDE[arrow]} {own}")
    for path in paths:
        yield from _untagged(path, Source(tree.text(path)))


def _untagged(path, source):
    for number, line in enumerate(source.code):
        if line.lstrip().startswith("#define"):
            continue
        for site in _SITE.finditer(line):
            order = site.group(1)
            said = source.comment_for(number)
            if order == "relaxed":
                continue
            tags = list(_TAG.finditer(said))
            if not tags:
                yield Finding(path, number + 1, f"{site.group(0).rstrip('(')} has no mo: tag on its line or above")
                continue
            allowed = _ALLOWED[order] | ({"acquire"} if site.group(2) else set())
            if not any(tag.group(2) in allowed for tag in tags):
                yield Finding(path, number + 1, f"{site.group(0).rstrip('(')} is tagged {tags[0].group(2)}")


@plant("ordering")
def untagged(root):
    write(root, "runtime/os/plant.c", "void f(gri_atomic_u32 *a)\n{\n    gri_store_release(a, 1);\n}\n")


@plant("ordering")
def one_sided(root):
    write(root, "runtime/os/plant.c", "void f(gri_atomic_u32 *a)\n{\n"
          "    /* mo:plant.put release -> plant.get acquire: nothing */\n    gri_store_release(a, 1);\n}\n")


@plant("ordering")
def wrong_order(root):
    write(root, "runtime/os/plant.c", "void f(gri_atomic_u32 *a)\n{\n"
          "    /* mo:plant.put acquire <- plant.put release */\n    /* mo:plant.put release -> plant.put acquire: x */\n"
          "    gri_store_release(a, gri_load_acquire(a));\n\n"
          "    /* mo:plant.put acquire <- plant.put release */\n    gri_store_release(a, 1);\n}\n")


@check("relaxed", "every relaxed atomic is explained: on its line or above, or for all of its function (\"relaxed: …\")")
def relaxed(tree):
    for path in tree.match(SOURCES):
        if path == WRAPPERS:
            continue
        source = Source(tree.text(path))
        for number, line in enumerate(source.code):
            if line.lstrip().startswith("#define") or not re.search(r"\bgri_\w+_relaxed\s*\(", line):
                continue
            if not source.comment_for(number).strip() and "relaxed" not in _function_comments(source, number):
                yield Finding(path, number + 1, "no comment here, and none in this function that says why relaxed is enough")


def _function_comments(source, number):
    """All comments from the one above the enclosing function down to the end of the statement at number."""
    start = number
    while start > 0 and not source.code[start].startswith("{") and not source.code[start - 1].startswith("}"):
        start -= 1
    while start > 0 and not source.code[start - 1].startswith(("}", "#")) and (
            source.only_comment(start - 1) or source.code[start - 1].strip()):
        start -= 1
    return "\n".join(source.comments[start:number + 1])


@plant("relaxed")
def unexplained(root):
    write(root, "runtime/os/plant.c", "\nunsigned f(gri_atomic_u32 *a)\n{\n    return gri_load_relaxed(a);\n}\n")


_RAW = re.compile(r"\b(?:__atomic_\w+|__sync_\w+|atomic_\w+_explicit|atomic_(?:load|store|init|exchange|fetch_\w+)"
                  r"|atomic_thread_fence|_Atomic)\b")


@check("atomics", "base/atomic.h is the only one that includes <stdatomic.h> or uses raw atomics")
def atomics(tree):
    for path in tree.match(r"(runtime|include|tools|bench|tests)/.*\.(c|h|cpp)"):
        if path == WRAPPERS or path.startswith("tests/explore/"):
            continue
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if re.search(r"#\s*include\s*<(stdatomic\.h|atomic)>", line):
                yield Finding(path, number, "only base/atomic.h includes <stdatomic.h>")
            elif path.startswith(("runtime/", "include/")) and _RAW.search(line):
                yield Finding(path, number, f"{_RAW.search(line).group(0)}: use the wrappers of base/atomic.h")


@plant("atomics")
def includer(root):
    append(root, "runtime/os/clock.c", "#include <stdatomic.h>\n")


@plant("atomics")
def builtin(root):
    write(root, "runtime/os/plant.c", "int f(int *a)\n{\n    return __atomic_load_n(a, 0);\n}\n")
