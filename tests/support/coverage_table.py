# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""Makes a table of llvm-cov's summary: coverage_table.py ROOT folder|file < JSON"""
import json
import os
import sys

root, rows = sys.argv[1:]
KINDS = ("lines", "branches", "mcdc")
sums = {}
for file in json.load(sys.stdin)["data"][0]["files"]:
    path = os.path.relpath(file["filename"], root)
    if path.startswith(".."):
        continue
    for name in (os.path.dirname(path) if rows == "folder" else path, "all"):
        into = sums.setdefault(name, {kind: [0, 0] for kind in KINDS})
        for kind in KINDS:
            into[kind][0] += file["summary"][kind]["covered"]
            into[kind][1] += file["summary"][kind]["count"]


def share(covered, count):
    return f"{100 * covered / count:.1f} % of {count}" if count else "none"


print("| | lines | branches | MC/DC |\n|---|---|---|---|")
for name in sorted(sums, key=lambda name: (name == "all", name)):
    print(f"| {name} |", " | ".join(share(*sums[name][kind]) for kind in KINDS), "|")
