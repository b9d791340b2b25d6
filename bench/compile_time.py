#!/usr/bin/env python3
"""What tenon costs a user's compiler: the umbrella header, and a network of 50 layers with static extents.

compile_time.py [--runs N] [COMPILER...]     default: 5 runs, g++ and clang++-19

Times are user + system of one -O0 compilation to an object, the median of the runs; sides are interleaved, the first
round is not counted. Memory is the peak of the compiler. The header's ratio is against the headers of others that
tenon.hpp and what it includes name, included alone.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def standard_headers():
    """What the umbrella header includes of others, by itself or through headers of ours."""
    include = ROOT / "include"
    names, seen, waiting = set(), set(), ["tenon/tenon.hpp"]
    while waiting:
        header = waiting.pop()
        if header in seen:
            continue
        seen.add(header)
        text = (include / header).read_text()
        names.update(re.findall(r"^\s*#\s*include\s*<([a-z_/0-9.]+)>", text, re.M))
        waiting += re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.M)
    return sorted(names)


def network(layers):
    """Distinct extents in every layer, so that no instantiation is shared."""
    lines = ["#include <tenon/tenon.hpp>", "using namespace tenon;", "void use() {", "  auto h0 = input<f32, 32, 64>(\"x\");"]
    for i in range(layers):
        rows, columns = 64 + i, 65 + i
        lines.append(f"  param_of<f32, shape<{rows}, {columns}>> w{i}(\"w{i}\");")
        lines.append(f"  param_of<f32, shape<{columns}>> b{i}(\"b{i}\");")
        lines.append(f"  auto h{i + 1} = relu(matmul(h{i}, w{i}) + b{i});")
    lines += [f"  static_assert(sizeof(h{layers}) == sizeof(void*));", "}"]
    return "\n".join(lines) + "\n"


def compile_once(compiler, source):
    command = [compiler, "-std=c++20", "-O0", "-I", str(ROOT / "include"), "-c", str(source), "-o", os.devnull]
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("compilers", nargs="*", default=["g++", "clang++-19"])
    options = arguments.parse_args()
    sources = {
        "standard headers alone": "".join(f"#include <{name}>\n" for name in standard_headers()),
        "tenon/tenon.hpp": "#include <tenon/tenon.hpp>\n",
        "50 layers": network(50),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, text) in enumerate(sources.items()):
            files[name] = pathlib.Path(folder) / f"source{number}.cpp"
            files[name].write_text(text)
        print(f"{'compiler':<12} {'source':<24} {'median s':>9} {'quartiles':>13} {'peak MB':>8} {'ratio':>6}  bar")
        for compiler in options.compilers:
            results = {name: [] for name in files}
            for round_number in range(options.runs + 1):
                for name, file in files.items():
                    measured = compile_once(compiler, file)
                    if round_number > 0:
                        results[name].append(measured)
            base = statistics.median(seconds for seconds, _ in results["standard headers alone"])
            bars = {"standard headers alone": "", "tenon/tenon.hpp": "1.3 times" + (", 0.6 s" if "g++" in compiler and
                    "clang" not in compiler else ""), "50 layers": "2.5 s, 400 MB"}
            for name, runs in results.items():
                seconds = sorted(seconds for seconds, _ in runs)
                low, high = seconds[len(seconds) // 4], seconds[(3 * len(seconds)) // 4]
                median = statistics.median(seconds)
                print(f"{compiler:<12} {name:<24} {median:>9.2f} {low:>6.2f} {high:>6.2f} "
                      f"{max(memory for _, memory in runs):>8.0f} {median / base:>6.2f}  {bars[name]}")


if __name__ == "__main__":
    main()
