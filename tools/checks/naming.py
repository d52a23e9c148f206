# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Names: unique files, prefixed symbols, a README per layer."""
import collections
import os
import pathlib
import re

from .framework import Finding, check, plant, write

_EXEMPT = {"README.md", "CMakeLists.txt", "INDEX", "run", "__init__.py"}


@check("basenames", "base names of sources are unique across the tree (include/ apart)")
def basenames(tree):
    places = collections.defaultdict(list)
    for path in tree.match(r"(runtime|tests|tools|bench)/.*\.(c|h|S|cpp|py|sh)"):
        if os.path.basename(path) not in _EXEMPT:
            places[os.path.basename(path)].append(path)
    for name, paths in sorted(places.items()):
        for path in paths[1:]:
            yield Finding(path, 0, f"{name} exists already: {paths[0]}")


@plant("basenames")
def twice(root):
    write(root, "runtime/sync/check.c", "")


@check("readmes", "every layer and every folder of tests has a README.md of a screen")
def readmes(tree):
    folders = {path.rsplit("/", 1)[0] for path in tree.match(r"runtime/[^/]+/[^/]+\.(c|h)")}
    for folder in sorted(folders | {"runtime", "bench", "tests"}):
        readme = folder + "/README.md"
        if readme not in tree.files:
            yield Finding(readme, 0, "is missing")


@plant("readmes")
def silent_layer(root):
    for path in (pathlib.Path(root) / "runtime/base").glob("README.md"):
        path.unlink()
    write(root, "runtime/zplant/plant.c", "")


_WORD = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


@check("leftovers", "no TODO, FIXME, XXX or HACK")
def leftovers(tree):
    for path in tree.match(r"(runtime|include|tests|tools|bench)/.*\.(c|h|S|cpp|py|sh|md)|tools/(run|test)"):
        if path.endswith("checks/naming.py"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = _WORD.search(line)
            if match:
                yield Finding(path, number, f"{match.group(1)}: finish it or say why not")


@plant("leftovers")
def later(root):
    write(root, "runtime/base/plant.c", "/* TODO */\n")
