# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Documents: C in them compiles, and the files they point to exist."""
import concurrent.futures
import os
import re

from .framework import Finding, append, check, plant, run

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def blocks(tree, language):
    for path in tree.match(r"README\.md|(runtime|include|tests|tools|bench)/.*\.md"):
        text = tree.text(path)
        for match in _BLOCK.finditer(text):
            if match.group(1) == language:
                yield path, text.count("\n", 0, match.start()) + 2, match.group(2)


def _compile(tree, block):
    path, line, source = block
    head = "" if "#include" in source else "#include <greenroom.h>\n"
    command = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-fsyntax-only", "-Iinclude",
               "-x", "c", "-"]
    result = run(command, cwd=tree.root, input=f'{head}#line {line} "{path}"\n{source}')
    if result.returncode != 0:
        first = next((text for text in result.stderr.split("\n") if "error" in text), result.stderr.strip())
        return Finding(path, line, f"the C block does not compile: {first}")
    return None


@check("examples", "```c blocks in documents compile against the public headers; pseudo-code says ```text")
def examples(tree):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for finding in pool.map(lambda block: _compile(tree, block), blocks(tree, "c")):
            if finding:
                yield finding


@plant("examples")
def stale_example(root):
    append(root, "tests/plant.md", "\n```c\nint f(void) { return gr_no_such_call(); }\n```\n")


@check("links", "files that documents link to exist")
def links(tree):
    for path in tree.match(r"README\.md|(runtime|include|tests|tools|bench)/.*\.md"):
        for number, line in enumerate(tree.lines(path), 1):
            for target in _LINK.findall(line):
                place = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if place not in tree.files and not any(file.startswith(place + "/") for file in tree.files):
                    yield Finding(path, number, f"links to {target}, which is not there")


@plant("links")
def dead_link(root):
    append(root, "tests/plant.md", "[here](nowhere.md)\n")
