#include <doctest/doctest.h>

#include "loop/helpers.hpp"
#include "loop/kernel.hpp"

using namespace tenon;
using namespace tenon::ir;
using test::error_of;

namespace {

constexpr char head[] = R"(kernel k(n, m)
  in a: f32[n, m]
  in c: i32[n]
  in h: f16[n]
  out y: f32[n, 8]
  out p: i64[n, 8]
  out s: f16[n]
  out q: b8[n]
  local t: f32[4]
  local u: f32[4]
)";

std::string problem(const kernel& k) {
  return error_of<compile_error>([&] { verify(k); });
}
/// What is wrong with the statements, after the kernel's name.
std::string broken(const std::string& body) {
  const std::string s = problem(parse_kernel(head + body));
  return s.starts_with("kernel k: ") ? s.substr(10) : s;
}
/// A kernel with a buffer of each kind, for what text cannot say.
struct built {
  kernel k;
  expr_arena& m = k.make();
  expr_ref zero = m.index(0), yes = m.boolean(true), x = nullptr;
  built() {
    k.name = "k";
    k.symbols = {"n"};
    k.add_buffer("a", f32, scope::parameter, {m.symbol(0)});
    k.buffers[k.add_buffer("y", f32, scope::parameter, {m.symbol(0)})].written = true;
    x = m.load(f32, 0, std::span(&zero, 1));
    store_of(x);
  }
  void store_of(expr_ref value) { k.body = make_stmt(store{1, {zero}, value, yes}); }
  std::string problem() const { return ::problem(k); }
};

}  // namespace

TEST_CASE("sound kernels are accepted") {
  CHECK(broken("y[0, 0] = 1.0f\n") == "no error");
  CHECK(broken(R"(parallel for i0 in [0, n)
  declare t
  unrolled for i1 in [0, 4)
    t[i1] = 0.0f
  vectorized(8) for i2 in [0, m)
    declare u
    u[0] = a[i0, i2]
    t[0] sum= u[0] if i2 < 5
    y[i0, 0] argmax= a[i0, i2] at i2
  for i3 in [max(i0 - 1, 0), min(n, i0 + 2))
    if i3 < m
      y[i3, 0] = f32(h[i3]) + t[1]
    else
      q[i3] all= a[i3, 0] < 0.0f
)") == "no error");
  CHECK(broken(R"(parallel for i0 in [0, n / 2)
  contraction 2 x 8 into y[i0 * 2 + i1, i2]
    rows i1
    columns i2 in [0, 8)
    summing i3 in [0, m)
    a = a[i0 * 2 + i1, i3]
    b = a[i3, i2]
    value(acc0: f32) = max(acc0, 0.0f)
)") == "no error");
}

TEST_CASE("a masked access may lie outside") {
  CHECK(broken("for i0 in [0, n)\n  y[0, 0] = a[-1, 0 if 3 < i0]\n  y[0, 9] = 1.0f if i0 < 0 - m\n") == "no error");
}

TEST_CASE("scopes of variables and local buffers") {
  CHECK(broken("y[i7, 0] = 1.0f\n") == "i7 is used outside of what binds it, in the index\ny[i7, 0] = 1.0f");
  CHECK(broken("for i0 in [0, n)\n  for i0 in [0, m)\n    y[i0, 0] = 1.0f\n") ==
        "i0 is bound twice\nfor i0 in [0, m)\n  y[i0, 0] = 1.0f");
  CHECK(broken("t[0] = 1.0f\n") == "a store of local buffer t outside of its declaration's block\nt[0] = 1.0f");
  CHECK(broken("for i0 in [0, n)\n  declare t\n  t[0] = 1.0f\ny[0, 0] = t[0]\n") ==
        "a load of local buffer t outside of its declaration's block\ny[0, 0] = t[0]");
  CHECK(broken("declare t\ndeclare t\n") == "a second declaration of t\ndeclare t");
  CHECK(broken("declare a\n") == "a declaration of a, which is a parameter\ndeclare a");
}

TEST_CASE("accesses") {
  CHECK(broken("y[0] = 1.0f\n") == "a store with 1 indices of buffer y, whose rank is 2\ny[0] = 1.0f");
  CHECK(broken("y[0, 0] = a[0]\n") == "a load with 1 indices of buffer a, whose rank is 2\ny[0, 0] = a[0]");
  CHECK(broken("y[0, 8] = 1.0f\n") == "index 1 of a store of buffer y is 8, its extent is 8\ny[0, 8] = 1.0f");
  CHECK(broken("y[0, 0] = a[-1, 0]\n") == "index 0 of a load of buffer a is -1, its extent is n\ny[0, 0] = a[-1, 0]");
  CHECK(broken("y[c[0], 0] = 1.0f\n") == "index 0 of a store of buffer y is i32, not i64: c[0]\ny[c[0], 0] = 1.0f");
  CHECK(broken("a[0, 0] = 1.0f\n") == "a store to buffer a, which the kernel only reads\na[0, 0] = 1.0f");
  CHECK(broken("y[0, 0] = 1.0f if c[0]\n") == "the mask c[0] of a store is i32, not b8\ny[0, 0] = 1.0f if c[0]");
  CHECK(broken("y[0, 0] = a[0, 0 if c[0]]\n") == "the mask c[0] of a load is i32, not b8\ny[0, 0] = a[0, 0 if c[0]]");
}

TEST_CASE("a while looks at what it writes, in no vectorized loop") {
  CHECK(broken(R"(do
  declare t
  t[0] = a[0, 0]
  q[0] = y[0, 0] < t[0]
while q[0] && !q[1]
  y[0, 0] sum= 1.0f
  parallel for i0 in [0, n)
    y[i0, 1] = 0.0f
)") == "a parallel loop is not the outermost statement of the kernel\nparallel for i0 in [0, n)\n  y[i0, 1] = 0.0f");
  CHECK(broken("parallel for i0 in [0, n)\n  while y[i0, 0] < 1.0f\n    y[i0, 0] sum= 0.5f\n") == "no error");
  CHECK(broken("while y[0, 0]\n  y[0, 0] = 1.0f\n") ==
        "the condition y[0, 0] is f32, not b8\nwhile y[0, 0]\n  y[0, 0] = 1.0f");
  CHECK(broken("while a[0, 0] < 1.0f\n  y[0, 0] = 1.0f\n") ==
        "the condition a[0, 0] < 1.0f reads nothing that the while writes: it never changes\n"
        "while a[0, 0] < 1.0f\n  y[0, 0] = 1.0f");
  CHECK(broken("do\n  y[0, 0] = 1.0f\nwhile n < m\n  pass\n") ==
        "the condition n < m reads nothing that the while writes: it never changes\n"
        "do\n  y[0, 0] = 1.0f\nwhile n < m\n  pass");
  CHECK(broken("do\n  declare t\n  t[0] = 1.0f\nwhile t[0] < 2.0f\n  pass\n") ==
        "a load of local buffer t outside of its declaration's block\n"
        "do\n  declare t\n  t[0] = 1.0f\nwhile t[0] < 2.0f\n  pass");
  CHECK(broken("while y[i0, 0] < 2.0f\n  y[0, 0] = 1.0f\n") ==
        "i0 is used outside of what binds it, in the condition\nwhile y[i0, 0] < 2.0f\n  y[0, 0] = 1.0f");
  CHECK(broken("vectorized(8) for i0 in [0, n)\n  while y[i0, 0] < 1.0f\n    y[i0, 0] = 1.0f\n") ==
        "a while inside of a vectorized loop\nwhile y[i0, 0] < 1.0f\n  y[i0, 0] = 1.0f");
  built b;
  b.k.body = make_stmt(while_loop{b.k.body, b.m.less(b.m.load(f32, 1, std::span(&b.zero, 1)), b.x), nullptr});
  CHECK(test::contains(b.problem(), "a while without a body"));
  b.k.body = make_stmt(while_loop{nullptr, nullptr, b.k.body});
  CHECK(test::contains(b.problem(), "the condition is missing"));
}

TEST_CASE("parameters may lie over each other, what is the kernel's own does not") {
  built b;
  b.k.buffers[0].overlap = b.k.buffers[1].overlap = 1;
  CHECK(b.problem() == "no error");
  b.k.buffers[0].overlap = -1;
  CHECK(test::contains(b.problem(), "buffer a: an overlap -1; parameters have overlaps, of 0 and more"));
  CHECK(problem(parse_kernel("kernel k()\n  out y: f32[]\n  local t: f32[] overlap 2\ny[] = 1.0f\n")) ==
        "kernel k: buffer t: an overlap 2; parameters have overlaps, of 0 and more");
}

TEST_CASE("prefetches ask for lines of parameters, wherever they lie") {
  CHECK(broken("for i0 in [0, n)\n  prefetch a[i0 + 1000, 0 - n]\n  y[0, 0] = 1.0f\n") == "no error");
  CHECK(broken("prefetch a[0]\n") == "a prefetch with 1 indices of buffer a, whose rank is 2\nprefetch a[0]");
  CHECK(broken("prefetch a[c[0], 0]\n") == "the index c[0] is i32, not i64\nprefetch a[c[0], 0]");
  CHECK(broken("declare t\nprefetch t[0]\n") == "a prefetch of t, which is no parameter\nprefetch t[0]");
}

TEST_CASE("types") {
  CHECK(broken("y[0, 0] = 1\n") == "the value 1 is i64, not f32\ny[0, 0] = 1");
  CHECK(broken("y[0, 0] = a[0, 0] + 1\n") ==
        "add takes operands of one type, not f32, i64, in a[0, 0] + 1\ny[0, 0] = a[0, 0] + 1");
  CHECK(broken("s[0] = h[0] + h[0]\n") ==
        "add takes f32, f64 or integers, not f16, f16, in h[0] + h[0]\ns[0] = h[0] + h[0]");
  CHECK(broken("q[0] = !c[0]\n") == "logical_not takes b8, not i32, in !c[0]\nq[0] = !c[0]");
  CHECK(broken("y[0, 0] = select(c[0], 1.0f, 2.0f)\n") ==
        "select takes a b8 and two values of one type, not i32, f32, f32, in select(c[0], 1.0f, 2.0f)\n"
        "y[0, 0] = select(c[0], 1.0f, 2.0f)");
  CHECK(broken("y[0, 0] = f32(sqrt(c[0]))\n") ==
        "sqrt takes f32 or f64, not i32, in sqrt(c[0])\ny[0, 0] = f32(sqrt(c[0]))");
  CHECK(broken("y[0, 0] = bitcast<f32>(p[0, 0])\n") ==
        "bitcast from i64 to f32: the sizes differ, or one is b8, in bitcast<f32>(p[0, 0])\ny[0, 0] = "
        "bitcast<f32>(p[0, 0])");
  CHECK(broken("for i0 in [0, c[0])\n  y[0, 0] = 1.0f\n") ==
        "the upper bound c[0] is i32, not i64\nfor i0 in [0, c[0])\n  y[0, 0] = 1.0f");
  CHECK(broken("if n\n  y[0, 0] = 1.0f\n") == "the condition n is i64, not b8\nif n\n  y[0, 0] = 1.0f");
}

TEST_CASE("updates") {
  CHECK(broken("y[0, 0] all= a[0, 0]\n") == "all does not combine values of f32\ny[0, 0] all= a[0, 0]");
  CHECK(broken("s[0] sum= h[0]\n") == "sum does not combine values of f16\ns[0] sum= h[0]");
  CHECK(broken("y[0, 0] sum= a[0, 0] at 1\n") == "sum takes no position\ny[0, 0] sum= a[0, 0] at 1");
  CHECK(broken("y[0, 0] argmax= a[0, 0]\n") == "argmax needs a position\ny[0, 0] argmax= a[0, 0]");
  CHECK(broken("declare t\ndeclare u\nt[0] argmax= a[0, 0] at 1\n") ==
        "the positions of argmax go to buffer u of f32, not i64\nt[0] argmax= a[0, 0] at 1");
}

TEST_CASE("loops") {
  CHECK(broken("for i0 in [0, n)\n  parallel for i1 in [0, 8)\n    y[i0, i1] = 1.0f\n") ==
        "a parallel loop is not the outermost statement of the kernel\nparallel for i1 in [0, 8)\n  y[i0, i1] = 1.0f");
  CHECK(broken("parallel for i0 in [0, n)\n  y[i0, 0] = 1.0f\nparallel for i1 in [0, n)\n  y[i1, 1] = 1.0f\n") ==
        "a parallel loop is not the outermost statement of the kernel\nparallel for i0 in [0, n)\n  y[i0, 0] = 1.0f");
  CHECK(broken("parallel for i0 in [1, n)\n  y[i0, 0] = 1.0f\n") ==
        "a parallel loop begins at 1, not at 0\nparallel for i0 in [1, n)\n  y[i0, 0] = 1.0f");
  CHECK(broken("for i0 in [-1, n)\n  y[i0, 0] = 1.0f\n") ==
        "the lower bound -1 is negative\nfor i0 in [-1, n)\n  y[i0, 0] = 1.0f");
  CHECK(broken("unrolled for i0 in [0, n)\n  y[i0, 0] = 1.0f\n") ==
        "an unrolled loop has a trip count that is no constant: n\nunrolled for i0 in [0, n)\n  y[i0, 0] = 1.0f");
  CHECK(broken("unrolled for i0 in [0, 5000)\n  y[i0, 0] = 1.0f\n") ==
        "an unrolled loop has 5000 trips, at most 4096 are allowed\nunrolled for i0 in [0, 5000)\n  y[i0, 0] = 1.0f");
  CHECK(broken("vectorized(12) for i0 in [0, n)\n  y[i0, 0] = 1.0f\n") ==
        "a vectorized loop of 12 lanes; a power of two up to 64 is expected\n"
        "vectorized(12) for i0 in [0, n)\n  y[i0, 0] = 1.0f");
  CHECK(broken("vectorized(8) for i0 in [0, n)\n  vectorized(8) for i1 in [0, 8)\n    y[i0, i1] = 1.0f\n") ==
        "a vectorized loop inside of a vectorized loop\nvectorized(8) for i1 in [0, 8)\n  y[i0, i1] = 1.0f");
  CHECK(broken("vectorized(8) for i0 in [0, 8)\n  for i1 in [0, i0)\n    y[i1, i0] = 1.0f\n") ==
        "the upper bound i0 differs between the lanes of the vectorized loop over i0\n"
        "for i1 in [0, i0)\n  y[i1, i0] = 1.0f");
  CHECK(broken("vectorized(8) for i0 in [0, 8)\n  if i0 < 3\n    y[0, i0] = 1.0f\n") ==
        "the condition i0 < 3 differs between the lanes of the vectorized loop over i0\nif i0 < 3\n  y[0, i0] = 1.0f");
  CHECK(
      broken(
          "vectorized(8) for i0 in [0, 8)\n  declare t\n  t[0] = a[0, i0]\n  if t[0] < 0.0f\n    y[0, i0] = 1.0f\n") ==
      "the condition t[0] < 0.0f differs between the lanes of the vectorized loop over i0\n"
      "if t[0] < 0.0f\n  y[0, i0] = 1.0f");
  CHECK(broken("declare t\nvectorized(8) for i0 in [0, 8)\n  t[0] sum= a[0, i0]\n  y[0, i0] = t[0]\n") ==
        "a load of buffer t, of which the vectorized loop over i0 keeps one partial result a lane\ny[0, i0] = t[0]");
  CHECK(broken("declare t\nvectorized(8) for i0 in [0, 8)\n  t[0] sum= a[0, i0]\n  t[1] = 0.0f\n") ==
        "a store to buffer t, of which the vectorized loop over i0 keeps one partial result a lane\nt[1] = 0.0f");
}

namespace {

/// A sound contraction with some text exchanged.
std::string broken_tile(const std::string& from, const std::string& to) {
  std::string s = R"(contraction 2 x 8 into y[i1, i2]
  rows i1
  columns i2 in [0, 8)
  summing i3 in [0, m)
  a = a[i1, i3]
  b = a[i3, i2]
  value(acc0: f32) = acc0
)";
  s.replace(s.find(from), from.size(), to);
  std::string r = broken(s);
  CHECK(r.find("\ncontraction ") != r.npos);
  return r.substr(0, r.find('\n'));
}

}  // namespace

TEST_CASE("contractions") {
  CHECK(broken_tile("8 into", "300 into") == "a tile of 2 x 300; 1 to 64 rows and 1 to 256 columns are expected");
  CHECK(broken_tile("[0, 8)", "[0, 9)") == "9 columns of a tile of 8");
  CHECK(broken_tile("a = a[i1, i3]", "a = 1.0f") == "operand a is no load or cast of one: 1.0f");
  CHECK(broken_tile("a = a[i1, i3]", "a = a[i2, i3]") == "operand a depends on the column i2");
  CHECK(broken_tile("b = a[i3, i2]", "b = a[i1, i2]") == "operand b depends on the row i1");
  CHECK(broken_tile("b = a[i3, i2]", "b = a[i2, i3]") == "operand b does not have unit stride in the column i2, but m");
  CHECK(broken_tile("b = a[i3, i2]", "b = a[i3, i2 / 2]") ==
        "operand b does not have unit stride in the column i2, but no affine index");
  CHECK(broken_tile("a = a[i1, i3]", "a = c[i1 + i3]") ==
        "operand a is i32, which does not widen to the accumulator's f32");
  CHECK(broken_tile("acc0: f32", "acc0: f16") == "the accumulator acc0 is f16, which has no arithmetic");
  CHECK(broken_tile("value(acc0: f32) = acc0", "value(i9: i64) = f32(i9)") ==
        "the accumulator i9 is a loop variable's name; fresh_accumulator makes one");
  CHECK(broken_tile("= acc0", "= acc0 + f32(i3)") == "i3 is used outside of what binds it, in the value");
  CHECK(broken_tile("= acc0", "= i32(acc0)") == "the value i32(acc0) is i32, not f32");
  CHECK(broken_tile("  value", "  prefetch = 1.0f\n  value") ==
        "what is prefetched is a load neither of b's buffer nor of a parameter: 1.0f");
  CHECK(broken_tile("  value", "  prefetch = a[i1, i2]\n  value") == "the prefetch depends on the row i1");
  CHECK(broken_tile("  value", "  function = n + 1\n  value") == "the function n + 1 is no symbol");
  CHECK(broken_tile("a = a[i1, i3]\n  b = a[i3, i2]", "a = a[i1, i3 if i1 < 2]\n  b = a[i3, i2]\n  function = n") ==
        "a function reads plain f32, not a[i1, i3 if i1 < 2]");
  CHECK(broken_tile("rows i1", "rows i3") == "i3 is bound twice");
  CHECK(
      broken("vectorized(4) for i0 in [0, 8)\n  contraction 2 x 8 into y[i1, i2]\n    rows i1\n"
             "    columns i2 in [0, 8)\n    summing\n    a = a[i1, 0]\n    b = a[0, i2]\n    value(acc0: f32) = acc0\n")
          .starts_with("a contraction inside of a vectorized loop\ncontraction 2 x 8 into y[i1, i2]\n"));
}

TEST_CASE("what text cannot say") {
  {
    built b;
    CHECK(b.problem() == "no error");
    b.k.body = nullptr;
    CHECK(b.problem() == "kernel k: there is no body");
  }
  {
    built b;
    b.k.symbols = {"n", "n"};
    CHECK(b.problem() == "kernel k: two symbols are named n");
  }
  {
    built b;
    b.k.buffers[1].name = "a";
    CHECK(b.problem() == "kernel k: two buffers are named a");
  }
  {
    built b;
    b.k.buffers[1].id = 0;
    CHECK(b.problem() == "kernel k: buffer y has id 0 and stands at 1");
  }
  {
    built b;
    b.k.add_buffer("t", f32, scope::scratch, {b.m.symbol(0)}, {b.m.index(2)});
    CHECK(b.problem() == "kernel k: buffer t: it has strides; scratch buffers are contiguous");
  }
  {
    built b;
    b.k.add_buffer("t", f32, scope::scratch, {b.m.symbol(0)});
    CHECK(b.problem() == "no error");
    b.k.add_buffer("late", f32, scope::parameter, {b.m.symbol(0)});
    CHECK(b.problem() == "kernel k: buffer late: a parameter stands after a local buffer");
  }
  {
    built b;
    b.k.add_buffer("t", f32, scope::local, {b.m.index(2000)});
    CHECK(b.problem() == "kernel k: local buffer t: 8000 bytes, at most 4096 are allowed");
    b.k.buffers[2].extents = {b.m.symbol(0)};
    CHECK(b.problem() == "kernel k: local buffer t: the extent n is no constant");
    b.k.buffers[2].extents = {b.m.index(2)};
    b.k.buffers[2].strides = {b.m.index(1)};
    CHECK(b.problem() == "kernel k: local buffer t: it has strides; local buffers are contiguous");
    b.k.buffers[2].strides = {};
    b.k.add_buffer("late", f32, scope::parameter, {});
    CHECK(b.problem() == "kernel k: buffer late: a parameter stands after a local buffer");
  }
  {
    built b;
    b.k.buffers[0].strides = {b.m.index(1), b.m.index(1)};
    CHECK(b.problem() == "kernel k: buffer a: 2 strides for 1 extents");
    b.k.buffers[0].strides = {b.m.integer(i32, 1)};
    CHECK(b.problem() == "kernel k: buffer a: the stride i32(1) is i32, not i64");
    b.k.buffers[0].strides = {};
    b.k.buffers[0].extents = {b.m.index(-1)};
    CHECK(b.problem() == "kernel k: buffer a: the extent -1 is negative");
  }
  {
    built b;
    b.store_of(b.m.load(f32, 9, std::span(&b.zero, 1)));
    CHECK(b.problem() == "kernel k: there is no buffer 9; the kernel has 2\ny[0] = `buffer 9`[0]");
    b.store_of(b.m.load(f64, 0, std::span(&b.zero, 1)));
    CHECK(b.problem() == "kernel k: a load gives f64 from buffer a of f32\ny[0] = a[0]");
    b.store_of(b.m.cast(f32, b.m.symbol(3)));
    CHECK(b.problem() == "kernel k: there is no symbol 3; the kernel has 1\ny[0] = f32(`symbol 3`)");
    const std::pair<expr_ref, expr_ref> loops[] = {{b.m.fresh_variable(), b.m.symbol(0)}};
    b.store_of(b.m.reduce(reducer::sum, loops, b.x));
    CHECK(b.problem().starts_with("kernel k: "));
    CHECK(b.problem() == "kernel k: i0 is used outside of what binds it, in the value\ny[0] = sum{i0 < n}(a[0])");
    b.store_of(b.m.reduce(reducer::sum, {}, b.x));
    CHECK(b.problem() == "kernel k: a reduction is still an expression: sum{}(a[0])\ny[0] = sum{}(a[0])");
    b.k.body = make_stmt(store{1, {b.zero}, b.x, nullptr});
    CHECK(b.problem() == "kernel k: the mask is missing\ny[0] = a[0] if `nothing`");
    b.k.body = make_stmt(loop{.variable = b.zero, .begin = b.zero, .end = b.zero, .body = b.k.body});
    CHECK(b.problem() == "kernel k: the loop variable is no variable\nfor 0 in [0, 0)\n  y[0] = a[0] if `nothing`");
    b.k.body = make_stmt(loop{.variable = b.m.fresh_variable(), .begin = b.zero, .end = b.zero, .body = nullptr});
    CHECK(b.problem() == "kernel k: a loop without a body\nfor i1 in [0, 0)\n  pass");
  }
}
