#!/usr/bin/env python3
"""The README's table of what the ONNX operator tests cover, from tests/onnx/uncovered.txt.

    coverage.py            prints it
    coverage.py --check    fails when the README has another one
    coverage.py --write    puts it there
"""
import collections
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path("/usr/share/libonnx-testdata/data")
SUITES = ("node", "simple", "pytorch-converted", "pytorch-operator")
BEGIN, END = "<!-- coverage: tests/onnx/coverage.py -->\n", "<!-- end of coverage -->\n"


def table():
    uncovered = collections.defaultdict(collections.Counter)
    for line in (ROOT / "tests/onnx/uncovered.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            case, reason = line.split(maxsplit=1)
            uncovered[case.split("/")[0]][reason] += 1
    rows, total, left = [], 0, collections.Counter()
    for suite in SUITES:
        cases = sum(1 for _ in (DATA / suite).iterdir())
        rows.append(f"| {suite} | {cases} | {cases - uncovered[suite].total()} |")
        total += cases
        left.update(uncovered[suite])
    rows.append(f"| all | {total} | {total - left.total()} |")
    reasons = ", ".join(f"{reason} ({n})" for reason, n in sorted(left.items(), key=lambda r: (-r[1], r[0])))
    return ("| suite | cases | pass on `llvm` and `native` |\n|---|---|---|\n" + "\n".join(rows) +
            f"\n\nThe other {left.total()} are named in [tests/onnx/uncovered.txt](tests/onnx/uncovered.txt): {reasons}.\n")


def main():
    readme = ROOT / "README.md"
    text, made = readme.read_text(), BEGIN + table() + END
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    if "--write" in sys.argv:
        readme.write_text(text[:begin] + made + text[end:])
    elif "--check" in sys.argv:
        if text[begin:end] != made:
            sys.exit("README.md: the table of coverage is not that of tests/onnx/uncovered.txt: tests/onnx/coverage.py --write")
    else:
        print(made)


if __name__ == "__main__":
    main()
