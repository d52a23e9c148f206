# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""The public surface: context tags, exported symbols, and that a test names every function."""
import re

from .framework import Finding, append, blank, check, plant, run, write

TAGS = ("GR_ANY_THREAD", "GR_IN_ACTOR", "GR_SUSPENDS")
LIBRARIES = {"runtime/greenroom.symbols": "runtime/libgreenroom.so",
             "runtime/greenroom-rest.symbols": "runtime/libgreenroom-rest.so"}
ARCHIVES = ("runtime/libgreenroom.a", "runtime/libgreenroom-rest.a")

_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)
_NAME = re.compile(r"\b(gr_\w+)\s*\(")


def _declarations(tree, path):
    """(line, text) of every declaration at file level, macros and bodies left out."""
    code = blank(_PREPROCESSOR.sub(lambda match: "\n" * match.group(0).count("\n"), blank(tree.text(path), literals=False)))
    code = re.sub(r"\bGR_(BEGIN|END)_DECLS\b", "", code)
    code = re.sub(r'extern\s*"[^"]*"\s*\{', "", code)
    start, depth = 0, 0
    for at, char in enumerate(code):
        depth += {"{": 1, "}": -1}.get(char, 0)
        inline_end = char == "}" and depth == 0 and re.search(r"\)\s*\{", code[start:at])
        if depth <= 0 and (char == ";" or inline_end):
            text = code[start:at]
            begin = start + len(text) - len(text.lstrip())
            if text.strip():
                yield code.count("\n", 0, begin) + 1, " ".join(text.split())
            start, depth = at + 1, 0


def prototypes(tree):
    """(path, line, name, text) of every function that a public header declares."""
    for path in tree.match(r"include/.*\.h"):
        for line, text in _declarations(tree, path):
            if text.startswith(("typedef", "template", "struct", "union", "enum")):
                continue
            if re.search(r"\bstatic\b", text.split("(")[0]):
                continue
            match = _NAME.search(re.sub(r"\bGR_\w+\s*\([^()]*\)", " ", text))
            if match:
                yield path, line, match.group(1), text


@check("contexts", "every public prototype begins with GR_ANY_THREAD, GR_IN_ACTOR or GR_SUSPENDS")
def contexts(tree):
    for path, line, name, text in prototypes(tree):
        found = [tag for tag in TAGS if re.search(rf"\b{tag}\b", text)]
        if len(found) != 1 or not text.startswith(found[0]):
            yield Finding(path, line, f"{name} needs one context tag, first: {', '.join(TAGS)}")
        elif found[0] != "GR_ANY_THREAD" and not re.search(r"\(\s*(const\s+)?gr_\w+\s*\*", text):
            yield Finding(path, line, f"{name} is {found[0]}; its first parameter must be the gr_self * (or what holds it)")


@plant("contexts")
def no_tag(root):
    append(root, "include/greenroom/time.h", "int gr_plant(int x);\n")


@plant("contexts")
def two_tags(root):
    append(root, "include/greenroom/time.h", "GR_ANY_THREAD GR_SUSPENDS int gr_plant(struct gr_self *self);\n")


@plant("contexts")
def no_self(root):
    append(root, "include/greenroom/time.h", "GR_SUSPENDS int gr_plant(int x);\n")


def exported(library):
    result = run(["nm", "-D", "--defined-only", str(library)])
    names = (line.split()[-1].split("@")[0] for line in result.stdout.splitlines() if line.split()[-2] != "A")
    return sorted(set(names))


def listed(tree, path):
    return [line for line in tree.lines(path) if line and not line.startswith("#")] if path in tree.files else []


def update(tree):
    for path, library in LIBRARIES.items():
        if (tree.build / library).exists():
            (tree.root / path).write_text("# What the shared library exports: tools/check --update-symbols\n"
                                          + "".join(f"{name}\n" for name in exported(tree.build / library)))
            print(f"wrote {path}")
        else:
            print(f"{tree.build / library} is not built: {path} left alone")
    return 0


@check("symbols", "the shared libraries export what runtime/*.symbols lists and the headers declare")
def symbols(tree):
    declared = {name: (path, line) for path, line, name, _ in prototypes(tree)}
    everything, complete = set(), True
    for path, library in LIBRARIES.items():
        if not (tree.build / library).exists():
            yield Finding(path, 0, f"not checked: {library} is not built", warning=not tree.build_is_required)
            complete = False
            continue
        have, want = set(exported(tree.build / library)), set(listed(tree, path))
        everything |= have
        for name in sorted(have - want):
            yield Finding(path, 0, f"{library} exports {name}, which is not listed (tools/check --update-symbols)")
        for name in sorted(want - have):
            yield Finding(path, 0, f"lists {name}, which {library} does not export")
        for name in sorted(have - set(declared)):
            yield Finding(path, 0, f"{library} exports {name}, which no public header declares")
    if complete:
        for name in sorted(set(declared) - everything):
            yield Finding(*declared[name], f"{name} is declared but no library exports it")


def _build(root, source):
    """Both libraries from one source file, in the build of the copy."""
    write(root, "build/plant.c", source)
    for library in LIBRARIES.values():
        (root / "build/release" / library).parent.mkdir(parents=True, exist_ok=True)
        run(["gcc", "-shared", "-fPIC", "build/plant.c", "-o", "build/release/" + library], cwd=root)
    run(["gcc", "-c", "build/plant.c", "-o", "build/plant.o"], cwd=root)
    run(["ar", "rc", "build/release/" + ARCHIVES[0], "build/plant.o"], cwd=root)


@plant("symbols")
def unlisted(root):
    append(root, "include/greenroom/time.h", "GR_ANY_THREAD int gr_plant(int x);\n")
    _build(root, "int gr_plant(int x) { return x; }\n")


@plant("symbols")
def phantom(root):
    append(root, "runtime/greenroom.symbols", "gr_plant\n")
    _build(root, "")


@plant("symbols")
def undefined(root):
    append(root, "include/greenroom/time.h", "GR_ANY_THREAD int gr_plant(int x);\n")
    _build(root, "")


@check("prefixes", "what the static libraries define for others to see begins with gr_ or gri_")
def prefixes(tree):
    for archive in ARCHIVES:
        if not (tree.build / archive).exists():
            yield Finding(archive, 0, "not checked: not built", warning=not tree.build_is_required)
            continue
        for line in run(["nm", "-g", "--defined-only", str(tree.build / archive)]).stdout.splitlines():
            fields = line.split()
            if len(fields) == 3 and not re.match(r"gri?_|__odr_asan|__asan|\.L", fields[2]):
                yield Finding(archive, 0, f"defines {fields[2]}, which a user's program may define too")


@plant("prefixes")
def unprefixed(root):
    _build(root, "int plant;\n")


@check("tested", "a test names every public function (or the macro that calls its _site form)")
def tested(tree):
    words = set()
    for path in tree.match(r"tests/.*\.(c|cpp|h)"):
        words.update(re.findall(r"\bgr_\w+", tree.code(path)))
    for path, line, name, _ in prototypes(tree):
        if name not in words and not (name.endswith("_site") and name[:-len("_site")] in words):
            yield Finding(path, line, f"no test names {name}")


@plant("tested")
def untested(root):
    append(root, "include/greenroom/time.h", "GR_ANY_THREAD int gr_plant_untested(int x);\n")
