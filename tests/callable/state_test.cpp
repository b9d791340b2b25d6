// State: inout parameters are changed where they lie, checked, and cost no copy; a decoder's step over a cache that
// grows up to its bound compiles once and allocates nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "callable/count_allocations.hpp"
#include "error_of.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

using test::contains;
using test::error_of;

constexpr extent_t heads = 12, depth = 64, longest = 1024;
using cache_type = tensor<f32, shape<heads, longest, depth>>;
using row_type = tensor<f32, shape<heads, 1, depth>>;

auto attend(const char* target) {
  return jit(
      [](row_type q, row_type k, row_type v, tensor<i64, shape<>> position, inout<cache_type>& keys,
         inout<cache_type>& values) {
        keys = update_slice.with<{.axis = 1}>(keys, k, position);
        values = update_slice.with<{.axis = 1}>(values, v, position);
        return scaled_dot_product_attention(q, keys, values, position);
      },
      {.target = target});
}

}  // namespace

TEST_CASE("an inout parameter holds its new value after the call, and what else is returned is right") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = jit(
        [](inout<tensor<f32, shape<dim("n")>>>& total, tensor<f32, shape<dim("n")>> x,
           inout<tensor<i64, shape<>>>& calls) {
          auto before = total * 1;
          total = total + x;
          total = total * 2;
          calls = calls + 1;
          return std::tuple(before, sum(total));
        },
        {.target = target});
    array<f32> total = array<f32>::zeros({5});
    array<i64> calls = array<i64>::zeros({});
    const array<f32> x = array<f32>::uniform({5}, 4);
    float want[5] = {};
    for (int call = 1; call <= 3; ++call) {
      const auto [before, all] = f(total, x, calls);
      float sum = 0;
      for (int i = 0; i < 5; ++i) {
        CHECK(before(i) == want[i]);
        want[i] = (want[i] + x(i)) * 2;
        CHECK(total(i) == want[i]);
        sum += want[i];
      }
      CHECK(all() == doctest::Approx(sum));
      CHECK(calls() == call);
    }
  }
}

TEST_CASE("inout parameters may be left alone, exchanged, returned, and be a loop's state") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = jit(
        [](inout<tensor<f32, shape<3>>>& a, inout<tensor<f32, shape<3>>>& b, inout<tensor<f32, shape<3>>>& same,
           tensor<i64, shape<>> n) {
          tensor<f32, shape<3>> old = a;
          a = b;
          b = old;
          auto [i, looped] =
              while_([&](auto i, auto) { return i < n; }, [](auto i, auto x) { return std::tuple(i + 1, x + 1); },
                     std::tuple(n * 0, tensor<f32, shape<3>>(a)));
          a = looped;
          return std::tuple(same + 0, looped);
        },
        {.target = target});
    array<f32> a({3}, std::vector<float>{1, 2, 3}.data()), b({3}, std::vector<float>{10, 20, 30}.data()),
        same({3}, std::vector<float>{7, 8, 9}.data());
    const std::int64_t n = 5;
    const auto [copy, looped] = f(a, b, same, array<i64>({}, &n));
    CHECK(a(1) == 25);
    CHECK(looped(1) == 25);
    CHECK(b(1) == 2);
    CHECK(same(2) == 9);
    CHECK(copy(2) == 9);
  }
}

TEST_CASE("an inout argument that overlaps another, has gaps or cannot be written is refused, naming both") {
  const auto f = jit([](inout<tensor<f32, shape<dim("n")>>>& a, tensor<f32, shape<dim("n")>> x,
                        inout<tensor<f32, shape<dim("n")>>>& b) {
    a = a + x;
    b = b - x;
    return sum(x);
  });
  array<f32> a = array<f32>::zeros({8}), b = array<f32>::zeros({8}), x = array<f32>::uniform({8}, 1);
  f(a, x, b);
  const mutable_view<f32> front(a.data(), {4}), back(a.data() + 3, {4}), apart(a.data() + 4, {4});
  const array<f32> y = array<f32>::uniform({4}, 1);
  for (int twice = 0; twice < 2; ++twice) {
    CHECK(contains(error_of([&] { f(front, y, back); }), "call: argument 1 overlaps argument 3: memory "));
    CHECK(contains(error_of([&] { f(front, view<f32>(a.data(), {4}), apart); }),
                   "call: argument 1 overlaps argument 2: "));
    f(front, y, apart);
  }
  array<f32> s = array<f32>::zeros({});
  CHECK(contains(error_of([&] { f.into(mutable_view<f32>(a.data() + 1, {}), front, y, apart); }),
                 "call: result 1 overlaps argument 1: memory "));
  CHECK(contains(error_of([&] { f(mutable_view<f32>(a.data(), {4}, {2}), y, b); }), "argument 3"));
  CHECK(contains(error_of([&] { f(mutable_view<f32>(a.data(), {4}, {2}), y, mutable_view<f32>(b.data(), {4})); }),
                 "call: argument 1: an inout argument lies in memory without gaps"));
  const auto grows = jit([](inout<tensor<f32, shape<dyn>>>& a) {
    a = concat(a, a);
    return sum(a);
  });
  CHECK(contains(error_of([&] { grows(a); }), "call: argument 1 is f32[8], its new value is f32[16]; made at "));
}

TEST_CASE("update_slice writes its slice alone where the memory is an argument's, and a copy where the old is needed") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto in_place = jit(
        [](inout<tensor<f32, shape<1000, 100>>>& x, tensor<f32, shape<3, 100>> y, tensor<i32, shape<>> at) {
          auto before = sum(x, {.axes = {0}});
          x = update_slice(x, y, at);
          return before;
        },
        {.target = target});
    array<f32> x = array<f32>::uniform({1000, 100}, 1);
    const array<f32> y = array<f32>::uniform({3, 100}, 2), old = x;
    for (const std::int32_t at : {0, 5, 997, 2000, -4}) {
      array<f32> z = old;
      (void)in_place(z, y, array<i32>({}, &at));
      const extent_t first = std::min(std::max(at, 0), 997);
      for (extent_t i = 0; i < 1000; ++i)
        for (extent_t j = 0; j < 100; j += 33)
          CHECK(z(i, j) == (i >= first && i < first + 3 ? y(i - first, j) : old(i, j)));
    }
    CHECK_FALSE(contains(in_place.explain().text(), ". copy:"));
    CHECK(contains(in_place.explain().text(), "update_slice: reads 1204 bytes, writes 1200 bytes"));
    const auto beside = jit([](tensor<f32, shape<1000, 100>> x, tensor<f32, shape<3, 100>> y,
                               tensor<i32, shape<>> at) { return update_slice(x, y, at); },
                            {.target = target});
    const std::int32_t at = 9;
    const array<f32> r = beside(x, y, array<i32>({}, &at));
    CHECK(r(10, 7) == y(1, 7));
    CHECK(r(12, 7) == x(12, 7));
    CHECK(contains(beside.explain().text(), "copy: reads 400000 bytes"));
  }
}

TEST_CASE("a decoder's step agrees with plain loops, copies no cache, allocates nothing and compiles once") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const bool native = std::string(target) == "native";
    const auto step = attend(target);
    array<f32> keys = array<f32>::zeros({heads, longest, depth}), values = array<f32>::zeros({heads, longest, depth});
    // The kernel never reads what lies behind the position.
    for (extent_t i = 0; i < keys.size() && !native; ++i) keys.data()[i] = values.data()[i] = std::nanf("");
    const array<f32> all_k = array<f32>::uniform({longest, heads, 1, depth}, 1),
                     all_v = array<f32>::uniform({longest, heads, 1, depth}, 2),
                     q = array<f32>::uniform({heads, 1, depth}, 3);
    array<f32> out = array<f32>::zeros({heads, 1, depth});
    std::int64_t compilations = 0;
    for (std::int64_t position = 0; position < longest; position += native && position > 40 ? 37 : 1) {
      const view<f32> k(all_k.data() + position * heads * depth, {heads, 1, depth}),
          v(all_v.data() + position * heads * depth, {heads, 1, depth});
      const view<i64> at(&position, extents{});
      const long before = allocations;
      step.into(out, q, k, v, at, keys, values);
      if (position > 0) {
        if (!native) CHECK(allocations == before);  // native operators may want memory of their own
      } else {
        compilations = step.stats().compilations;
      }
      if (position % 111 != 0 && position > 3 && position != longest - 1) continue;
      for (extent_t h = 0; h < heads; ++h) {
        std::vector<double> weight;
        std::vector<std::int64_t> seen;
        for (std::int64_t s = 0; s <= position; s += native && position > 40 && s >= 41 ? 37 : 1) seen.push_back(s);
        double largest = -1e300, total = 0;
        for (std::int64_t s : seen) {
          double dot = 0;
          for (extent_t d = 0; d < depth; ++d) dot += double{q(h, 0, d)} * all_k(s, h, 0, d);
          weight.push_back(dot / 8);
          largest = std::max(largest, weight.back());
        }
        for (double& w : weight) total += w = std::exp(w - largest);
        if (native && position > 40) continue;  // it skips positions: their rows are not there
        for (extent_t d = 0; d < depth; ++d) {
          double want = 0;
          for (std::size_t i = 0; i < seen.size(); ++i) want += weight[i] / total * all_v(seen[i], h, 0, d);
          REQUIRE(out(h, 0, d) == doctest::Approx(want).epsilon(1e-5));
        }
      }
    }
    const call_stats s = step.stats();
    CHECK(s.compilations == compilations);
    CHECK_FALSE(contains(step.explain().text(), ". copy:"));
    if (!native) CHECK(s.workspace_bytes < heads * longest * depth * 4 / 8);
  }
}
