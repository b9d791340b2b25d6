// A named extent that grows from call to call up to a stated bound: one compilation for all of its values, right at
// each, without allocation, and refused beyond.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <tenon/ops/order.hpp>
#include <tenon/tenon.hpp>
#include <vector>

#include "callable/count_allocations.hpp"
#include "error_of.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

using test::contains;
using test::error_of;

constexpr extent_t heads = 12, depth = 64, bound = 256;
constexpr extent_t n = dim("n");

// Softmax of q k^T, times v, over the first `length` rows of each head.
void attend(const array<f32>& q, const array<f32>& k, const array<f32>& v, extent_t length, extent_t h,
            std::vector<double>& result) {
  std::vector<double> weight;
  double largest = -1e300, total = 0;
  for (extent_t s = 0; s < length; ++s) {
    double dot = 0;
    for (extent_t d = 0; d < depth; ++d) dot += double{q(h, 0, d)} * k(s, h, d);
    weight.push_back(dot / 8);
    largest = std::max(largest, weight.back());
  }
  for (double& w : weight) total += w = std::exp(w - largest);
  result.assign(depth, 0);
  for (extent_t s = 0; s < length; ++s)
    for (extent_t d = 0; d < depth; ++d)
      result[static_cast<std::size_t>(d)] += weight[static_cast<std::size_t>(s)] / total * v(s, h, d);
}

// The first `length` rows of [row][head][depth], by heads.
void fill(array<f32>& cache, const array<f32>& rows, extent_t length) {
  for (extent_t h = 0; h < heads; ++h)
    for (extent_t s = 0; s < length; ++s)
      for (extent_t d = 0; d < depth; ++d) cache.data()[(h * length + s) * depth + d] = rows(s, h, d);
}

}  // namespace

TEST_CASE("a decoder's step over a growing past compiles once, is right at each length and allocates nothing") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const bool native = std::string(target) == "native";
    // As an exported model has it: the past and one more row give the present.
    const auto step = jit(
        [](tensor<f32, shape<heads, 1, depth>> q, tensor<f32, shape<heads, n, depth>> past_k,
           tensor<f32, shape<heads, n, depth>> past_v, tensor<f32, shape<heads, 1, depth>> k,
           tensor<f32, shape<heads, 1, depth>> v) {
          auto all_k = concat.with<{.axis = 1}>(past_k, k);
          auto all_v = concat.with<{.axis = 1}>(past_v, v);
          auto scores = softmax(matmul(q, transpose(all_k)) / 8.0f);
          return std::tuple(matmul(scores, all_v), all_k, all_v);
        },
        {.target = target, .bounds = {{"n", bound}}});
    const array<f32> k = array<f32>::uniform({201, heads, depth}, 1), v = array<f32>::uniform({201, heads, depth}, 2),
                     q = array<f32>::uniform({heads, 1, depth}, 3);
    // The first parallel call of a process makes the threads.
    jit([](tensor<f32, shape<dyn>> x) { return exp(x); }, {.target = target})(array<f32>::uniform({1 << 20}, 1));
    std::int64_t compilations = 0;
    for (extent_t past = 1; past <= 200; past += native ? 23 : 1) {
      array<f32> past_k = array<f32>::zeros({heads, past, depth}), past_v = past_k,
                 all_k = array<f32>::zeros({heads, past + 1, depth}), all_v = all_k,
                 y = array<f32>::zeros({heads, 1, depth});
      fill(past_k, k, past);
      fill(past_v, v, past);
      const view<f32> row_k(k.data() + past * heads * depth, {heads, 1, depth}),
          row_v(v.data() + past * heads * depth, {heads, 1, depth});
      CAPTURE(past);
      const long before = allocations;
      step.into(y, all_k, all_v, q, past_k, past_v, row_k, row_v);
      if (past == 1) compilations = step.stats().compilations;
      if (past > 1 && !native) CHECK(allocations == before);
      for (extent_t h = 0; h < heads; h += 5) {
        std::vector<double> want;
        attend(q, k, v, past + 1, h, want);
        for (extent_t d = 0; d < depth; ++d)
          REQUIRE(y(h, 0, d) == doctest::Approx(want[static_cast<std::size_t>(d)]).epsilon(1e-4));
        for (extent_t s = 0; s <= past; ++s) REQUIRE(all_k(h, s, 5) == k(s, h, 5));
        for (extent_t s = 0; s <= past; ++s) REQUIRE(all_v(h, s, 63) == v(s, h, 63));
      }
    }
    CHECK(step.stats().compilations == compilations);
    if (!native) {
      CHECK_FALSE(contains(step.explain().text(), "for each value"));
      CHECK(contains(step.explain().text(), "for n from 64 to 256"));
    }
  }
}

namespace {

float difference(const array<f32>& x, const array<f32>& y) {
  float d = x.dims() == y.dims() ? 0 : 1;
  for (extent_t i = 0; d < 1 && i < x.size(); ++i) d = std::max(d, std::fabs(x.data()[i] - y.data()[i]));
  return d;
}

// The bounded form beside one that is compiled for each length, at lengths around the tiles' and vectors' sizes.
template <class F, class Make>
void compare(const char* what, F f, Make make, bool for_all = true) {
  CAPTURE(std::string(what));
  const auto bounded = jit(f, {.bounds = {{"n", 100}}}), exact = jit(f);
  std::int64_t compilations = -1;
  for (const extent_t length : {50, 1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33, 47, 63, 64, 65, 79, 96, 99, 100}) {
    CAPTURE(length);
    const auto [y, z] = make(length, bounded, exact);
    REQUIRE(difference(y, z) <= 2e-5f);
    if (compilations < 0)
      compilations = bounded.stats().compilations + bounded.stats().memory_hits + bounded.stats().disk_hits;
    if (for_all)
      REQUIRE(bounded.stats().compilations + bounded.stats().memory_hits + bounded.stats().disk_hits == compilations);
  }
  const std::string text = bounded.explain().text();
  if (for_all && contains(text, "for each value")) FAIL(text.substr(0, 600));
  CHECK(contains(text, "for each value") != for_all);
}
template <class F>
void compare_one(const char* what, F f, const std::vector<extent_t>& like, bool for_all = true) {
  compare(
      what, f,
      [&](extent_t length, const auto& a, const auto& b) {
        std::vector<extent_t> shape = like;
        for (extent_t& e : shape)
          if (e == n) e = length;
        const array<f32> x = array<f32>::uniform(extents(shape), 7);
        return std::pair(array<f32>(a(x)), array<f32>(b(x)));
      },
      for_all);
}
template <class F>
void compare_two(const char* what, F f, const std::vector<extent_t>& first, const std::vector<extent_t>& second) {
  compare(what, f, [&](extent_t length, const auto& a, const auto& b) {
    std::vector<extent_t> one = first, two = second;
    for (std::vector<extent_t>* s : {&one, &two})
      for (extent_t& e : *s)
        if (e == n) e = length;
    const array<f32> x = array<f32>::uniform(extents(one), 7), y = array<f32>::uniform(extents(two), 8);
    return std::pair(array<f32>(a(x, y)), array<f32>(b(x, y)));
  });
}

}  // namespace

TEST_CASE("what is compiled for all lengths agrees with what is compiled for each") {
  using rows = tensor<f32, shape<n, 40>>;
  using columns = tensor<f32, shape<40, n>>;
  using images = tensor<f32, shape<n, 8, 14, 14>>;
  compare_one("map", [](rows x) { return exp(x) + 1; }, {n, 40});
  compare_one("rows", [](rows x) { return softmax(x); }, {n, 40});
  compare_one("softmax over it", [](columns x) { return softmax(x); }, {40, n});
  compare_one("sum of columns", [](rows x) { return sum.with<{.axes = {0}}>(x) / 50; }, {n, 40});
  compare_one("mean over it", [](columns x) { return mean.with<{.axes = {-1}}>(x); }, {40, n});
  compare_one("norm over it",
              [](columns x) {
                auto m = mean.with<{.axes = {-1}, .keep = true}>(x);
                return (x - m) / sqrt(mean.with<{.axes = {-1}, .keep = true}>((x - m) * (x - m)) + 1e-5f);
              },
              {40, n});
  compare_one("transposed", [](rows x) { return transpose(x); }, {n, 40});
  compare_one("transposed to rows", [](columns x) { return transpose(x) * 2; }, {40, n});
  compare_one("one more", [](rows x) { return concat.with<{.axis = 0}>(x, x); }, {n, 40});
  compare_one("concat of the inner", [](columns x) { return concat.with<{.axis = 1}>(x, x, x); }, {40, n});
  compare_one("cumulated", [](rows x) { return cumsum.with<{.axis = 0}>(x) / 50; }, {n, 40});
  compare_one("sorted", [](columns x) { return std::get<0>(sort(x)); }, {40, n});
  compare_one("with itself", [](rows x) { return matmul(x, transpose(x)) / 10; }, {n, 40});
  compare_one("attention", [](rows x) { return matmul(softmax(matmul(x, transpose(x))), x); }, {n, 40});
  compare_one("max pool", [](images x) { return max_pool.with<{.window = {3, 3}, .stride = {2, 2}}>(x); },
              {n, 8, 14, 14});
  compare_two("rows of a product", [](rows x, tensor<f32, shape<40, 72>> w) { return relu(matmul(x, w)); }, {n, 40},
              {40, 72});
  compare_two("columns of a product", [](columns x, tensor<f32, shape<72, 40>> w) { return matmul(w, x); }, {40, n},
              {72, 40});
  compare_two("depth of a product", [](columns x, tensor<f32, shape<n, 72>> w) { return matmul(x, w) / 10; }, {40, n},
              {n, 72});
  compare_two("a vector times columns", [](columns x, tensor<f32, shape<1, 40>> w) { return matmul(w, x); }, {40, n},
              {1, 40});
  compare_two("a vector times rows", [](rows x, tensor<f32, shape<1, n>> w) { return matmul(w, x) / 10; }, {n, 40},
              {1, n});
  compare_two("convolution of a batch",
              [](images x, tensor<f32, shape<16, 8, 3, 3>> w) { return conv2d.with<{.padding = {1, 1}}>(x, w) / 8; },
              {n, 8, 14, 14}, {16, 8, 3, 3});
  compare_two("depthwise",
              [](images x, tensor<f32, shape<8, 1, 3, 3>> w) {
                return conv2d.with<{.padding = {1, 1}, .groups = 8}>(x, w) / 8;
              },
              {n, 8, 14, 14}, {8, 1, 3, 3});
  compare_two("along a signal",
              [](tensor<f32, shape<2, 8, n>> x, tensor<f32, shape<16, 8, 3>> w) {
                return conv1d.with<{.padding = {1}}>(x, w) / 8;
              },
              {2, 8, n}, {16, 8, 3});
}

TEST_CASE("long sums in parts and attention in blocks of keys have a length that grows, too") {
  const auto sums = [](tensor<f32, shape<n, 64>> x) { return sum(exp(x)) / 64; };
  const auto attention = [](tensor<f32, shape<3, n, 16>> x, tensor<f32, shape<3, 40, 16>> q) {
    return scaled_dot_product_attention(q, x, x);
  };
  const auto all = jit(sums, {.bounds = {{"n", 20000}}});
  const auto online = jit(attention, {.bounds = {{"n", 5000}}}), each = jit(attention);
  for (const extent_t length : {19999, 1, 3, 60, 1000, 5000, 12345, 20000}) {
    CAPTURE(length);
    const array<f32> x = array<f32>::uniform({length, 64}, 3);
    double want = 0;
    for (extent_t i = 0; i < x.size(); ++i) want += std::exp(double{x.data()[i]});
    CHECK(all(x)() == doctest::Approx(want / 64).epsilon(1e-5));
    if (length > 5000) continue;
    const array<f32> k = array<f32>::uniform({3, length, 16}, 4), q = array<f32>::uniform({3, 40, 16}, 5);
    CHECK(difference(online(k, q), each(k, q)) < 2e-5f);
  }
  CHECK_FALSE(contains(all.explain().text(), "for each value"));
  CHECK_FALSE(contains(online.explain().text(), "for each value"));
}

TEST_CASE("views of a cache that grow have strides that do not") {
  const auto attend_to =
      jit([](tensor<f32, shape<heads, 1, depth>> q, tensor<f32, shape<heads, n, depth>> k,
             tensor<f32, shape<heads, n, depth>> v) { return scaled_dot_product_attention(q, k, v); },
          {.bounds = {{"n", bound}}});
  const array<f32> k = array<f32>::uniform({bound, heads, depth}, 1), v = array<f32>::uniform({bound, heads, depth}, 2),
                   q = array<f32>::uniform({heads, 1, depth}, 3);
  array<f32> cache_k = array<f32>::zeros({heads, bound, depth}), cache_v = cache_k;
  fill(cache_k, k, bound);
  fill(cache_v, v, bound);
  const extents strides{bound * depth, depth, 1};
  array<f32> y = array<f32>::zeros({heads, 1, depth});
  std::int64_t compilations = 0;
  for (extent_t length = 1; length <= bound; ++length) {
    const view<f32> seen_k(cache_k.data(), {heads, length, depth}, strides),
        seen_v(cache_v.data(), {heads, length, depth}, strides);
    const long before = allocations;
    attend_to.into(y, q, seen_k, seen_v);
    if (length == 1) compilations = attend_to.stats().compilations;
    if (length > 1) CHECK(allocations == before);
    std::vector<double> want;
    attend(q, k, v, length, 7, want);
    for (extent_t d = 0; d < depth; ++d)
      REQUIRE(y(7, 0, d) == doctest::Approx(want[static_cast<std::size_t>(d)]).epsilon(1e-4));
  }
  CHECK(attend_to.stats().compilations == compilations);
}

TEST_CASE("state that grows: inout parameters, loops and branches") {
  using state = tensor<f32, shape<n, 8>>;
  const auto step = jit(
      [](inout<state>& x, tensor<i64, shape<>> times) {
        auto before = sum(x);
        auto [i, y] = while_([&](auto i, auto) { return i < times; },
                             [](auto i, auto y) { return std::tuple(i + 1, transpose(transpose(y) + 1) + y); },
                             std::tuple(times * 0, state(x)));
        x = y;
        return before;
      },
      {.bounds = {{"n", 40}}});
  std::int64_t made = 0;
  for (const extent_t length : {7, 1, 3, 4, 8, 15, 16, 17, 39, 40}) {
    array<f32> x = array<f32>::uniform({length, 8}, 2);
    const array<f32> old = x;
    const std::int64_t three = 3;
    step(x, array<i64>({}, &three));
    for (extent_t i = 0; i < x.size(); ++i) REQUIRE(x.data()[i] == doctest::Approx(old.data()[i] * 8 + 7));
    const call_stats s = step.stats();
    const std::int64_t all = s.compilations + s.memory_hits + s.disk_hits;
    if (made == 0) made = all;
    CHECK(all == made);
  }
}

TEST_CASE("what another value of the extent would decide otherwise is compiled for each value, and says so") {
  // Five of n elements are n of them where there are fewer.
  const auto first =
      jit([](tensor<f32, shape<n, 4>> x) { return slice.with<{.start = {0}, .stop = {5}, .axes = {0}}>(x) + 1; },
          {.bounds = {{"n", 30}}});
  for (const extent_t length : {1, 4, 5, 6, 30}) {
    const array<f32> x = array<f32>::uniform({length, 4}, 1);
    const array<f32> y = first(x);
    REQUIRE(y.dims()[0] == std::min<extent_t>(length, 5));
    for (extent_t i = 0; i < y.size(); ++i) REQUIRE(y.data()[i] == x.data()[i] + 1);
  }
  CHECK(contains(first.explain().text(), "compiled for each value of the bounded extent alone, from "));
  // Its square is no multiple of it.
  const auto flat = jit([](tensor<f32, shape<n, n>> x) { return reshape.with<{-1}>(x) * 2; }, {.bounds = {{"n", 30}}});
  for (const extent_t length : {1, 3, 5, 30}) {
    const array<f32> x = array<f32>::uniform({length, length}, 1);
    const array<f32> y = flat(x);
    REQUIRE(y.size() == length * length);
    REQUIRE(y.data()[y.size() - 1] == x.data()[y.size() - 1] * 2);
  }
  // Without elements, too.
  const auto total = jit([](tensor<f32, shape<n, 4>> x) { return sum(x); }, {.bounds = {{"n", 30}}});
  CHECK(total(array<f32>::zeros({0, 4}))() == 0);
  CHECK(total(array<f32>::uniform({1, 4}, 1))() != 0);
}

TEST_CASE("beyond the bound a call is refused; so are bounds that are none") {
  for (const char* target : test::targets) {
    const auto f = jit([](tensor<f32, shape<n, 4>> x, tensor<f32, shape<n>> y) { return sum(x) + sum(y); },
                       {.target = target, .bounds = {{"n", 12}}});
    const auto call = [&](extent_t length) {
      return f(array<f32>::uniform({length, 4}, 1), array<f32>::uniform({length}, 1))();
    };
    call(12);
    const std::string why = error_of([&] { call(13); });
    CHECK(contains(why, "call: argument 1: n is 13 on axis 0, its bound is 12; given f32[13,4], the parameter is "));
    call(5);
    CHECK(contains(error_of([&] { f(array<f32>::uniform({5, 4}, 1), array<f32>::uniform({6}, 1)); }),
                   "n is 6 here and 5 in argument 1"));
  }
  const auto with = [](extent_bounds b) {
    return error_of([&] { (void)jit([](tensor<f32, shape<n, 4>> x) { return sum(x); }, {.bounds = b}); });
  };
  CHECK(contains(with({{"m", 5}}), "options: there is a bound of m, which no parameter has; made at "));
  CHECK(contains(with({{"n", 0}}), "options: the bound of n is 0, outside 1 to 1048576"));
  CHECK(contains(with({{"n", 5}, {"m", 6}}), "options: bounds are given of 2 extents, n the first; one can have"));
}
