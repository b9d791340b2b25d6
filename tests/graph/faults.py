#!/usr/bin/env python3
"""Proves that random graphs find the compiler bugs of faults.md.

Copies the sources with every fault behind its number and builds the copy once, as tests/conformance/faults.py does; then
runs the fuzzer on each until it fails. Fault 0 is none: the first 200 graphs must hold. Ends with 0 when they do and every
fault was found.

  faults.py [--work DIR] [--only 3,5,...] [--jobs N] [--built]
"""
import argparse
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("conformance_faults", HERE.parent / "conformance/faults.py")
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

MOST_GRAPHS = 2000
CANONICALIZE, FOLD_SCALE, FAST_MATH = (f"src/graph/passes/{p}.cpp" for p in ["canonicalize", "fold_scale", "fast_math"])

# number: [(file, what stands there, what stands there in the copy), ...]; ON(n) is whether fault n is on.
PATCHES = {
    1: [(CANONICALIZE, "const int from = source(*x, source(*n, d));",
         "const int from = ON(1) ? source(*n, source(*x, d)) : source(*x, source(*n, d));")],
    2: [("src/graph/trace.cpp", "!value_->mask()->is_true()", "(!value_->mask()->is_true() && !ON(2))"),
        ("src/graph/trace.cpp", "std::ranges::equal(value_->indices(), indices_)",
         "(std::ranges::equal(value_->indices(), indices_) || ON(2))")],
    3: [(CANONICALIZE, "if (!o.ok || o.out != n->type.shape) operands[k] = before;",
         "if (!o.ok || (o.out != n->type.shape && !ON(3))) operands[k] = before;")],
    4: [(CANONICALIZE, "std::memcmp(p, p + size, v.bytes() - size)",
         "std::memcmp(p, p + size, ON(4) ? size : v.bytes() - size)")],
    5: [(CANONICALIZE, "if (value_at(a, *n, operands, *y, w) != both) return {};",
         "if (value_at(a, *n, operands, *y, w) != both && !ON(5)) return {};")],
    6: [("src/loop/simplify.cpp", "if (is(x[1], 0.0)) return x[0];",
         "if (is(x[1], 0.0)) return ON(6) ? m.apply(prim::neg, x[0]) : x[0];")],
    7: [("src/loop/simplify.cpp", "if (is_float(from)) return is_float(to) &&",
         "if (is_float(from)) return is_float(to) && ON(7) ? true : is_float(to) &&")],
    8: [("src/loop/simplify.cpp",
         "if (x->is(p) && (x->operands[0] == y || x->operands[1] == y)) return x;\n"
         "    if (x->is(other) && (x->operands[0] == y || x->operands[1] == y)) return y;\n"
         "  }\n  return nullptr;\n}\n\n/// equal, not_equal",
         "if (x->is(p) && (x->operands[0] == y || x->operands[1] == y)) return x;\n"
         "    if (x->is(other) && (x->operands[0] == y || x->operands[1] == y)) return ON(8) ? x : y;\n"
         "  }\n  return nullptr;\n}\n\n/// equal, not_equal")],
    9: [(CANONICALIZE, "if (e == v && x->type == n->type) return x;",
         "if ((e == v || (ON(9) && e->is(expr_kind::constant))) && x->type == n->type) return x;")],
    10: [("src/loop/simplify.cpp", "if (d == 0) return p == prim::bit_and ? b : a;",
          "if (d == 0) return p == prim::bit_and || (ON(10) && p == prim::bit_or) ? b : a;")],
    11: [("src/graph/passes/fold_constants.cpp", "evaluate_native(source).at(index)",
          "evaluate_native(source).at(ON(11) && source.type == n->type ? 0 : index)"),
         ("src/ops/leaf.cpp", "int projected_index(const node& n) { return n.attributes<result_attrs>().index; }",
          "int projected_index(const node& n) {\n  const int i = n.attributes<result_attrs>().index;\n"
          "  return ON(11) && i > 0 && n.operand(0).type == n.operand(0).more[0] ? 0 : i;\n}")],
    12: [(FOLD_SCALE, "return static_cast<int>(d - at.begin());", "return ON(12) ? 0 : static_cast<int>(d - at.begin());")],
    13: [(FOLD_SCALE, "f.map(add, r, f.map(*n->op, b, c, y->where), n->where)",
          "f.map(add, r, ON(13) ? b : f.map(*n->op, b, c, y->where), n->where)")],
    14: [(FOLD_SCALE, "return static_cast<int>(d - w.begin());",
          "return ON(14) ? static_cast<int>(w.size()) - 1 : static_cast<int>(d - w.begin());")],
    15: [(FOLD_SCALE, "if (!scales) return f.map(add, z, f.map(add, b, c, y->where), n->where);",
          "if (!scales) return f.map(add, z, f.map(ON(15) ? definition<ops::sub_op>() : add, b, c, y->where), n->where);")],
    16: [("src/graph/passes/combine_parallel.cpp", ".start = {start}, .stop = {start + width(&n)}",
          ".start = {start - (ON(16) && start > 0)}, .stop = {start + width(&n) - (ON(16) && start > 0)}")],
    17: [(FAST_MATH, "return apply(mul, {x(0), apply(definition<ops::reciprocal_op>(), {x(1)})});",
          "return apply(mul, {x(0), ON(17) ? x(1) : apply(definition<ops::reciprocal_op>(), {x(1)})});")],
    18: [(FAST_MATH, "node_ref r = apply(op, {y, apply(op, {a, b})});",
          "node_ref r = ON(18) && op.name == \"add\" ? apply(op, {y, a}) : apply(op, {y, apply(op, {a, b})});")],
    19: [("src/graph/node.cpp", "std::uint64_t h = detail::mix(op.name.hash, op.attrs->hash(made.attrs.get()));",
          "std::uint64_t h = op.name.hash;\n  if (!ON(19) || op.kind == op_kind::leaf) h = detail::mix(h, op.attrs->hash(made.attrs.get()));"),
         ("src/graph/node.cpp", "(a.attrs == b.attrs || a.op->attrs->equal(a.attrs.get(), b.attrs.get()))",
          "(a.attrs == b.attrs || (ON(19) && a.op->kind != op_kind::leaf) || a.op->attrs->equal(a.attrs.get(), b.attrs.get()))")],
    20: [("src/needed_copies.cpp", "const bool shared = o->op->kind == op_kind::leaf && !o->op->compute && !stays(i);",
          "const bool shared = o->op->kind == op_kind::leaf && !o->op->compute && !stays(i) && !ON(20);")],
    21: [("src/graph/fuse.cpp", "if (!root || place_of_.at(r) < place_of_.at(root)) root = r;",
          "if (!root || (place_of_.at(r) < place_of_.at(root)) != ON(21)) root = r;")],
    22: [("src/loop/lower.cpp", "if (auto it = known.find(key); it != known.end()) return it->second;",
          "if (ON(22) && !known.empty()) return known.begin()->second;\n"
          "    if (auto it = known.find(key); it != known.end()) return it->second;")],
    23: [("src/graph/memory_plan.cpp", "const placement p = place(lives);",
          "if (ON(23))\n    for (lifetime& l : lives) l.last = std::max(l.first, l.last - 1);\n  const placement p = place(lives);")],
    24: [("src/graph/memory_plan.cpp", "if (const std::size_t* const b = block_.find(s)) plan_",
          "if (const std::size_t* const b = block_.find(s); b && !(ON(24) && o != k.operands.front())) plan_")],
    25: [("src/graph/layout.cpp", "axis_order order(static_cast<std::size_t>(rank));",
          "if (ON(25)) return normal(operand, permuted.type.shape);\n  axis_order order(static_cast<std::size_t>(rank));")],
    26: [("src/loop/lower.cpp", "at[at.size() - static_cast<std::size_t>(s.rank) + d]",
          "at[(ON(26) ? 0 : at.size() - static_cast<std::size_t>(s.rank)) + d]")],
    27: [("src/build_executable.cpp", "known.try_emplace(l->text, kernels.size())",
          "known.try_emplace(ON(27) ? l->text.substr(0, l->text.size() / 2) : l->text, kernels.size())")],
    28: [("src/loop/lower.cpp", "key.push_back(mask);", "if (!ON(28)) key.push_back(mask);")],
    29: [("src/schedule/merge_axes.cpp",
          "b.extents[d] != p.first_extent || b.extents[d + 1] != p.second_extent) return false;",
          "(!ON(29) && (b.extents[d] != p.first_extent || b.extents[d + 1] != p.second_extent))) return false;")],
    30: [("src/schedule/padded_block.cpp", "a.less(source[d], from.extents[d])",
          "a.less(source[d], ON(30) ? a.sub(from.extents[d], a.index(1)) : from.extents[d])")],
    31: [("src/graph/alias.cpp", "skipped = *start;", "skipped = ON(31) ? 0 : *start;")],
    32: [("src/graph/alias.cpp", "at += bytes_of(*p);", "at += ON(32) ? 0 : bytes_of(*p);")],
    33: [("src/graph/memory_plan.cpp", "if (life.last == step && life.first < step", "if ((life.last == step || ON(33)) && life.first < step")],
}


def run(work, number, graphs):
    """Whether the fuzzer fails, and where."""
    env = dict(os.environ, TENON_FAULT=str(number), TENON_FUZZ_STOP="1", TENON_CACHE_DIR="off")
    r = subprocess.run([work / "build/tests/test_graph_fuzz", "--to", str(graphs)], env=env, capture_output=True, text=True,
                       errors="replace")
    said = re.findall(r"FAILED (seed \d+: .*)", r.stdout)
    return r.returncode != 0, said[0] if said else "holds" if r.returncode == 0 else f"ends with {r.returncode}"


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/tenon_graph_faults"))
    args.add_argument("--only", default="")
    args.add_argument("--jobs", type=int, default=os.cpu_count())
    args.add_argument("--built", action="store_true", help="the copy is built already")
    a = args.parse_args()
    faults = shared.listed(HERE / "faults.md")
    if set(faults) != set(PATCHES):
        sys.exit(f"faults.md and PATCHES differ in {sorted(set(faults) ^ set(PATCHES))}")
    a.work.mkdir(parents=True, exist_ok=True)
    if not a.built:
        shared.build(a.work, a.jobs, False, PATCHES, "test_graph_fuzz")
    missed = []
    only = [int(n) for n in a.only.split(",") if n] or [0, *sorted(faults)]
    for number in only:
        what = faults[number][0] if number else "none"
        start = time.time()
        found, why = run(a.work, number, MOST_GRAPHS if number else 200)
        good = found == bool(number)
        if not good:
            missed.append(number)
        print(f"| {number} | {what} | {'held' if number == 0 and good else 'found' if good else 'MISSED'} | {why[:120]} | "
              f"{time.time() - start:.0f} s |", flush=True)
    print(f"{len(only) - len(missed)} of {len(only)} as they must be; not: {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
