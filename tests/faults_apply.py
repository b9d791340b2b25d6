#!/usr/bin/env python3
"""Every seeded fault still has its place: the text that each faults.py replaces stands once in its file."""
import importlib.util
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def module(folder):
    spec = importlib.util.spec_from_file_location(f"{folder}_faults", HERE / folder / "faults.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def places():
    """(folder, number, file, text) of all."""
    for folder in ("conformance", "graph"):
        for number, patches in module(folder).PATCHES.items():
            for name, before, _ in patches:
                yield folder, number, name, before
    for number, (_, name, before, _) in module("schedule").FAULTS.items():
        yield "schedule", number, name, before


count = wrong = 0
for folder, number, name, before in places():
    count += 1
    file = ROOT / name
    found = len(re.findall(r"\s*".join(map(re.escape, before.split())), file.read_text())) if file.exists() else 0
    if found != 1:
        wrong += 1
        print(f"tests/{folder}/faults.py: {number}: {found} places in {name} read\n{before}")
print(f"{count} places, {wrong} not found once")
sys.exit(wrong > 0 or count == 0)
