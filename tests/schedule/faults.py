#!/usr/bin/env python3
"""Seeds faults into the schedule primitives and sees whether random nests find them.

faults.py BUILD [--work FOLDER] [--only 3,7] [--seeds 2000]

BUILD is a build folder of this tree with test_schedule_nests in it. The files that faults touch are compiled anew, with
every fault behind a switch (TENON_FAULT=number), and linked to a library of their own; the tree stays as it is. Fault 0
is none: it must hold. Prints a line of a table for each fault: at which seed it was found, and with which words.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SWITCH = """#pragma once
#include <cstdlib>
namespace tenon_fault {
inline bool on(int n) {
  static const int chosen = std::getenv("TENON_FAULT") ? std::atoi(std::getenv("TENON_FAULT")) : 0;
  return chosen == n;
}
}  // namespace tenon_fault
#define ON(n) tenon_fault::on(n)
"""
P = "src/schedule/primitives/"

# number: (what is wrong, file, the text before, the text with the fault behind ON(number))
FAULTS = {
    1: ("split forgets the last block", P + "split.cpp", "whole.extent / factor + !divides",
        "whole.extent / factor + (!divides && !ON(1))"),
    2: ("split shifts blocks of sums", P + "split.cpp", "if (r == ir::reducer::sum || r == ir::reducer::prod)",
        "if ((r == ir::reducer::sum || r == ir::reducer::prod) && !ON(2))"),
    3: ("split makes blocks longer than the extent", P + "split.cpp", "std::min(factor, whole.extent)",
        "(ON(3) ? factor : std::min(factor, whole.extent))"),
    4: ("fuse divides by the outer extent", P + "fuse.cpp", "std::max<std::int64_t>(inner.extent, 1)",
        "std::max<std::int64_t>(ON(4) ? outer.extent : inner.extent, 1)"),
    5: ("fuse takes loops that are not neighbours", P + "fuse.cpp", "if (at + 1 == order.end() || *(at + 1) != b)",
        "if ((at + 1 == order.end() || *(at + 1) != b) && !ON(5))"),
    6: ("reorder takes a loop twice", P + "reorder.cpp", "s.loops.begin() + static_cast<std::ptrdiff_t>(k))\n      throw",
        "s.loops.begin() + static_cast<std::ptrdiff_t>(k) && !ON(6))\n      throw"),
    7: ("parallel takes loops that are not the outermost one", "src/schedule/check_nest.cpp",
        'refuse(static_cast<int>(id), fmt::format("the parallel loop {} is not the outermost one", l.name));',
        'if (!ON(7)) refuse(static_cast<int>(id), fmt::format("the parallel loop {} is not the outermost one", l.name));'),
    8: ("a vectorized loop in a vectorized loop", "src/schedule/check_nest.cpp", "if (vector >= 0)\n          refuse",
        "if (vector >= 0 && !ON(8))\n          refuse"),
    9: ("a block with a tail of one trip counts as whole", "src/schedule/build_nest.cpp", "if (x->has_tail(extent))",
        "if (x->has_tail(extent) && !(ON(9) && extent % x->factor == 1))"),
    10: ("a region leaves out the blocks inside", "src/schedule/region.cpp", "x.factor * width(x.outer) + width(x.inner)",
         "(ON(10) ? 0 : x.factor) * width(x.outer) + width(x.inner)"),
    11: ("cache_write of loops that leave elements out", "src/schedule/check_nest.cpp", "if (!inside.dense(root))",
         "if (!inside.dense(root) && !ON(11))"),
    12: ("steps that change what a copy holds", "src/schedule/check_nest.cpp", "if (now != stage.extents)",
         "if (now != stage.extents && !ON(12))"),
    13: ("copies reach over the operand's edge", "src/schedule/build_nest.cpp",
         "there = a_.both(there, a_.less(at[d], a_.index(v.extents[d])));",
         "if (!ON(13)) there = a_.both(there, a_.less(at[d], a_.index(v.extents[d])));"),
    14: ("an intermediate of an accumulator that differs inside", "src/schedule/check_nest.cpp", "if (inside.width(root) > 0)",
         "if (inside.width(root) > 0 && !ON(14))"),
    15: ("compute_at behind what reads the reduction", "src/schedule/check_nest.cpp", "if (n_.reductions.size() < 2) return;",
         "if (n_.reductions.size() < 2 || ON(15)) return;"),
    16: ("partition takes the condition of one part for both", "src/schedule/build_nest.cpp", "always(c, v, last - 1)",
         "always(c, v, ON(16) ? first : last - 1)"),
    17: ("pack takes the wrong column of a panel", "src/schedule/region.cpp", "if (most >= width) return {};",
         "if (most >= width && !ON(17)) return {};"),
    18: ("tensorize of a tail of rows", "src/schedule/check_nest.cpp", "if (x->has_tail(extent) && (x->masked || !apart))",
         "if (x->has_tail(extent) && (x->masked || !apart) && !ON(18))"),
    19: ("the mask of a tail is forgotten", "src/schedule/build_nest.cpp", "else if (c.masked || differs(c.value))",
         "else if (c.masked && ON(19)) continue;\n      else if (c.masked || differs(c.value))"),
    20: ("the record forgets which value a step is about", "src/schedule/steps.cpp", 'if (!s.value.empty()) j["value"]',
         'if (!s.value.empty() && !ON(20)) j["value"]'),
}


def seeded(work):
    """The files with their faults, under `work`."""
    text = {}
    for number, (_, name, before, after) in FAULTS.items():
        s = text.get(name) or (ROOT / name).read_text()
        places = re.findall(r"\s*".join(map(re.escape, before.split())), s)
        if len(places) != 1:
            sys.exit(f"fault {number}: {len(places)} places in {name} read\n{before}")
        text[name] = s.replace(places[0], after)
    (work / "fault.hpp").write_text(SWITCH)
    for name, s in text.items():
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('#include "fault.hpp"\n' + s)
    return list(text)


def build(folder, work):
    names = seeded(work)
    said = subprocess.run(["ninja", "-C", folder, "-t", "commands", "tenon"], check=True, capture_output=True, text=True)
    commands = [line for line in said.stdout.splitlines() if not line.startswith("ninja:")]
    objects = {}
    for name in names:
        line = next(c for c in commands if f" -c {ROOT / name}" in c)
        words = shlex.split(line)
        while not words[0].endswith("++"):  # the launcher's: cmake -E env NAME=VALUE ccache
            words.pop(0)
        made = words[words.index("-o") + 1]
        objects[made] = str(work / pathlib.Path(name).name) + ".o"
        words[words.index("-o") + 1] = objects[made]
        words[words.index("-c") + 1] = str(work / name)
        words.insert(1, f"-I{work}")
        words.insert(2, f"-I{(ROOT / name).parent}")
        for flag in ("-MF", "-MT"):
            if flag in words:
                words[words.index(flag) + 1] = objects[made] + ".d"
        print(f"compiling {name}", file=sys.stderr, flush=True)
        subprocess.run(words, cwd=folder, check=True)
    link = next(c for c in reversed(commands) if " -shared " in c and "libtenon.so" in c and "split.cpp.o" in c)
    link = link.split("&&")[1] if "&&" in link else link
    words = [objects.get(w, w) for w in shlex.split(link)]
    name = pathlib.Path(words[words.index("-o") + 1]).name
    words[words.index("-o") + 1] = str(work / name)
    subprocess.run(words, cwd=folder, check=True)
    soname = next((w.split(",")[-1] for w in words if "-soname" in w), name)
    if soname != name:
        (work / soname).unlink(missing_ok=True)
        (work / soname).symlink_to(name)


def run(folder, work, number, seeds):
    """At which seed the fault was found, and the first words; -1: not."""
    test = next(pathlib.Path(folder).rglob("test_schedule_nests"))
    env = dict(os.environ, TENON_FAULT=str(number), LD_LIBRARY_PATH=f"{work}:{folder}", TENON_CACHE_DIR="off")
    step = 25
    for first in range(0, seeds, step):
        done = subprocess.run([test, "--from", str(first), "--to", str(first + step)], env=env,
                              capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            continue
        said = re.search(r"^seed (\d+): (.*)$", done.stderr, re.M)
        if said:
            return int(said[1]), said[2][:100]
        return first, f"ends with {done.returncode}"  # a crash: a guard page, an assertion
    return -1, ""


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("build", type=pathlib.Path)
    args.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/tenon_schedule_faults"))
    args.add_argument("--only", default="")
    args.add_argument("--seeds", type=int, default=2000)
    args.add_argument("--built", action="store_true", help="the library is there already")
    a = args.parse_args()
    folder = a.build.resolve()
    a.work.mkdir(parents=True, exist_ok=True)
    if not a.built:
        build(folder, a.work)
    missed = []
    for number in [int(n) for n in a.only.split(",") if n] or [0, *FAULTS]:
        start = time.time()
        seed, why = run(folder, a.work, number, a.seeds if number else min(a.seeds, 300))
        good = (seed >= 0) == bool(number)
        if not good:
            missed.append(number)
        what = FAULTS[number][0] if number else "none"
        print(f"| {number} | {what} | {'seed %d' % seed if seed >= 0 else 'holds'} | {why} | {time.time() - start:.0f} s |",
              flush=True)
    print(f"not as they must be: {missed}" if missed else "all as they must be")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
