// The last loop over a row asks for the next one: before and after, as text; and what is left as it is.
#include "schedule/next_row.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace tenon;
using namespace tenon::ir;

namespace {

/// The loops of a normalisation, of `rows` x `columns`.
std::string asked(std::string_view loops, std::int64_t rows, std::int64_t columns, int ahead = 1) {
  computation c;
  c.kernel = parse_kernel(R"(kernel norm(n0, n1)
  in x: f32[n0, n1]
  in w: f32[n1]
  out y: f32[n0, n1]
  local s: f32[]
  local t: f32[]
  scratch row: f32[n1]
parallel for i0 in [0, n0)
)" + std::string(loops));
  c.symbol_values = {rows, columns};
  loop l = std::get<loop>(c.kernel.body->v);
  l.body = scheduling::ask_for_next_row(c, {}, l.body, l.variable, l.end, ahead);
  c.kernel.body = make_stmt(std::move(l));
  verify(c.kernel);
  const std::string text = to_string(c.kernel), begin = "parallel for i0 in [0, n0)\n";
  return text.substr(text.find(begin) + begin.size());
}

constexpr char norm[] = R"(  declare s
  s[] = 0.0f
  vectorized(16) for i1 in [0, n1)
    s[] sum= x[i0, i1]
  declare t
  t[] = 0.0f
  vectorized(16) for i2 in [0, n1)
    t[] sum= (x[i0, i2] - s[]) * (x[i0, i2] - s[])
  vectorized(16) for i3 in [0, n1)
    y[i0, i3] = (x[i0, i3] - s[]) * t[] * w[i3]
)";

}  // namespace

TEST_CASE("the last of the loops that read a row asks for the next one; not for what all rows share") {
  std::string after = norm;
  after.insert(after.find("    y[i0, i3]"), "    prefetch x[i0 + 1, i3]\n");
  CHECK(asked(norm, 100, 768) == after);
}

TEST_CASE("rows side by side ask for those after them") {
  CHECK(asked(norm, 100, 768, 2).find("prefetch x[i0 + 2, i3]") != std::string::npos);
}

TEST_CASE("what reads a row kept by a loop before it does not ask") {
  const std::string kept = R"(  declare s
  s[] = 0.0f
  vectorized(16) for i1 in [0, n1)
    row[i1] = x[i0, i1] * x[i0, i1]
    s[] sum= x[i0, i1]
  vectorized(16) for i2 in [0, n1)
    y[i0, i2] = row[i2] * s[]
)";
  std::string after = kept;
  after.insert(after.find("    row[i1]"), "    prefetch x[i0 + 1, i1]\n");
  CHECK(asked(kept, 100, 768) == after);
}

TEST_CASE("one loop, short rows, few rows and masked reads ask for nothing") {
  const std::string one = "  vectorized(16) for i1 in [0, n1)\n    y[i0, i1] = x[i0, i1]\n";
  CHECK(asked(one, 100, 768) == one);
  CHECK(asked(norm, 100, 255) == norm);
  CHECK(asked(norm, 10, 768) == norm);
  std::string masked = norm;
  masked.replace(masked.find("(x[i0, i3] - s[]) * t[]"), 23, "x[i0, i3 if i3 < 5] * t[]");
  masked.replace(masked.find("(x[i0, i2] - s[]) * (x[i0, i2] - s[])"), 37, "x[i0, i2 if i2 < 5]");
  masked.replace(masked.find("sum= x[i0, i1]"), 14, "sum= x[i0, i1 if i1 < 5]");
  CHECK(asked(masked, 100, 768) == masked);
}
