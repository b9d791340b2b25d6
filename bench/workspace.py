#!/usr/bin/env python3
"""Compares the workspace of the networks of examples/networks.cpp with a bound that is computed here.

workspace.py BUILD [--only NAME] [--svg DIR]

The bound is the largest sum, over the kernels in order, of the bytes of the values between kernels that live across a
kernel or that it reads or writes. It is computed from the text of the graph as it is after fusion (TENON_DUMP), with
nothing of the library. Arguments, results and constants are no part of the workspace. What a kernel or a group of them
needs for itself is printed apart. Ends with 0 when no network takes more than 1.1 times its bound.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

NETWORKS = ["ResNet-50", "MobileNetV2", "Inception", "U-Net", "BERT-base"]
BAR = 1.1
BITS = re.compile(r"^(?:[fiubc]|bf)(\d+)$")


def bytes_of(types):
    """Of "f32[2,3], i64[2]"."""
    total = 0
    for element, extents in re.findall(r"(\w+)\[([\d,]*)\]", types):
        size = int(BITS.match(element).group(1)) // 8
        for e in extents.split(","):
            size *= int(e) if e else 1
        total += size
    return total


def read(text):
    """The nodes in order as (name, operands, bytes, kernel or None), and the names of inputs and outputs."""
    nodes, inputs, outputs, kernel = [], set(), [], None
    for line in text.splitlines():
        if line.startswith("graph("):
            inputs = set(re.findall(r"%([^\s:,]+):", line))
        elif comment := re.match(r"\s*// kernel (\d+)", line):
            kernel = int(comment.group(1))
        elif re.match(r"\s*// in no kernel", line):
            kernel = None
        elif node := re.match(r"\s*%(\S+) = (\w+).*?\(((?:%[^\s,()]+(?:, )?)*)\) : (.*)$", line):
            name, op, operands, types = node.groups()
            nodes.append((name, re.findall(r"%([^\s,()]+)", operands), bytes_of(types),
                          None if op == "constant" else kernel))
        elif line.strip().startswith("return"):
            outputs = re.findall(r"%([^\s,]+)", line)
    return nodes, inputs, outputs


def bound(text):
    """The bound in bytes, and the number of kernels."""
    nodes, inputs, outputs = read(text)
    kernel_of = {name: kernel for name, _, _, kernel in nodes}
    operands_of = {name: operands for name, operands, _, _ in nodes}
    size = {name: count for name, _, count, _ in nodes}
    last = {}  # of each kernel, what it stores at least
    stored = set()
    for name, operands, _, kernel in nodes:
        if kernel is not None:
            last[kernel] = name
        for o in operands:
            if kernel_of.get(o) is not None and kernel_of[o] != kernel:
                stored.add(o)
    stored |= set(last.values()) | {o for o in outputs if kernel_of.get(o) is not None}

    def buffers(name):
        """The stored values that `name` is, or is made of without a kernel between."""
        found, seen, open_names = set(), set(), [name]
        while open_names:
            n = open_names.pop()
            if n in seen or n in inputs:
                continue
            seen.add(n)
            if n in stored:
                found.add(n)
            else:
                open_names += operands_of.get(n, [])
        return found

    given = set().union(*(buffers(o) for o in outputs)) if outputs else set()
    first_use, last_use = {}, {}
    for name, operands, _, kernel in nodes:
        if kernel is None:
            continue
        touched = {name} if name in stored else set()
        for o in operands:
            touched |= buffers(o)
        for value in touched:
            first_use[value] = min(first_use.get(value, kernel), kernel)
            last_use[value] = max(last_use.get(value, kernel), kernel)
    change = {}
    for value in stored - given:
        change[first_use[value]] = change.get(first_use[value], 0) + size[value]
        change[last_use[value] + 1] = change.get(last_use[value] + 1, 0) - size[value]
    now = most = 0
    for step in sorted(change):
        now += change[step]
        most = max(most, now)
    return most, len(last)


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("build", type=pathlib.Path)
    args.add_argument("--only", default="")
    args.add_argument("--svg", type=pathlib.Path)
    a = args.parse_args()
    programs = [p for p in a.build.glob("**/networks") if p.is_file() and os.access(p, os.X_OK)]
    if not programs:
        sys.exit(f"{a.build} holds no program named networks")
    print("| network | kernels | workspace, bytes | bound | ratio | between kernels of a group | scratch a thread |")
    print("|---|---|---|---|---|---|---|")
    worst = 0
    for name in [a.only] if a.only else NETWORKS:
        drawing = [str(a.svg / f"{name}.svg")] if a.svg else []
        r = subprocess.run([programs[0], "--plan", name, *drawing], capture_output=True, text=True, check=True,
                           env=dict(os.environ, TENON_DUMP="graph:after:fuse"))
        limit, kernels = bound(r.stderr)
        ours = number(r"workspace (\d+) bytes", r.stdout)
        ratio = ours / limit if limit else float(ours > 0)
        worst = max(worst, ratio)
        between = number(r"behind it (\d+) bytes", r.stdout)
        scratch = number(r"scratch (\d+) bytes", r.stdout)
        print(f"| {name} | {kernels} | {ours} | {limit} | {ratio:.3f} | {between} | {scratch} |", flush=True)
    print(f"worst ratio {worst:.3f}, bar {BAR}")
    return worst > BAR


if __name__ == "__main__":
    sys.exit(main())
