# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""What every check needs: the tree, findings, registration, and the self-test that plants violations."""
import dataclasses
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

CHECKS = {}


@dataclasses.dataclass(frozen=True)
class Finding:
    path: str
    line: int
    text: str
    warning: bool = False

    def __str__(self):
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {'warning: ' if self.warning else ''}{self.text}"


class Tree:
    """The files of the project: what git would commit, or everything but build/ where there is no git."""

    def __init__(self, root, build=None, focus=None):
        self.root = pathlib.Path(root)
        self.focus = focus
        self.build_is_required = build is not None
        self.build = pathlib.Path(build).resolve() if build else self.root / "build/release"

    @functools.cached_property
    def files(self):
        """Paths relative to the root, as strings, sorted."""
        listed = self._git_files()
        if listed is None:
            listed = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()]
        hidden = re.compile(r"(^|/)(\.git|build|build-[^/]*|__pycache__|\.cache)/")
        return sorted(path for path in listed if not hidden.search(path) and (self.root / path).is_file())

    def _git_files(self):
        if not (self.root / ".git").exists() or not shutil.which("git"):
            return None
        command = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        result = subprocess.run(command, capture_output=True, text=True)
        return result.stdout.split("\0")[:-1] if result.returncode == 0 else None

    def match(self, pattern):
        """The files whose whole path matches the regular expression."""
        expression = re.compile(pattern)
        return [path for path in self.files if expression.fullmatch(path)]

    def each(self, pattern):
        """As match, for slow checks that look at every file by itself: the self-test shows them only what it changed."""
        return [path for path in self.match(pattern) if self.focus is None or path in self.focus]

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        return self.text(path).split("\n")

    @functools.lru_cache(maxsize=None)
    def code(self, path):
        """C source with comments and the insides of literals blanked out; line numbers stay."""
        return blank(self.text(path))


_TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, literals=True):
    """Comments become spaces; literals keep their quotes and lose their content if literals is set."""

    def replace(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[-1] if literals else token
        return re.sub(r"[^\n]", " ", token)

    return _TOKENS.sub(replace, text)


@dataclasses.dataclass
class Check:
    name: str
    text: str
    run: object
    plants: list


def check(name, text):
    """Registers a generator of findings."""

    def register(function):
        CHECKS[name] = Check(name, text, function, [])
        return function

    return register


def plant(name):
    """Registers a function that puts a violation of the check into the copy of the tree at the given root."""

    def register(function):
        CHECKS[name].plants.append(function)
        return function

    return register


HEAD = "/* SPDX-License-Identifier: MIT\n * SPDX-FileCopyrightText: The Greenroom authors */\n"


def write(root, path, text, head=HEAD):
    target = pathlib.Path(root) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(head + text)


def append(root, path, text):
    (pathlib.Path(root) / path).parent.mkdir(parents=True, exist_ok=True)
    with open(pathlib.Path(root) / path, "a", encoding="utf-8") as file:
        file.write(text)


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def _copy(tree, target):
    for path in tree.files:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.root / path, target / path)


def self_test(tree, checks):
    """Every check must find its plants: each goes into a copy of the tree (without a build) and is taken out again."""
    failures = 0
    with tempfile.TemporaryDirectory(prefix="greenroom-check.") as folder:
        for one in checks:
            if not one.plants:
                print(f"FAILED {one.name}: has no plant")
                failures += 1
                continue
            copy = pathlib.Path(folder) / one.name
            _copy(tree, copy)
            before = set(one.run(Tree(copy, focus=set())))
            for planted in one.plants:
                saved = {path: (copy / path).read_bytes() for path in tree.files}
                planted(copy)
                new = set(one.run(Tree(copy, focus=_changed(copy, saved)))) - before
                found = [finding for finding in new if not finding.warning]
                label = planted.__doc__ or planted.__name__
                print(f"{'ok' if found else 'FAILED':6} {one.name}: {label}" + (f" -> {found[0]}" if found else ""))
                failures += not found
                _restore(copy, saved)
            shutil.rmtree(copy)
    print(f"{sum(len(one.plants) for one in checks)} plants, {failures} not found")
    return 1 if failures else 0


def _changed(copy, saved):
    return {path for path in Tree(copy).files if (copy / path).read_bytes() != saved.get(path)}


def _restore(copy, saved):
    shutil.rmtree(copy / "build", ignore_errors=True)
    for path in list(copy.rglob("*")):
        relative = str(path.relative_to(copy))
        if path.is_file() and relative not in saved:
            path.unlink()
    for path, content in saved.items():
        target = copy / path
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
