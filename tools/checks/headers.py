# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Who includes whom: direction of the layers, cycles, headers that compile alone."""
import concurrent.futures
import os
import pathlib
import re

from .framework import Finding, append, blank, check, plant, run, write

# A layer includes itself and these. Layers of one row do not know each other.
BELOW = {"base": set(), "context": {"base"}}
BELOW["os"] = {"base", "context"}
BELOW["sync"] = BELOW["os"] | {"os"}
BELOW["memory"] = BELOW["sync"] | {"sync"}
BELOW["schedule"] = BELOW["memory"] | {"memory"}
BELOW["message"] = BELOW["memory"] | {"memory"}
BELOW["actor"] = BELOW["schedule"] | {"schedule", "message"}
BELOW["io"] = BELOW["actor"] | {"actor"}
BELOW["observe"] = BELOW["actor"] | {"actor"}
BELOW["rest"] = set()

# The one exception: atomics go through the model when tests/explore builds them.
MODEL = ("runtime/base/atomic.h", "explore/model.h")

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def includes(tree, path):
    """(line, system, name) of every #include outside comments."""
    code = blank(tree.text(path), literals=False)
    for match in _INCLUDE.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1) == "<", match.group(2)


@check("layers", "a folder of runtime/ includes itself and the layers below; rest/ and tools/ only include/")
def layers(tree):
    known = {path.split("/")[1] for path in tree.match(r"runtime/[^/]+/.*\.(c|h|S)")}
    for layer in sorted(known - set(BELOW)):
        yield Finding(f"runtime/{layer}", 0, "is not a layer of the design")
    for path in tree.match(r"runtime/[^/]+/.*\.(c|h|S)"):
        layer = path.split("/")[1]
        for line, system, name in includes(tree, path):
            if system or (path, name) == MODEL:
                continue
            target = name.split("/")[0] if "/" in name else layer
            if target not in BELOW:
                yield Finding(path, line, f'"{name}" is no header of a layer; public headers go in <>')
            elif target != layer and target not in BELOW.get(layer, set()):
                yield Finding(path, line, f"{layer}/ must not include {target}/")
    for path in tree.match(r"include/.*\.h"):
        for line, system, name in includes(tree, path):
            if not system or re.match(r"(%s)/" % "|".join(BELOW), name):
                yield Finding(path, line, f"a public header includes only public headers, in <>: {name}")
    for path in tree.match(r"tools/.*\.(c|h)"):
        for line, system, name in includes(tree, path):
            if name.split("/")[0] in BELOW:
                yield Finding(path, line, f"tools use the public headers only: {name}")


@plant("layers")
def upward(root):
    write(root, "runtime/os/plant.c", '#include "memory/heap.h"\n')


@plant("layers")
def sideways(root):
    write(root, "runtime/schedule/plant.c", '#include "message/value.h"\n')


@plant("layers")
def rest_inside(root):
    write(root, "runtime/rest/plant.c", '#include "base/check.h"\n')


@plant("layers")
def public_inside(root):
    append(root, "include/greenroom/api.h", "#include <base/check.h>\n")


@plant("layers")
def command_inside(root):
    write(root, "tools/plant.c", '#include "actor/actor.h"\n')


def _resolve(tree, path, system, name):
    places = ["include/" + name] if system else [
        os.path.normpath(os.path.join(os.path.dirname(path), name)), "runtime/" + name, "tests/" + name, "include/" + name,
        "tools/" + name, "bench/" + name]
    return next((place for place in places if place in tree.files), None)


@check("cycles", "headers include each other without cycles")
def cycles(tree):
    headers = tree.match(r"(runtime|include|tests|tools|bench)/.*\.h")
    edges = {path: [(line, _resolve(tree, path, system, name)) for line, system, name in includes(tree, path)]
             for path in headers}
    done, active = set(), []

    def visit(path):
        active.append(path)
        for line, target in edges[path]:
            if target in active:
                chain = active[active.index(target):] + [target]
                yield Finding(path, line, "include cycle: " + " -> ".join(chain))
            elif target and target in edges and target not in done:
                yield from visit(target)
        active.pop()
        done.add(path)

    for path in headers:
        if path not in done:
            yield from visit(path)


@plant("cycles")
def two_headers(root):
    for mine, other in (("one", "two"), ("two", "one")):
        write(root, f"runtime/base/plant_{mine}.h", f'#include "base/plant_{other}.h"\n')


STRICT = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
LANGUAGES = {"C11": ["gcc", "-std=c11", "-pedantic", "-x", "c"],
             "C++17": ["g++", "-std=c++17", "-pedantic", "-x", "c++"]}


def _compile(tree, path, language, command):
    result = run(command + STRICT + ["-Iinclude", "-"], cwd=tree.root, input=f'#include "{path}"\n')
    if result.returncode != 0:
        first = next((line for line in result.stderr.split("\n") if "error" in line), result.stderr.strip())
        return Finding(path, 0, f"does not compile alone as {language}: {first}")
    return None


@check("alone", "public headers compile alone as C11 -pedantic and C++17; internal ones as GNU C11")
def alone(tree):
    inside = ["gcc", "-std=gnu11", "-D_GNU_SOURCE=", "-Iruntime", "-Itests", "-x", "c"]
    work = [(path, language, command) for path in tree.each(r"include/.*\.h") for language, command in LANGUAGES.items()]
    work += [(path, "GNU C11", inside) for path in tree.each(r"runtime/[^/]+/.*\.h")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for finding in pool.map(lambda one: _compile(tree, *one), work):
            if finding:
                yield finding


@plant("alone")
def not_self_contained(root):
    write(root, "include/greenroom/plant.h", "#ifndef GR_PLANT_H\n#define GR_PLANT_H\nint f(size_t);\n#endif\n")


@plant("alone")
def not_cxx(root):
    write(root, "include/greenroom/plant.h", "#ifndef GR_PLANT_H\n#define GR_PLANT_H\nint f(int new);\n#endif\n")


@plant("alone")
def needs_more(root):
    write(root, "runtime/base/plant.h", "#ifndef GRI_BASE_PLANT_H\n#define GRI_BASE_PLANT_H\nint f(size_t);\n#endif\n")
