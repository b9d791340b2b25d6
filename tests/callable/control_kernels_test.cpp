// Loops and branches of small kernels are one kernel each: right against plain loops and, bit for bit, against the same
// steps with jumps; how many kernels there are; what stays steps, and why.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "error_of.hpp"

using namespace tenon;

namespace {

using test::contains;

using real_t = tensor<f64, shape<>>;
using whole = tensor<i64, shape<>>;
constexpr extent_t n = dim("n");

compile_options joined() { return {.target = "llvm", .cache = false}; }
compile_options as_steps() {
  compile_options o = joined();
  o.context.disabled = {"control_kernels"};
  return o;
}
array<i64> integer(std::int64_t v) { return array<i64>({}, &v); }
array<f64> real(double v) { return array<f64>({}, &v); }

template <dtype T>
bool same(const array<T>& a, const array<T>& b) {
  if (a.dims() != b.dims()) return false;
  const auto bytes = static_cast<std::size_t>(a.size()) * sizeof(*a.data());
  return bytes == 0 || std::memcmp(a.data(), b.data(), bytes) == 0;
}
template <class... T>
bool same(const std::tuple<T...>& a, const std::tuple<T...>& b) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return (same(std::get<I>(a), std::get<I>(b)) && ...);
  }(std::index_sequence_for<T...>());
}
int count(const std::string& text, std::string_view part) {
  int all = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++all;
  return all;
}

}  // namespace

TEST_CASE("a loop over numbers is one kernel: no turn, many turns, exchanged states") {
  const auto body = [](real_t x, whole turns) {
    return while_([&](auto i, auto, auto, auto) { return i < turns; },
                  [](auto i, auto a, auto b, auto c) { return std::tuple(i + 1, b, a * 0.5 + c, c - a * 0.125); },
                  std::tuple(turns * 0, x, x + 1, x + 2));
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  for (const std::int64_t turns : {0, 1, 2, 3, 1000, 3'000'000}) {
    const auto got = f(real(0.3), integer(turns));
    CHECK(same(got, steps(real(0.3), integer(turns))));
    double a = 0.3, b = 1.3, c = 2.3;
    for (std::int64_t i = 0; i < turns; ++i) {
      const double next = a * 0.5 + c;
      c -= a * 0.125;
      a = b;
      b = next;
    }
    CHECK(std::get<0>(got)() == turns);
    CHECK(std::get<1>(got)() == doctest::Approx(a).epsilon(1e-12));
    CHECK(std::get<3>(got)() == doctest::Approx(c).epsilon(1e-12));
  }
  const std::string said = f.explain().text(), of_steps = steps.explain().text();
  CHECK(contains(said, "while at "));
  CHECK(contains(said, " is one kernel of 4 nests"));
  CHECK(contains(said, ". while_less_add_"));
  CHECK(count(said, "\ndo\n") == 1);
  CHECK_FALSE(contains(of_steps, "is one kernel"));
  // The loop, what makes the first states, and their copies into the results.
  CHECK(f.stats().kernels == 6);
  CHECK(f.stats().kernels < steps.stats().kernels);
}

TEST_CASE("a scan with a loop of its own in each step, and a branch in that") {
  // The steps of 3 n + 1 from each number, and the largest that is met.
  const auto body = [](tensor<i64, shape<n>> xs) {
    auto [total, all] = scan(
        [](auto total, auto x) {
          auto [last, steps, largest] =
              while_([](auto v, auto, auto) { return v > 1; },
                     [](auto v, auto steps, auto largest) {
                       auto next = if_(equal(v % 2, 0), [&] { return v / 2; }, [&] { return v * 3 + 1; });
                       return std::tuple(next, steps + 1, maximum(largest, next));
                     },
                     std::tuple(x, x * 0, x));
          return std::pair(total + steps, std::tuple(steps, largest));
        },
        sum(xs) * 0, xs);
    return std::tuple(total, std::get<0>(all), std::get<1>(all));
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  for (const extent_t length : {0, 1, 2, 27}) {
    array<i64> xs = array<i64>::zeros({length});
    for (extent_t i = 0; i < length; ++i) xs(i) = i;
    const auto got = f(xs);
    CHECK(same(got, steps(xs)));
    std::int64_t total = 0;
    for (extent_t i = 0; i < length; ++i) {
      std::int64_t v = i, taken = 0, largest = i;
      for (; v > 1; ++taken) {
        v = v % 2 == 0 ? v / 2 : v * 3 + 1;
        largest = std::max(largest, v);
      }
      total += taken;
      CHECK(std::get<1>(got)(i) == taken);
      CHECK(std::get<2>(got)(i) == largest);
    }
    CHECK(std::get<0>(got)() == total);
  }
  const std::string said = f.explain().text();
  CHECK(count(said, "while at ") == 2);  // the scan is one, too
  CHECK(count(said, "if at ") == 0);
  CHECK(count(said, "\nwhile ") >= 1);
  CHECK_FALSE(contains(said, "steps with jumps"));
}

TEST_CASE("states of vectors: rows, exchanged, updated in place, read by their old values") {
  using row = tensor<f32, shape<n>>;
  using few = tensor<f32, shape<2, 3>>;
  const auto body = [](row x, few s, whole turns) {
    return while_([&](auto i, auto, auto, auto) { return i < turns; },
                  [](auto i, auto x, auto s, auto kept) {
                    auto next = x * 0.5F + sum(s) * 0.01F;
                    auto other = softmax(s) + 0.25F * reverse(s, {1});
                    // The old value is read, too: the update begins with a copy.
                    auto written = update_slice.with<{.axis = 0}>(kept, reshape(sum(next), {1}), i % 4);
                    return std::tuple(i + 1, next, other + 0.001F * sum(kept), written);
                  },
                  std::tuple(turns * 0, x, s, as<shape<4>>(broadcast_to(sum(x), {4}))));
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  const array<f32> s = array<f32>::uniform({2, 3}, 5);
  for (const extent_t length : {1, 7, 16, 100})
    for (const std::int64_t turns : {0, 1, 2, 9}) {
      CAPTURE(length);
      CAPTURE(turns);
      const array<f32> x = array<f32>::uniform({length}, 3);
      CHECK(same(f(x, s, integer(turns)), steps(x, s, integer(turns))));
    }
  CHECK(contains(f.explain().text(), "is one kernel of"));
}

TEST_CASE("larger states are not copied back: the kernel holds two turns, one in each direction") {
  const auto body = [](tensor<f32, shape<300>> x, whole turns) {
    return while_([&](auto i, auto) { return i < turns; },
                  [](auto i, auto x) { return std::tuple(i + 1, reverse(x, {0}) * 0.5F + x); },
                  std::tuple(turns * 0, x));
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  const array<f32> x = array<f32>::uniform({300}, 3);
  for (const std::int64_t turns : {0, 1, 2, 3, 10, 11}) {
    const auto got = f(x, integer(turns));
    CHECK(same(got, steps(x, integer(turns))));
    std::vector<float> want(x.data(), x.data() + 300), before;
    for (std::int64_t t = 0; t < turns; ++t) {
      before = want;
      for (std::size_t i = 0; i < 300; ++i) want[i] = before[299 - i] * 0.5F + before[i];
    }
    for (extent_t i = 0; i < 300; ++i)
      REQUIRE(std::get<1>(got)(i) == doctest::Approx(want[static_cast<std::size_t>(i)]));
  }
  CHECK(contains(f.explain().text(), "is one kernel of 6 nests"));
}

TEST_CASE("a recurrent cell of few units under scan") {
  constexpr int units = 8, in = 5;
  const auto body = [](tensor<f32, shape<dim("t"), in>> xs, tensor<f32, shape<units>> h0, tensor<f32, shape<units>> c0,
                       tensor<f32, shape<in, 4 * units>> w, tensor<f32, shape<units, 4 * units>> u) {
    auto [last, all] = scan(
        [&](auto state, auto x) {
          auto [h, c] = state;
          auto g = reshape(matmul(unsqueeze(x, {0}), w) + matmul(unsqueeze(h, {0}), u), {4 * units});
          auto gate = [&](int k) {
            return tensor<f32, shape<units>>(
                as<shape<units>>(slice(g, {.start = {k * units}, .stop = {(k + 1) * units}, .step = {}, .axes = {0}})));
          };
          auto next = sigmoid(gate(1)) * c + sigmoid(gate(0)) * tanh(gate(2));
          auto out = sigmoid(gate(3)) * tanh(next);
          return std::pair(std::tuple(out, next), out);
        },
        std::tuple(h0, c0), xs);
    return std::tuple(std::get<0>(last), std::get<1>(last), all);
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  const array<f32> h0 = array<f32>::uniform({units}, 1), c0 = array<f32>::uniform({units}, 2),
                   w = array<f32>::uniform({in, 4 * units}, 3), u = array<f32>::uniform({units, 4 * units}, 4);
  const auto sigmoid_of = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (const extent_t length : {1, 2, 20}) {
    const array<f32> xs = array<f32>::uniform({length, in}, 9);
    const auto got = f(xs, h0, c0, w, u);
    CHECK(same(got, steps(xs, h0, c0, w, u)));
    std::vector<double> h(units), c(units);
    for (extent_t k = 0; k < units; ++k) h[static_cast<std::size_t>(k)] = h0(k), c[static_cast<std::size_t>(k)] = c0(k);
    for (extent_t t = 0; t < length; ++t) {
      std::vector<double> g(4 * units), next(units);
      for (extent_t j = 0; j < 4 * units; ++j) {
        double& sum = g[static_cast<std::size_t>(j)];
        for (extent_t k = 0; k < in; ++k) sum += double{xs(t, k)} * w(k, j);
        for (extent_t k = 0; k < units; ++k) sum += h[static_cast<std::size_t>(k)] * u(k, j);
      }
      for (std::size_t k = 0; k < units; ++k) {
        c[k] = sigmoid_of(g[units + k]) * c[k] + sigmoid_of(g[k]) * std::tanh(g[2 * units + k]);
        next[k] = sigmoid_of(g[3 * units + k]) * std::tanh(c[k]);
      }
      h = next;
      for (extent_t k = 0; k < units; ++k)
        REQUIRE(std::get<2>(got)(t, k) == doctest::Approx(h[static_cast<std::size_t>(k)]).epsilon(1e-4));
    }
  }
  CHECK(contains(f.explain().text(), "is one kernel of"));
  CHECK(f.stats().kernels < steps.stats().kernels);
}

TEST_CASE("what is large stays steps with jumps, and says why") {
  const auto product = jit(
      [](tensor<f32, shape<64, 256>> x, tensor<f32, shape<256, 256>> w, whole turns) {
        return while_([&](auto i, auto) { return i < turns; },
                      [&](auto i, auto x) {
                        auto [j, s] = while_([&](auto j, auto) { return j < i; },
                                             [](auto j, auto s) { return std::tuple(j + 1, s * 0.5); },
                                             std::tuple(i * 0, cast<f64>(i)));
                        return std::tuple(i + 1, matmul(x, w) * cast<f32>(s));
                      },
                      std::tuple(turns * 0, x));
      },
      joined());
  const array<f32> x = array<f32>::uniform({64, 256}, 1), w = array<f32>::uniform({256, 256}, 2);
  (void)product(x, w, integer(2));
  const std::string said = product.explain().text();
  CHECK(contains(said, "is steps with jumps: "));
  CHECK(contains(said, " operations, more than "));
  // The loop inside is small.
  CHECK(contains(said, "is one kernel of 3 nests"));
}

TEST_CASE("arguments that change in place, in loops and branches") {
  const auto body = [](inout<whole>& counter, inout<tensor<f32, shape<4>>>& x, whole turns) {
    auto [i, c, y] = while_([&](auto i, auto, auto) { return i < turns; },
                            [](auto i, auto c, auto y) {
                              auto less = if_(equal(c % 2, 0), [&] { return y * 0.5F; }, [&] { return y + 1.0F; });
                              return std::tuple(i + 1, c + 1, less);
                            },
                            std::tuple(turns * 0, whole(counter), tensor<f32, shape<4>>(x)));
    counter = if_(turns > 2, [&] { return c * 10; }, [&] { return c; });
    x = y;
    return i;
  };
  const auto f = jit(body, joined());
  for (const std::int64_t turns : {0, 1, 2, 3, 5}) {
    array<i64> counter = integer(3);
    array<f32> x = array<f32>::uniform({4}, 4);
    std::vector<float> want(x.data(), x.data() + 4);
    std::int64_t c = 3;
    for (std::int64_t t = 0; t < turns; ++t, ++c)
      for (float& v : want) v = c % 2 == 0 ? v * 0.5F : v + 1.0F;
    CHECK(f(counter, x, integer(turns))() == turns);
    CHECK(counter() == (turns > 2 ? c * 10 : c));
    for (extent_t i = 0; i < 4; ++i) CHECK(x(i) == want[static_cast<std::size_t>(i)]);
  }
  CHECK_FALSE(contains(f.explain().text(), "steps with jumps"));
}

TEST_CASE("a branch that changes its part of a state copies none of it, alone, in a branch and in a loop") {
  using state = tensor<f32, shape<1000>>;
  const auto part = [](const auto& x, const auto& v, const auto& at) {
    return update_slice.with<{.axis = 0}>(x, v, at);
  };
  const auto body = [&](inout<state>& x, tensor<f32, shape<1>> v, whole at) {
    const state old = x;
    x = if_(
        at > 5, [&] { return part(old, v, at); },
        [&] {
          return if_(
              equal(at, 1), [&] { return part(old, v * 3.0F, at); }, [&] { return part(old, v - 1.0F, at * 2); });
        });
    return at + 1;
  };
  const auto f = jit(body, joined());
  const auto loop = jit(
      [&](state x, tensor<f32, shape<1>> v, whole turns) {
        return while_([&](auto i, auto) { return i < turns; },
                      [&](auto i, auto x) {
                        return std::tuple(
                            i + 1,
                            if_(equal(i % 2, 0), [&] { return part(x, v, i); }, [&] { return part(x, v * 2.0F, i); }));
                      },
                      std::tuple(turns * 0, x));
      },
      joined());
  const array<f32> v = array<f32>::full({1}, 0.5F), zeros = array<f32>::zeros({1000});
  for (const std::int64_t at : {9, 1, 3}) {
    array<f32> x = zeros;
    CHECK(f(x, v, integer(at))() == at + 1);
    for (extent_t i = 0; i < 1000; ++i)
      REQUIRE(x(i) == (at > 5 && i == at ? 0.5F : at == 1 && i == 1 ? 1.5F : at == 3 && i == 6 ? -0.5F : 0.0F));
  }
  for (const std::int64_t turns : {0, 1, 7}) {
    const auto x = std::get<1>(loop(zeros, v, integer(turns)));
    for (extent_t i = 0; i < 1000; ++i) REQUIRE(x(i) == (i >= turns ? 0.0F : i % 2 == 0 ? 0.5F : 1.0F));
  }
  const std::string said = f.explain().text(), of_loop = loop.explain().text();
  CHECK(contains(said, "if at "));
  CHECK(contains(said, " is one kernel of "));
  CHECK_FALSE(contains(said, ". copy: "));
  CHECK_FALSE(contains(said, "steps with jumps"));
  CHECK(count(of_loop, ". copy: ") == 2);  // the states' first values
  CHECK(contains(of_loop, "is one kernel of "));
}

TEST_CASE("a branch of large parts stays steps with jumps, a small one in it does not") {
  const auto body = [](tensor<f32, shape<64, 256>> x, tensor<f32, shape<256, 256>> w, whole k) {
    return if_(
        k > 1, [&] { return matmul(x, w); },
        [&] {
          auto by = if_(equal(k, 0), [&] { return sum(cast<f32>(k)) + 2.0F; }, [&] { return cast<f32>(k) * 0.5F; });
          return matmul(x, w * by);
        });
  };
  const auto f = jit(body, joined()), steps = jit(body, as_steps());
  const array<f32> x = array<f32>::uniform({64, 256}, 1), w = array<f32>::uniform({256, 256}, 2);
  for (const std::int64_t k : {0, 1, 2}) CHECK(same(f(x, w, integer(k)), steps(x, w, integer(k))));
  const std::string said = f.explain().text();
  CHECK(count(said, "if at ") == 2);
  CHECK(contains(said, "is one kernel of 2 nests"));
  CHECK(contains(said, "is steps with jumps: "));
}

TEST_CASE("an extent that grows is no obstacle: one compilation for all of its values") {
  using row = tensor<f32, shape<n>>;
  const auto body = [](row x, whole turns) {
    return while_([&](auto i, auto) { return i < turns; },
                  [](auto i, auto x) {
                    auto by = if_(sum(x) > 3, [&] { return sum(x) * 0.01F; }, [&] { return max(x); });
                    return std::tuple(i + 1, reverse(x, {0}) * 0.5F + by);
                  },
                  std::tuple(turns * 0, x));
  };
  compile_options bounded = joined();
  bounded.bounds = {{"n", 40}};
  const auto f = jit(body, bounded), each = jit(body, as_steps());
  std::int64_t compilations = 0;
  for (const extent_t length : {5, 1, 16, 17, 40, 2}) {
    CAPTURE(length);
    const array<f32> x = array<f32>::uniform({length}, 6);
    for (const std::int64_t turns : {0, 1, 4, 7}) {
      const auto got = f(x, integer(turns)), want = each(x, integer(turns));
      for (extent_t i = 0; i < length; ++i)
        REQUIRE(std::get<1>(got)(i) == doctest::Approx(std::get<1>(want)(i)).epsilon(1e-5));
    }
    if (compilations == 0) compilations = f.stats().compilations;
    CHECK(f.stats().compilations == compilations);
  }
  CHECK(contains(f.explain().text(), "while at "));
  CHECK_FALSE(contains(f.explain().text(), "steps with jumps"));
}

namespace {

// Bodies of random operators over states of several types and extents, loops and branches inside of each other.
using one = tensor<f32, shape<>>;
using five = tensor<f32, shape<5>>;
using line = tensor<f32, shape<n>>;
using many = std::tuple<whole, one, real_t, five, line, whole>;

struct random_body {
  std::mt19937_64& random;
  int depth = 0;

  unsigned choose(unsigned options) { return static_cast<unsigned>(random() % options); }
  one next(const one& a, const many& s) {
    switch (choose(5)) {
      case 0:
        return sum(std::get<3>(s)) * 0.1F + a * 0.5F;
      case 1:
        return cast<f32>(std::get<2>(s)) * 0.25F - a;
      case 2:
        return max(std::get<4>(s)) * 0.5F;
      case 3:
        return a;
      default:
        return tanh(a) + cast<f32>(std::get<0>(s) % 3);
    }
  }
  real_t next(const real_t& a, const many& s) {
    switch (choose(4)) {
      case 0:
        return a * 0.5 + cast<f64>(std::get<1>(s));
      case 1:
        return cast<f64>(std::get<5>(s) % 5) - a * 0.25;
      case 2:
        return cast<f64>(sum(std::get<4>(s))) * 0.01;
      default:
        return a;
    }
  }
  five next(const five& a, const many& s) {
    switch (choose(6)) {
      case 0:
        return softmax(a) + std::get<1>(s) * 0.1F;
      case 1:
        return reverse(a, {0}) * 0.5F;
      case 2:
        return update_slice.with<{.axis = 0}>(a, reshape(std::get<1>(s), {1}), std::get<0>(s) % 5);
      case 3:
        return update_slice.with<{.axis = 0}>(a, reshape(sum(a), {1}), std::get<5>(s) % 5) * 0.5F;
      case 4:
        return a;
      default:
        return a * 0.5F + cast<f32>(std::get<2>(s));
    }
  }
  line next(const line& a, const many& s) {
    switch (choose(5)) {
      case 0:
        return a * 0.5F + sum(std::get<3>(s)) * 0.01F;
      case 1:
        return reverse(a, {0}) - sum(a) * 0.001F;
      case 2:
        return softmax(a);
      case 3:
        return a;
      default:
        return a + std::get<1>(s) * 0.01F;
    }
  }
  whole next(const whole& a, const many& s) {
    switch (choose(4)) {
      case 0:
        return a + 1;
      case 1:
        return a * 3 + std::get<0>(s);
      case 2:
        return a;
      default:
        return std::get<0>(s) - a;
    }
  }
  /// The counter stays for the loop around.
  many changed(const many& s) {
    many r = s;
    const auto change = [&] {
      const many now = r;
      if (choose(2)) std::get<1>(r) = next(std::get<1>(now), now);
      if (choose(2)) std::get<2>(r) = next(std::get<2>(now), now);
      if (choose(2)) std::get<3>(r) = next(std::get<3>(now), now);
      if (choose(2)) std::get<4>(r) = next(std::get<4>(now), now);
      if (choose(2)) std::get<5>(r) = next(std::get<5>(now), now);
    };
    change();
    if (depth < 3 && choose(2)) {
      ++depth;
      const whole kept = std::get<0>(r);
      if (choose(2)) {
        std::get<0>(r) = kept * 0;
        r = while_([&](auto i, auto, auto, auto, auto, auto) { return i < kept % 3 + 1; },
                   [&](auto... x) {
                     many t = changed(many(x...));
                     std::get<0>(t) = std::get<0>(t) + 1;
                     return t;
                   },
                   r);
        std::get<0>(r) = kept;
      } else {
        const many t = r;
        r = if_(equal(std::get<5>(t) % 2, 0), [&] { return changed(t); }, [&] { return changed(t); });
      }
      --depth;
      change();
    }
    return r;
  }
};

}  // namespace

TEST_CASE("random bodies do what their steps do, bit for bit") {
  int all_joined = 0, parts = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    const auto made = [&](const compile_options& o) {
      return jit(
          [&](one a, real_t b, five c, line d, whole turns) {
            std::mt19937_64 random(seed);
            random_body body{random};
            return while_([&](auto i, auto, auto, auto, auto, auto) { return i < turns; },
                          [&](auto... x) {
                            many t = body.changed(many(x...));
                            std::get<0>(t) = std::get<0>(t) + 1;
                            return t;
                          },
                          many(turns * 0, a, b, c, d, turns + 1));
          },
          o);
    };
    const auto f = made(joined()), steps = made(as_steps());
    const array<f32> a = array<f32>::uniform({}, seed), c = array<f32>::uniform({5}, seed + 2);
    // Of long rows loops are steps, and what is in them and small is not.
    for (const extent_t length : {1, 20'000, 19})
      for (const std::int64_t turns : {0, 1, 2, 5}) {
        if (length > 100 && turns != 2) continue;
        const array<f32> d = array<f32>::uniform({length}, seed + 3);
        CHECK(same(f(a, real(0.7), c, d, integer(turns)), steps(a, real(0.7), c, d, integer(turns))));
        const std::string said = f.explain().text();
        if (length == 19) all_joined += !contains(said, "is steps with jumps");
        if (length > 100) parts += contains(said, "is steps with jumps") && contains(said, "is one kernel of");
      }
  }
  CHECK(all_joined == 4 * 40);
  CHECK(parts >= 4);
  MESSAGE(parts << " of 40 have both, of long rows");
}
