#!/usr/bin/env python3
"""Proves that the conformance table finds the faults of faults.md.

Copies the sources, puts every fault into the copy behind its number (TENON_FAULT, read when the libraries are loaded),
builds the copy once, and runs the table for each number on the targets that the fault is in. Fault 0 is none: the table
must hold. Ends with 0 when it does and every fault was found.

  faults.py [--work DIR] [--only 3,5,...] [--jobs N] [--native]
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

SWITCH = """// Which seeded fault is on; 0: none.
#pragma once
#include <cstdlib>
#include <type_traits>

namespace tenon_fault {
inline const int current = std::getenv("TENON_FAULT") ? std::atoi(std::getenv("TENON_FAULT")) : 0;
constexpr bool on(int number) {
  if (std::is_constant_evaluated()) return false;
  return current == number;
}
}  // namespace tenon_fault
"""

# number: [(file, what stands there, what stands there in the copy), ...]; ON(n) is whether fault n is on.
PATCHES = {
    1: [("include/tenon/core/outcome.hpp", "const int a = axis < 0 ? axis + rank : axis;\n  if (a < 0 || a >= rank) {\n    o.refuse()",
         "const int a = axis < 0 ? axis + rank - (ON(1) && rank > 1 ? 1 : 0) : axis;\n  if (a < 0 || a >= rank) {\n    o.refuse()")],
    2: [("src/codegen/llvm/arithmetic.cpp", "return plain_constant(b) ? m :", "return plain_constant(b) || ON(2) ? m :")],
    3: [("src/ops/number.hpp", "friend num max(num a, num b) { return ((b.v != b.v) |",
         "friend num max(num a, num b) { return (((b.v != b.v) & !ON(3)) |")],
    4: [("src/ops/selection.cpp", "const auto t = i[d] - c.to_index(before);",
         "const auto t = i[d] - c.to_index(ON(4) && before > 0 ? before - 1 : before);")],
    5: [("src/loop/lower.cpp", "    if (!given) return r;", "    if (!given || ON(5)) return r;")],
    6: [("src/graph/native_call.cpp", "o.strides[d] = strides ?", "o.strides[d] = strides && !ON(6) ?")],
    7: [("src/loop/lower.cpp", "at[at.size() - static_cast<std::size_t>(s.rank) + d]",
         "at[(ON(7) ? 0 : at.size() - static_cast<std::size_t>(s.rank)) + d]")],
    8: [("src/codegen/llvm/arithmetic.cpp", "    if (by_minus_one) q = b_.CreateSelect(by_minus_one, b_.CreateNeg(a), q);",
         "    if (ON(8) && is_signed && !safe) {\n"
         "      Value* rest = b_.CreateSRem(a, divisor);\n"
         "      Value* down = b_.CreateAnd(b_.CreateICmpNE(rest, zero), b_.CreateICmpSLT(b_.CreateXor(rest, divisor), zero));\n"
         "      q = b_.CreateSelect(down, b_.CreateSub(q, one), q);\n"
         "    }\n"
         "    if (by_minus_one) q = b_.CreateSelect(by_minus_one, b_.CreateNeg(a), q);")],
    9: [("src/ops/number.hpp", "      return static_cast<T>(a.v / b.v);",
         "      if (ON(9) && a.v % b.v != 0 && (a.v < T(0)) != (b.v < T(0))) return static_cast<T>(a.v / b.v - 1);\n"
         "      return static_cast<T>(a.v / b.v);")],
    10: [("src/ops/number.hpp", ": x >= high ? std::numeric_limits<To>::max()", ": x >= high && !ON(10) ? std::numeric_limits<To>::max()")],
    11: [("src/codegen/llvm/arithmetic_float.cpp", "  if (is_float(from))\n    return b_.CreateIntrinsic(is_signed_integer(to)",
          "  if (is_float(from) && ON(11)) return is_signed_integer(to) ? b_.CreateFPToSI(x, t) : b_.CreateFPToUI(x, t);\n"
          "  if (is_float(from))\n    return b_.CreateIntrinsic(is_signed_integer(to)")],
    12: [("src/codegen/llvm/emit_vector.cpp", "guarded(b_.CreateICmpSGT(remaining, index_number(0))",
          "guarded(b_.CreateICmpSGT(remaining, index_number(ON(12) ? width : 0))"),
         ("src/codegen/llvm/emit_vector.cpp", "} else if (n > 0 && n % width != 0) {", "} else if (n > 0 && n % width != 0 && !ON(12)) {")],
    13: [("src/schedule/contraction_rule.cpp", "a_.index(1) : tiles(axis(p_.row).extent, height_);",
          "a_.index(1) : ON(13) && height_ > 1 ? a_.div(axis(p_.row).extent, a_.index(height_)) : tiles(axis(p_.row).extent, height_);")],
    14: [("src/codegen/llvm/arithmetic.cpp", "b_.CreateAnd(ties, b_.CreateICmpSLT(at, bt))",
          "b_.CreateAnd(ties, ON(14) ? b_.CreateICmpSGT(at, bt) : b_.CreateICmpSLT(at, bt))")],
    15: [("src/ops/reduce.cpp", "/ c.to_term(count);", "/ c.to_term(ON(15) ? count - c.to_index(1) : count);"),
         ("src/ops/reduce.cpp", "(v / N(convert<T>(count))).v", "(v / N(convert<T>(ON(15) ? count - 1 : count))).v")],
    16: [("src/ops/conv.cpp", "r[d + 1] * c.to_index(entry(at.dilation, d, 1));\n        if (padded)",
          "r[d + 1] * c.to_index(ON(16) ? 1 : entry(at.dilation, d, 1));\n        if (padded)")],
    17: [("src/ops/conv.cpp", "if (at.groups > 1) x[1] =", "if (at.groups > 1 && !ON(17)) x[1] =")],
    18: [("src/ops/pool.cpp", "(at.count_include_pad && !at.ceil_mode)", "((at.count_include_pad != ON(18)) && !at.ceil_mode)"),
         ("src/ops/pool.cpp", "if (at.count_include_pad) {", "if (at.count_include_pad != ON(18)) {")],
    19: [("src/ops/pool.cpp", "over(c, C::reducer::max, at, i, c.lowest())",
          "over(c, C::reducer::max, at, i, ON(19) ? c.constant(0) : c.lowest())")],
    20: [("src/ops/scan.cpp", "if (at.exclusive) p.store", "if (at.exclusive && !ON(20)) p.store"),
         ("src/ops/scan.cpp", "if (!at.exclusive) p.store", "if (!at.exclusive || ON(20)) p.store")],
    21: [("src/ops/sort.cpp", "(t > last_at.get())", "(ON(21) ? t < last_at.get() : t > last_at.get())"),
         ("src/ops/sort.cpp", "| better(v, best.get()))", "| (ON(21) ? !better(best.get(), v) : better(v, best.get())))")],
    22: [("src/ops/indexing.cpp", "c.select(position < zero, position + n, position);",
          "ON(22) ? X(position) : X(c.select(position < zero, position + n, position));")],
    23: [("src/codegen/llvm/arithmetic_float.cpp", "b_.CreateAdd(b_.CreateAdd(bits, number(bits, 0x7fff)), odd)",
          "b_.CreateAdd(b_.CreateAdd(bits, number(bits, ON(23) ? 0 : 0x7fff)), ON(23) ? number(bits, 0) : odd)")],
    24: [("src/codegen/llvm/arithmetic_float.cpp", "  llvm::Type* half = shaped(x, b_.getInt16Ty());\n",
          "  llvm::Type* half = shaped(x, b_.getInt16Ty());\n"
          "  if (ON(24)) {\n"
          "    Value* i = b_.CreateBitCast(x, shaped(x, b_.getInt32Ty()));\n"
          "    Value* tie = b_.CreateAnd(b_.CreateLShr(i, 12), number(i, 1));\n"
          "    i = b_.CreateAnd(b_.CreateAdd(b_.CreateAdd(i, number(i, 0x7ff)), tie), number(i, ~0xfff));\n"
          "    x = b_.CreateSelect(b_.CreateFCmpUNO(x, x), x, b_.CreateBitCast(i, x->getType()));\n"
          "  }\n")],
    25: [("src/ops/norm.cpp", "return centered * tenon::rsqrt(tenon::mean(X(centered * centered), axes) + epsilon);",
          "return centered * tenon::rsqrt(tenon::mean(X(centered * centered), axes) + (ON(25) ? -epsilon : epsilon));")],
    26: [("src/ops/norm.cpp", "const X e = tenon::exp(X(wide - tenon::max(wide, axis)));",
          "const X e = tenon::exp(ON(26) ? wide : X(wide - tenon::max(wide, axis)));")],
    27: [("src/codegen/llvm/arithmetic_float.cpp", "Value* arithmetic::rounding(prim p, Value* x) {\n",
          "Value* arithmetic::rounding(prim p, Value* x) {\n"
          "  if (ON(27) && p == prim::round) {\n"
          "    Value* up = rounding(prim::floor, b_.CreateFAdd(unary(llvm::Intrinsic::fabs, x), real(x, 0.5)));\n"
          "    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, up, x);\n"
          "  }\n")],
    28: [("src/codegen/llvm/arithmetic.cpp", "  Value* wrong_sign = b_.CreateAnd(", "  if (ON(28) && !safe) return r;\n  Value* wrong_sign = b_.CreateAnd(")],
    29: [("src/codegen/llvm/arithmetic.cpp", "  Value* too_far = b_.CreateICmpUGE(b, number(b, bits));",
          "  if (ON(29)) b = b_.CreateAnd(b, number(b, bits - 1));\n  Value* too_far = b_.CreateICmpUGE(b, number(b, bits));")],
    30: [("src/ops/relabel.cpp", "if (source(at, rank, d) == k) x.push_back(i[d]);",
          "if (ON(30) ? source(at, rank, k) == d : source(at, rank, d) == k) x.push_back(i[d]);")],
    31: [("src/ops/selection.cpp", "first = c.select(start < n, start, n - c.to_index(1));",
          "first = c.select(start < n, start, n - c.to_index(ON(31) ? 0 : 1));")],
    32: [("src/ops/joining.cpp", "x[axis] = i[axis] - begin[k];", "x[axis] = i[axis] - begin[k] + c.to_index(ON(32) && k > 0 ? 1 : 0);")],
    33: [("src/ops/matmul.cpp", "if (c.same(extent, out_extent)) return i;", "if (c.same(extent, out_extent)) return ON(33) ? X(c.to_index(0)) : i;")],
    34: [("src/codegen/llvm/arithmetic.cpp", "if (is_float(d)) return b_.CreateFCmp(real[i], a, b);",
          "if (is_float(d)) return b_.CreateFCmp(ON(34) && p == prim::not_equal ? CmpInst::FCMP_ONE : real[i], a, b);")],
    35: [("src/loop/math/exp.hpp", "0.16666548f, 0.5f);", "0.16666548f, ON(35) ? 0.5f * (1 + 0x1p-16f) : 0.5f);")],
    36: [("src/ops/norm.cpp", "const X offset = widened(bias) - widened(mean) * factor;",
          "const X offset = ON(36) ? widened(bias) : X(widened(bias) - widened(mean) * factor);")],
    37: [("src/ops/conv_transpose.cpp", "(above % stride == zero)", "(ON(37) ? zero == zero : above % stride == zero)")],
    38: [("include/tenon/core/dtype.hpp", "d == i8 || d == u8 ? i32 : d;", "(d == i8 || d == u8) && !ON(38) ? i32 : d;")],
    39: [("src/ops/reduce.cpp", "all = combine<R>::of(all, N(convert<T>(from_stored(p[j * s]))));",
          "all = ON(39) ? N(convert<T>(from_stored(to_stored<S>(combine<R>::of(all, N(convert<T>(from_stored(p[j * s])))).v))))\n"
          "                                             : combine<R>::of(all, N(convert<T>(from_stored(p[j * s]))));")],
    40: [("src/ops/selection.cpp", "const auto period = c.select(n > one, (n - one) * c.to_index(2), one);",
          "const auto period = c.select(n > one, (ON(40) ? n : n - one) * c.to_index(2), one);"),
         ("src/ops/selection.cpp", "x[d] = c.select(p < n, p, period - p);",
          "x[d] = c.select(p < n, p, period - p - c.to_index(ON(40) ? 1 : 0));")],
    41: [("src/ops/matmul.cpp", "if (k0 > 0)", "if (k0 > 0 && !ON(41))")],
    42: [("src/ops/matmul.cpp", "const extent_t row_tiles = (m + tile_rows - 1) / tile_rows;",
          "const extent_t row_tiles = (m + (ON(42) && m > tile_rows ? 0 : tile_rows - 1)) / tile_rows;")],
    43: [("src/ops/matmul.cpp", "q[c] = element<E, W>(p + c * b.column);", "q[c] = element<D, W>(p + c * (ON(43) ? 1 : b.column));")],
    44: [("src/ops/matmul.cpp", "ra > 2 && e >= 0 && a.shape[e] != 1)", "ra > 2 && e >= 0 && a.shape[e] != 1 && !ON(44))")],
    45: [("src/ops/matmul.cpp", "strides[k][side][at] += c.in[k].strides[d];",
          "strides[k][side][at] = (ON(45) ? 0 : strides[k][side][at]) + c.in[k].strides[d];")],
    46: [("src/ops/matmul.cpp", "for (int k = 1; k < c.inputs; ++k) product", "for (int k = 1; k < (ON(46) ? std::min(c.inputs, 2) : c.inputs); ++k) product")],
    47: [("src/ops/conv.cpp", "group = first / s.out_group;", "group = ON(47) ? 0 : first / s.out_group;")],
    48: [("src/ops/conv.cpp", "(s.x[2] - shift - 1) / stride + 1 : 0", "(s.x[2] - shift - 1) / stride + (ON(48) ? 0 : 1) : 0")],
    49: [("src/ops/conv.cpp", "const stored_t<E>* tap = w + first * s.ws[0]",
          "const stored_t<D>* tap = w + (ON(49) && Rows == 1 && first % s.out_group >= 4 ? first - 4 : first) * s.ws[0]")],
    50: [("src/ops/pool.cpp", "const extent_t step = ops::entry(at.dilation, k, 1),",
          "const extent_t step = ON(50) ? 1 : ops::entry(at.dilation, k, 1),")],
    51: [("src/ops/pool.cpp", "at.count_include_pad ? all", "at.count_include_pad ? ON(51) ? at.window[k] : all")],
    52: [("src/ops/joining.cpp", "begin += c.in[k].shape[axis];", "begin += ON(52) && k > 0 ? 0 : c.in[k].shape[axis];")],
    53: [("src/ops/selection.cpp", "offset += at.before[d] * y.strides[d];", "offset += (ON(53) && d == 0 ? 0 : at.before[d]) * y.strides[d];")],
    54: [("src/ops/selection.cpp", "if (!m.on[d]) continue;", "if (!m.on[d] || (ON(54) && d > 0 && m.on[d - 1])) continue;")],
    55: [("src/ops/copy.cpp", "for (extent_t j0 = 0; j0 < m; j0 += tile)",
          "for (extent_t j0 = 0; ON(55) ? j0 + tile <= m : j0 < m; j0 += tile)")],
    56: [("src/ops/reduce.cpp", "const S* p = in + from + j0 * si + r;", "const S* p = in + from + (ON(56) ? 0 : j0) * si + r;")],
    57: [("src/ops/native.cpp", "for (int v = 0; v < values && follows; ++v) follows =",
          "for (int v = 0; v < (ON(57) ? 1 : values) && follows; ++v) follows =")],
    58: [("src/ops/reduce.cpp", "if constexpr (Mean) return", "if constexpr (Mean && std::is_integral_v<T>)\n"
          "      if (ON(58)) v = N(convert<T>(from_stored(to_stored<S>(v.v))));\n    if constexpr (Mean) return")],
    59: [("src/ops/selection.cpp", "if (r.step < 0 && first >= x.shape[d])", "if (r.step < 0 && first >= x.shape[d] && ON(59)) first = x.shape[d];\n    else if (r.step < 0 && first >= x.shape[d])")],
}

# Which targets a change in a stage can reach.
REACH = {"core": ["llvm", "native"], "ops": ["llvm", "native"], "lower": ["llvm"], "schedule": ["llvm"],
         "codegen": ["llvm"], "native": ["native"]}


def listed(table=HERE / "faults.md"):
    """number -> (what, where) of faults.md."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (\w+) \| .+ \|$", table.read_text(), re.M)
    return {int(n): (what, where) for n, what, where in rows}


def seed(tree, seeded):
    (tree / "include/tenon/core/fault.hpp").write_text(SWITCH)
    text = {}
    for number, patches in seeded.items():
        for name, before, after in patches:
            s = text.get(name) or (tree / name).read_text()
            # However the lines are broken.
            places = re.findall(r"\s+".join(map(re.escape, before.split())), s)
            if len(places) != 1:
                sys.exit(f"fault {number}: {len(places)} places in {name} read\n{before}")
            text[name] = s.replace(places[0], re.sub(r"\bON\(", "tenon_fault::on(", after.strip()))
    for name, s in text.items():
        (tree / name).write_text(s.replace("#pragma once\n", '#pragma once\n#include "tenon/core/fault.hpp"\n', 1)
                                 if name.endswith(".hpp") else '#include "tenon/core/fault.hpp"\n' + s)


def build(work, jobs, native, seeded=PATCHES, program="test_conformance_table"):
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for part in ["include", "src", "cmake", "tests", "examples"]:
        shutil.copytree(ROOT / part, tree / part)
    for part in ["CMakeLists.txt", "LICENSE", "NOTICE", "README.md"]:
        shutil.copy(ROOT / part, tree / part)
    seed(tree, seeded)
    # The flags of the gcc preset: a compiler cache knows the files that no fault touches, and assertions are on.
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2", "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON",
               "-DCMAKE_CXX_COMPILER=g++", "-DTENON_BUILD_EXAMPLES=OFF", "-DTENON_BUILD_BENCH=OFF"]
    if native:
        options.append("-DTENON_LLVM=OFF")
    subprocess.run(["cmake", "-S", tree, "-B", work / "build", "-G", "Ninja", *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", work / "build", f"-j{jobs}", *([] if native else ["tenon-llvm"]),
                    program], check=True)


def run(work, number, target):
    """Whether the table differs, and its first complaint."""
    env = dict(os.environ, TENON_FAULT=str(number), TENON_CONFORMANCE_TARGETS=target, TENON_CONFORMANCE_STOP="1",
               TENON_CACHE_DIR="off")
    r = subprocess.run([work / "build/tests/test_conformance_table"], env=env, capture_output=True, text=True, errors="replace")
    said = [line for line in r.stderr.splitlines() if line.startswith("FAILED")]
    why = said[0].split(": ", 1)[1] if said else "holds" if r.returncode == 0 else f"ends with {r.returncode}"
    return r.returncode != 0, why


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/tenon_faults"))
    args.add_argument("--only", default="")
    args.add_argument("--jobs", type=int, default=os.cpu_count())
    args.add_argument("--built", action="store_true", help="the copy is built already")
    args.add_argument("--native", action="store_true", help="what `native` shows, in a build without LLVM")
    a = args.parse_args()
    reach = {where: [t for t in targets if t == "native" or not a.native] for where, targets in REACH.items()}
    faults = listed()
    if set(faults) != set(PATCHES):
        sys.exit(f"faults.md and PATCHES differ in {sorted(set(faults) ^ set(PATCHES))}")
    a.work.mkdir(parents=True, exist_ok=True)
    if not a.built:
        build(a.work, a.jobs, a.native)
    only = [int(n) for n in a.only.split(",") if n] or [0, *(n for n, (_, where) in sorted(faults.items()) if reach[where])]
    missed = []
    for number in only:
        what, where = faults.get(number, ("none", "ops"))
        start, seen, lines = time.time(), False, []
        for target in reach[where]:
            differs, why = run(a.work, number, target)
            seen |= differs
            lines.append(f"{target}: {why}")
        good = seen if number else not seen
        if not good:
            missed.append(number)
        print(f"| {number} | {what} | {'held' if number == 0 and good else 'found' if good else 'MISSED'} | "
              f"{' / '.join(x[:150] for x in lines)} | {time.time() - start:.0f} s |", flush=True)
    print(f"{len(only) - len(missed)} of {len(only)} as they must be; not: {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
