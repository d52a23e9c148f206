# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Layout of text: clang-format, licence heads, include guards, file lengths."""
import concurrent.futures
import os
import pathlib
import re
import shutil

from .framework import Finding, append, check, plant, run, write

FORMATTED = r"(runtime|include|tests|tools|bench)/.*\.(c|h|cpp)"
COMMENTED = r"(runtime|include|tests|tools|bench)/.*(\.(c|h|S|cpp|py|sh)|CMakeLists\.txt)|CMakeLists\.txt|\.ci/run"
LINES_MAX = 800


def formatter():
    """clang-format 14's decisions are the rule; other versions differ."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path and " version 14." in run([path, "--version"]).stdout:
            return path
    return None


def _first_difference(tree, path, tool):
    result = run([tool, path], cwd=tree.root)
    if result.returncode != 0:
        return Finding(path, 0, f"clang-format: {result.stderr.strip()}")
    ours, theirs = tree.lines(path), result.stdout.split("\n")
    for number, (mine, other) in enumerate(zip(ours, theirs), 1):
        if mine != other:
            return Finding(path, number, f"clang-format has {other.strip()!r} (tools/check --format-fix)")
    if len(ours) != len(theirs):
        return Finding(path, min(len(ours), len(theirs)), "clang-format differs (tools/check --format-fix)")
    return None


@check("format", "layout of C as .clang-format decides")
def format_(tree):
    tool = formatter()
    if not tool:
        yield Finding(".clang-format", 0, "clang-format 14 is not installed")
        return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for finding in pool.map(lambda path: _first_difference(tree, path, tool), tree.each(FORMATTED)):
            if finding:
                yield finding


def fix(tree):
    tool = formatter()
    if not tool:
        print("clang-format 14 is not installed")
        return 2
    for path in tree.match(FORMATTED):
        if _first_difference(tree, path, tool):
            run([tool, "-i", path], cwd=tree.root)
            print(f"formatted {path}")
    return 0


@plant("format")
def misindented(root):
    write(root, "runtime/base/plant.c", "int gri_plant(void);\nint gri_plant(void)\n{\n  return  1;\n}\n")


@check("spdx", "licence and copyright in the first lines of every source")
def spdx(tree):
    scripts = [path for path in tree.match(r"(tools|tests|bench)/[^.]*") if tree.text(path).startswith("#!")]
    for path in tree.match(COMMENTED) + scripts:
        head = "\n".join(tree.lines(path)[:5])
        for wanted in ("SPDX-License-Identifier: MIT", "SPDX-FileCopyrightText: The Greenroom authors"):
            if wanted not in head:
                yield Finding(path, 1, f"no {wanted!r} in the first lines")


@plant("spdx")
def no_licence(root):
    write(root, "runtime/base/plant.c", "int gri_plant;\n", head="")


def _guard(path):
    folders, name = os.path.split(path)
    file = re.sub(r"\W", "_", name).upper()
    if folders == "include":
        return file.replace("_H", "") + "_H"
    if folders == "include/greenroom":
        return f"GR_{file}"
    if folders.startswith("runtime/"):
        return f"GRI_{os.path.basename(folders).upper()}_{file}"
    return None


@check("guards", "include guards named GRI_<LAYER>_<FILE>_H and GR_<FILE>_H")
def guards(tree):
    for path in tree.match(r"(runtime|include|tests|tools|bench)/.*\.h"):
        code = tree.code(path)
        match = re.search(r"^\s*#\s*ifndef\s+(\w+)\s*\n\s*#\s*define\s+(\w+)\s*\n", code, re.M)
        first = re.search(r"^\s*#", code, re.M)
        if not match or match.group(1) != match.group(2) or match.start() > first.start():
            yield Finding(path, 1, "no include guard around everything")
        elif _guard(path) not in (None, match.group(1)):
            yield Finding(path, 1, f"the include guard is {match.group(1)}, not {_guard(path)}")


@plant("guards")
def wrong_guard(root):
    write(root, "runtime/base/plant.h", "#ifndef GRI_PLANT_H\n#define GRI_PLANT_H\n#endif\n")


@plant("guards")
def no_guard(root):
    write(root, "tests/support/plant.h", "extern int plant;\n")


@check("length", f"files past {LINES_MAX} lines (a warning) or twice that (an error)")
def length(tree):
    for path in tree.match(FORMATTED + r"|tools/.*\.py|(runtime|tests)/.*\.S"):
        count = tree.text(path).count("\n")
        if count > LINES_MAX:
            yield Finding(path, 0, f"{count} lines: is it still one concept?", warning=count <= 2 * LINES_MAX)


@plant("length")
def endless(root):
    write(root, "runtime/base/plant.c", "/* */\n" * (2 * LINES_MAX + 1))


ALLOWED = {"runtime", "include", "bench", "tests", "tools", "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE"}


@check("toplevel", "nothing at the top level but what the design names; CMake insists on CMakePresets.json there")
def toplevel(tree):
    for entry in sorted({path.split("/")[0] for path in tree.files}):
        if entry not in ALLOWED and not entry.startswith("."):
            yield Finding(entry, 0, f"does not belong to the top level; allowed: {', '.join(sorted(ALLOWED))}, dotfiles")
    for entry in ("README.md", "LICENSE", ".ci/run"):
        if entry not in tree.files:
            yield Finding(entry, 0, "is missing")
    if ".ci/run" in tree.files and "tools/test" not in tree.text(".ci/run"):
        yield Finding(".ci/run", 0, "does not call tools/test")


@plant("toplevel")
def stray(root):
    append(root, "NOTES.md", "x\n")


@plant("toplevel")
def unlicensed(root):
    (pathlib.Path(root) / "LICENSE").unlink()
