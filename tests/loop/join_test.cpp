#include "loop/join.hpp"

#include <doctest/doctest.h>

#include "loop/interpreter.hpp"

using namespace tenon;
using namespace tenon::ir;

TEST_CASE("kernels become statements of another: their symbols, parameters and own buffers have new places") {
  const kernel first = parse_kernel(R"(kernel first(n)
  in x: f32[n]
  out y: f32[1, 1]
  local best: f32[]
declare best
best[] = -inff
vectorized(16) for i0 in [0, n)
  best[] max= x[i0]
y[0, 0] = best[]
)");
  const kernel second = parse_kernel(R"(kernel second(m, k)
  in s: f32[1]
  out x: f32[k]
  scratch t: f32[m]
parallel for i0 in [0, k)
  t[i0] = x[i0] - s[0]
  x[i0] = t[i0]
)");
  kernel all;
  all.name = "whole";
  all.symbols = {"length"};
  const expr_ref length = all.make().symbol(0);
  all.add_buffer("x", f32, scope::parameter, {length});
  all.buffers.back().written = true;
  all.add_buffer("s", f32, scope::parameter, {});
  all.buffers.back().written = true;
  const std::int64_t one[] = {0}, two[] = {0, 0}, forth[] = {0, 1}, back[] = {1, 0};
  joined_kernel a(first, all, one), b(second, all, two);
  const stmt_ref test = a.statements(forth), body = b.statements(back);
  const expr_ref more = all.make().less(all.make().constant(f32, 0), all.make().load(f32, 1, {}));
  all.body = make_stmt(while_loop{test, more, body});
  verify(all);
  CHECK(to_string(all) == R"(kernel whole(length)
  out x: f32[length]
  out s: f32[]
  local own2: f32[]
  scratch own3: f32[length]
do
  declare own2
  own2[] = -inff
  vectorized(16) for i0 in [0, length)
    own2[] max= x[i0]
  s[] = own2[]
while 0.0f < s[]
  for i1 in [0, length)
    own3[i1] = x[i1] - s[]
    x[i1] = own3[i1]
)");
  std::vector<float> x = {3, 5, 2}, s = {0};
  void* buffers[] = {x.data(), s.data()};
  const std::int64_t symbols[] = {3};
  test::interpret(all, buffers, symbols);
  CHECK(x == std::vector<float>{-2, 0, -3});
  CHECK(s[0] == 0);
}

TEST_CASE("a copy goes over all indices, or moves one element between buffers of other ranks") {
  kernel k =
      parse_kernel("kernel k(n)\n  in a: f64[n, 5]\n  out b: f64[n, 5]\n  in c: i32[1, 1]\n  out d: i32[]\npass\n");
  const stmt_ref rows = copy_nest(k, 0, 1), element = copy_nest(k, 2, 3);
  k.body = make_block({rows, element});
  verify(k);
  CHECK(to_string(k) ==
        "kernel k(n)\n  in a: f64[n, 5]\n  out b: f64[n, 5]\n  in c: i32[1, 1]\n  out d: i32[]\n"
        "for i0 in [0, n)\n  vectorized(8) for i1 in [0, 5)\n    b[i0, i1] = a[i0, i1]\nd[] = c[0, 0]\n");
}
