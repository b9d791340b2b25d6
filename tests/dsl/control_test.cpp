// if_, while_ and scan: what they compute, against plain loops, on both targets; their text; their errors.
#include "ops/control.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "error_of.hpp"
#include "graph/passes.hpp"
#include "targets.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;

namespace {

using test::contains;
using test::error_of;

struct pair_state {
  tensor<f32, shape<dyn>> x;
  tensor<i32, shape<>> n;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("x", s.x);
    v("n", s.n);
  }
};

}  // namespace

TEST_CASE("while_ runs until its condition fails, for no turn, odd and even numbers of turns") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = jit(
        [](tensor<f32, shape<dyn>> x, tensor<i64, shape<>> n) {
          return while_([&](auto i, auto) { return i < n; },
                        [](auto i, auto y) { return std::tuple(i + 1, y * 2 + cast<f32>(i)); }, std::tuple(n * 0, x));
        },
        {.target = target});
    for (const std::int64_t n : {0, 1, 2, 3, 10})
      for (const extent_t size : {1, 5, 37}) {
        const array<f32> x = array<f32>::uniform({size}, 7);
        const array<i64> turns({}, &n);
        const auto [i, y] = f(x, turns);
        CHECK(i() == n);
        for (extent_t k = 0; k < size; ++k) {
          float want = x(k);
          for (std::int64_t t = 0; t < n; ++t) want = want * 2 + static_cast<float>(t);
          CHECK(y(k) == want);
        }
      }
  }
}

TEST_CASE("a while_ whose end depends on the data: Newton's iteration to a tolerance") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto root = jit(
        [](tensor<f64, shape<dim("n")>> a) {
          return while_([&](auto x) { return max(abs(x * x - a) / a) > 1e-12; },
                        [&](auto x) { return (x + a / x) / 2; }, a);
        },
        {.target = target});
    std::vector<double> a = {1, 2, 3.5, 1e6, 1e-3, 49};
    const array<f64> r = root(a);
    std::vector<double> x = a;
    const auto goes_on = [&] {
      for (std::size_t i = 0; i < a.size(); ++i)
        if (std::abs(x[i] * x[i] - a[i]) / a[i] > 1e-12) return true;
      return false;
    };
    while (goes_on())
      for (std::size_t i = 0; i < a.size(); ++i) x[i] = (x[i] + a[i] / x[i]) / 2;
    for (std::size_t i = 0; i < a.size(); ++i)
      CHECK(r(static_cast<extent_t>(i)) == doctest::Approx(x[i]).epsilon(1e-14));
  }
}

TEST_CASE("states may be exchanged, left alone, and be a struct") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = jit(
        [](tensor<f32, shape<4>> a, tensor<f32, shape<4>> b, tensor<f32, shape<dyn>> c, tensor<i32, shape<>> n) {
          auto [x, y, same, left] =
              while_([](auto, auto, auto, auto left) { return left > 0; },
                     [](auto x, auto y, auto same, auto left) { return std::tuple(y, x, same, left - 1); },
                     std::tuple(a, b, a + b, n));
          auto s = while_([](const pair_state& s) { return s.n > 0; },
                          [](const pair_state& s) { return pair_state{s.x + 1, s.n - 1}; }, pair_state{c, n});
          return std::tuple(x, y, same, left, s.x, s.n);
        },
        {.target = target});
    const array<f32> a({4}, std::vector<float>{1, 2, 3, 4}.data()), b({4}, std::vector<float>{5, 6, 7, 8}.data()),
        c({2}, std::vector<float>{10, 20}.data());
    for (const std::int32_t n : {0, 1, 4, 5}) {
      const auto [x, y, same, left, cx, cn] = f(a, b, c, array<i32>({}, &n));
      CHECK(x(1) == (n % 2 ? 6 : 2));
      CHECK(y(1) == (n % 2 ? 2 : 6));
      CHECK(same(3) == 12);
      CHECK(left() == 0);
      CHECK(cx(1) == 20 + static_cast<float>(n));
      CHECK(cn() == 0);
    }
  }
}

TEST_CASE("if_ runs one branch, with a state and without; loops nest") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = jit(
        [](tensor<f32, shape<dyn>> x, tensor<i64, shape<>> n) {
          auto y = if_(n > 2, [&] { return exp(x) + 1; }, [&] { return x; });
          auto z = if_(n > 3, [](auto v) { return v * 3; }, [](auto v) { return v - 3; }, y);
          auto [i, total] = while_([&](auto i, auto) { return i < n; },
                                   [&](auto i, auto t) {
                                     auto [j, inner] = while_([&](auto j, auto) { return j < i; },
                                                              [&](auto j, auto u) { return std::tuple(j + 1, u + z); },
                                                              std::tuple(i * 0, t));
                                     return std::tuple(i + 1, inner);
                                   },
                                   std::tuple(n * 0, x * 0));
          return std::tuple(z, total);
        },
        {.target = target});
    const array<f32> x = array<f32>::uniform({9}, 3);
    for (const std::int64_t n : {0, 3, 4, 5}) {
      const auto [z, total] = f(x, array<i64>({}, &n));
      for (extent_t k = 0; k < 9; ++k) {
        float want = n > 2 ? std::exp(x(k)) + 1 : x(k);
        want = n > 3 ? want * 3 : want - 3;
        CHECK(z(k) == doctest::Approx(want));
        CHECK(total(k) == doctest::Approx(want * static_cast<float>(n * (n - 1) / 2)));
      }
    }
  }
}

TEST_CASE("scan carries its state and collects, forwards and backwards, for no step and many") {
  for (const char* target : test::targets)
    for (const bool reverse : {false, true}) {
      CAPTURE(std::string(target));
      const auto f = jit(
          [=](tensor<f32, shape<dim("t"), 3>> xs, tensor<f32, shape<dim("t")>> scale, tensor<f32, shape<3>> s0) {
            auto [s, ys] = scan(
                [](auto s, auto x) {
                  auto [row, by] = x;
                  auto next = s * by + row;
                  return std::pair(next, std::tuple(next * 2, sum(next)));
                },
                s0, std::tuple(xs, scale), {.reverse = reverse});
            auto [doubled, sums] = ys;
            return std::tuple(s, doubled, sums);
          },
          {.target = target});
      for (const extent_t t : {0, 1, 2, 17}) {
        const array<f32> xs = array<f32>::uniform({t, 3}, 1), scale = array<f32>::uniform({t}, 2),
                         s0 = array<f32>::uniform({3}, 3);
        const auto [s, doubled, sums] = f(xs, scale, s0);
        float state[3] = {s0(0), s0(1), s0(2)};
        for (extent_t k = 0; k < t; ++k) {
          const extent_t at = reverse ? t - 1 - k : k;
          float all = 0;
          for (int d = 0; d < 3; ++d) {
            state[d] = state[d] * scale(at) + xs(at, d);
            CHECK(doubled(at, d) == doctest::Approx(2 * state[d]));
            all += state[d];
          }
          CHECK(sums(at) == doctest::Approx(all));
        }
        for (int d = 0; d < 3; ++d) CHECK(s(d) == doctest::Approx(state[d]));
        CHECK(doubled.dims() == dims{t, 3});
      }
    }
}

TEST_CASE("control flow prints, reads back equal, and goes through every pass") {
  const auto f = jit([](tensor<f32, shape<dim("n"), 4>> x, tensor<i64, shape<>> n) {
    auto [i, y] = while_([&](auto i, auto) { return i < n; },
                         [&](auto i, auto y) { return std::tuple(i + 1, softmax(y) + x); }, std::tuple(n * 0, x));
    auto z = if_(n > 3, [&] { return relu(y); }, [&] { return y - 1; });
    auto [s, all] = scan([](auto s, auto row) { return std::pair(s + row, s); }, sum(z, {.axes = {0}}), z);
    return std::tuple(z, all);
  });
  const ir::graph g = f.graph();
  const std::string text = to_string(g);
  CHECK(contains(text, "while{.states = 2}("));
  CHECK(contains(text, "scan{.states = 1, .scanned = 1}("));
  const ir::graph again = parse_graph(text);
  CHECK(to_string(again) == text);
  CHECK(equal(g, again));
  CHECK(g.outputs[0]->hash ==
        ir::rewrite(g, [](ir::node_table&, const detail::node_ref&) { return detail::node_ref(); }).outputs[0]->hash);
  for (const ir::node* n : ir::post_order(ir::expand_library(g).outputs))
    for (const ir::graph& body : ir::bodies_of(*n)) CHECK(to_string(body).find("relu6") == std::string::npos);
  // A pass sees the bodies: softmax is a library operator.
  const ir::graph expanded = ir::in_bodies(g, [](const ir::graph& body) { return ir::expand_library(body); });
  CHECK(contains(text, "= softmax("));
  CHECK_FALSE(contains(to_string(expanded), "= softmax("));
  ir::verify(expanded);
}

TEST_CASE("text with damaged control flow is refused with the place") {
  const auto error = [](std::string_view text) { return error_of([&] { parse_graph(text); }); };
  const std::string good =
      "graph(%n: i64[], %x: f32[4]) {\n"
      "  %0 = while{.states = 2}(%n, %x) {\n"
      "    graph(%a: i64[], %b: f32[4]) {\n"
      "      %0 = constant{.value = i64[] {0}}()\n"
      "      return %0\n"
      "    }\n"
      "  } : i64[], f32[4]\n"
      "  return %0\n"
      "}\n";
  CHECK(error(good) != "no error");
  const std::string loop =
      "graph(%n: i64[], %x: f32[4]) {\n  %0 = while{.states = 3}(%n, %x) {\n  } : i64[]\n  return %0\n}";
  CHECK(contains(error(loop), "while: 3 states and 0 scanned values of 2 operands"));
  const std::string bodies =
      "graph(%n: i64[], %x: f32[4]) {\n  %0 = while{.states = 2}(%n, %x) {\n  } : i64[]\n  return %0\n}";
  CHECK(contains(error(bodies), "while: it has 0 bodies, not 2"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "graph(%n: b8[]) {\n %0 = if(%n) {\n";
  CHECK(contains(error(deep), "bodies at most 64 deep"));
}

TEST_CASE("a body that changes its state is refused when the graph is made, or at the call, with both shapes") {
  CHECK(contains(error_of([] {
                   (void)jit([](tensor<f32, any_shape> x) {
                     return while_([](auto x) { return sum(x) > 0; }, [](auto x) { return concat(x, x); },
                                   tensor<f32, any_shape>(as<shape<4>>(x)));
                   });
                 }),
                 "while: state 1 is f32[4], its body makes f32[8]; at "));
  const auto grows = jit([](tensor<f32, shape<dyn>> x) {
    return while_([](auto x) { return sum(x) < 100; }, [](auto x) { return concat(x, x); }, x);
  });
  CHECK(contains(error_of([&] { grows(array<f32>::uniform({3}, 1)); }),
                 "while: state 1 is f32[3], its body makes f32[6]; at "));
  const auto branches = jit([](tensor<f32, shape<dyn>> x, tensor<f32, shape<dyn>> y, tensor<b8, shape<>> c) {
    return if_(c, [&] { return x + 1; }, [&] { return y; });
  });
  CHECK(contains(
      error_of([&] { branches(array<f32>::uniform({3}, 1), array<f32>::uniform({4}, 1), array<b8>::zeros({})); }),
      "if: result 1 is f32[3], in the other branch f32[4]; at "));
  const auto steps = jit([](tensor<f32, shape<dyn>> x, tensor<f32, shape<dyn>> y) {
    return scan([](auto s, auto v) { return s + std::get<0>(v) * std::get<1>(v); }, sum(x) * 0, std::tuple(x, y));
  });
  CHECK(contains(error_of([&] { steps(array<f32>::uniform({3}, 1), array<f32>::uniform({4}, 1)); }),
                 "scan: extents 3 != 4 of the first axes of operands 2 and 3; at "));
  CHECK(contains(error_of([] {
                   tensor<f32, shape<3>> nothing;
                   (void)while_([](auto x) { return sum(x) > 0; }, [](auto x) { return x; }, nothing);
                 }),
                 "empty tensor handle"));
}

namespace {

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

// x [rows, n] by w [n, gates * units], gate g of unit u.
struct gates {
  extent_t units;
  const array<f32>&w, &u, &b;
  double operator()(const float* x, extent_t n, const double* h, extent_t gate, extent_t unit, double by = 1) const {
    const extent_t column = gate * units + unit, all = b.size();
    double sum = b(column), recurrent = 0;
    for (extent_t i = 0; i < n; ++i) sum += x[i] * double{w.data()[i * all + column]};
    for (extent_t i = 0; i < units; ++i) recurrent += h[i] * double{u.data()[i * all + column]};
    return sum + by * recurrent;
  }
};

struct lstm_state {
  tensor<f32, shape<dim("batch"), 8>> h, c;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("h", s.h);
    v("c", s.c);
  }
};

}  // namespace

TEST_CASE("an LSTM and a GRU cell under scan agree with plain loops") {
  constexpr extent_t in = 5, units = 8, batch = 3;
  const auto lstm = jit([](tensor<f32, shape<dim("t"), dim("batch"), 5>> xs, tensor<f32, shape<dim("batch"), 8>> h0,
                           tensor<f32, shape<dim("batch"), 8>> c0, tensor<f32, shape<5, 32>> w,
                           tensor<f32, shape<8, 32>> u, tensor<f32, shape<32>> b) {
    auto [last, all] = scan(
        [&](const lstm_state& s, auto x) {
          auto g = matmul(x, w) + matmul(s.h, u) + b;
          auto gate = [&](int k) { return slice(g, {.start = {8 * k}, .stop = {8 * k + 8}, .step = {}, .axes = {1}}); };
          tensor<f32, shape<dim("batch"), 8>> c =
              as<shape<dim("batch"), 8>>(sigmoid(gate(1)) * s.c + sigmoid(gate(0)) * tanh(gate(2)));
          tensor<f32, shape<dim("batch"), 8>> h = as<shape<dim("batch"), 8>>(sigmoid(gate(3)) * tanh(c));
          return std::pair(lstm_state{h, c}, h);
        },
        lstm_state{h0, c0}, xs);
    return std::tuple(last.h, last.c, all);
  });
  const auto gru = jit([](tensor<f32, shape<dim("t"), dim("batch"), 5>> xs, tensor<f32, shape<dim("batch"), 8>> h0,
                          tensor<f32, shape<5, 24>> w, tensor<f32, shape<8, 24>> u, tensor<f32, shape<24>> b) {
    auto [last, all] = scan(
        [&](auto h, auto x) {
          auto part = [](auto v, int k) {
            return slice(v, {.start = {8 * k}, .stop = {8 * k + 8}, .step = {}, .axes = {1}});
          };
          auto given = matmul(x, w) + b, before = matmul(h, u);
          auto z = sigmoid(part(given, 0) + part(before, 0)), r = sigmoid(part(given, 1) + part(before, 1));
          auto next = as<shape<dim("batch"), 8>>((1 - z) * tanh(part(given, 2) + r * part(before, 2)) + z * h);
          return std::pair(next, next);
        },
        h0, xs);
    return std::tuple(last, all);
  });
  const array<f32> h0 = array<f32>::uniform({batch, units}, 1), c0 = array<f32>::uniform({batch, units}, 2),
                   w = array<f32>::uniform({in, 4 * units}, 3), u = array<f32>::uniform({units, 4 * units}, 4),
                   b = array<f32>::uniform({4 * units}, 5), w3 = array<f32>::uniform({in, 3 * units}, 6),
                   u3 = array<f32>::uniform({units, 3 * units}, 7), b3 = array<f32>::uniform({3 * units}, 8);
  for (const extent_t steps : {1, 2, 7}) {
    const array<f32> xs = array<f32>::uniform({steps, batch, in}, 9);
    const auto [h, c, hs] = lstm(xs, h0, c0, w, u, b);
    const auto [g, gs] = gru(xs, h0, w3, u3, b3);
    const gates of_lstm{units, w, u, b}, of_gru{units, w3, u3, b3};
    for (extent_t row = 0; row < batch; ++row) {
      std::vector<double> hr(units), cr(units), gr(units);
      for (extent_t k = 0; k < units; ++k) {
        hr[k] = gr[k] = h0(row, k);
        cr[k] = c0(row, k);
      }
      for (extent_t t = 0; t < steps; ++t) {
        const float* x = xs.data() + (t * batch + row) * in;
        std::vector<double> next_h(units), next_g(units);
        for (extent_t k = 0; k < units; ++k) {
          const auto gate = [&](extent_t i) { return of_lstm(x, in, hr.data(), i, k); };
          cr[k] = sigmoid_of(gate(1)) * cr[k] + sigmoid_of(gate(0)) * std::tanh(gate(2));
          next_h[k] = sigmoid_of(gate(3)) * std::tanh(cr[k]);
          const double z = sigmoid_of(of_gru(x, in, gr.data(), 0, k)), r = sigmoid_of(of_gru(x, in, gr.data(), 1, k));
          next_g[k] = (1 - z) * std::tanh(of_gru(x, in, gr.data(), 2, k, r)) + z * gr[k];
        }
        hr = next_h;
        gr = next_g;
        for (extent_t k = 0; k < units; ++k) {
          CHECK(hs(t, row, k) == doctest::Approx(hr[k]).epsilon(1e-5));
          CHECK(gs(t, row, k) == doctest::Approx(gr[k]).epsilon(1e-5));
        }
      }
      for (extent_t k = 0; k < units; ++k) {
        CHECK(h(row, k) == doctest::Approx(hr[k]).epsilon(1e-5));
        CHECK(c(row, k) == doctest::Approx(cr[k]).epsilon(1e-5));
        CHECK(g(row, k) == doctest::Approx(gr[k]).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("loops beside slices and concats that lie in others' buffers") {
  for (const char* target : test::targets) {
    CAPTURE(target);
    // The loop's result is the middle of a concat; its body reads slices of the state, and joins what it makes of them.
    auto f = jit(
        [](tensor<f32, shape<8>> x, tensor<f32, shape<4>> y) {
          const auto doubled = while_([](auto s) { return max(s) < 100.0f; },
                                      [](auto s) {
                                        const auto low = slice.with<{.start = {0}, .stop = {4}}>(s);
                                        const auto high = slice.with<{.start = {4}, .stop = {8}}>(s);
                                        return concat(high + high, low + low);
                                      },
                                      x);
          return concat(exp(y), doubled, abs(y));
        },
        {.target = target, .cache = false});
    const array<f32> x = array<f32>::uniform({8}, 3), y = array<f32>::uniform({4}, 4);
    std::vector<float> s(x.data(), x.data() + 8);
    while (*std::max_element(s.begin(), s.end()) < 100) {
      std::rotate(s.begin(), s.begin() + 4, s.end());
      for (float& v : s) v += v;
    }
    const array<f32> r = f(x, y);
    REQUIRE(r.size() == 16);
    for (int i = 0; i < 4; ++i) {
      CHECK(r(i) == doctest::Approx(std::exp(y(i))));
      CHECK(r(12 + i) == std::abs(y(i)));
    }
    for (int i = 0; i < 8; ++i) CHECK(r(4 + i) == s[static_cast<std::size_t>(i)]);
  }
}
