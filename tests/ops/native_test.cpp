// Native functions of each family against plain loops, over element types and strides.
#include <doctest/doctest.h>

#include <boost/hana/for_each.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/with_dtype.hpp"
#include "graph/native_call.hpp"
#include "loop/evaluate.hpp"
#include "loop/lower_context.hpp"
#include "ops/all.hpp"
#include "ops/number.hpp"

namespace {

using namespace tenon;
using ir::node_ref;

const loc here = std::source_location::current();
constexpr double inf = std::numeric_limits<double>::infinity();
const double nan_value = std::nan("");

/// A tensor of doubles, row-major.
struct values {
  dims shape;
  std::vector<double> v;
  values(dims d, std::vector<double> x) : shape(d), v(std::move(x)) {}
  explicit values(dims d) : shape(d), v(static_cast<std::size_t>(d.count())) {}
  double& operator()(std::initializer_list<extent_t> i) { return v[at(i)]; }
  double operator()(std::initializer_list<extent_t> i) const { return v[at(i)]; }

 private:
  std::size_t at(std::initializer_list<extent_t> i) const {
    extent_t p = 0;
    int d = 0;
    for (extent_t x : i) p = p * shape[d++] + x;
    return static_cast<std::size_t>(p);
  }
};
/// Small integers, so that every type holds sums of their products exactly.
values some(dims d, unsigned seed, int low = -4, int high = 4) {
  values r(d);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> number(low, high);
  for (double& x : r.v) x = number(random);
  return r;
}

template <class F>
void with_type(dtype d, F f) {
  detail::with_dtype(d, [&](auto t) { f(ir::native::stored_t<decltype(t)::value>{}); });
}
node_ref constant(dtype type, const values& x) {
  node_ref n;
  with_type(type, [&](auto zero) {
    std::vector<decltype(zero)> data;
    for (double v : x.v) data.push_back(ir::native::to_stored<decltype(zero)>(v));
    n = ir::make_constant(type, x.shape, data.data(), here);
  });
  return n;
}
values read(const ir::constant_value& c) {
  values r(c.extents());
  with_type(c.type(), [&](auto zero) {
    const auto* p = static_cast<const decltype(zero)*>(c.data());
    for (std::size_t i = 0; i < r.v.size(); ++i) r.v[i] = static_cast<double>(ir::native::from_stored(p[i]));
  });
  return r;
}
void check_same(const values& got, const values& wanted, double tolerance = 0);

/// Evaluates expressions whose loads read constants: the loop IR's meaning, element by element.
class interpreter {
 public:
  explicit interpreter(const ir::node& n) : node_(n) {}
  std::int64_t operator()(ir::expr_ref e) {
    switch (e->kind) {
      case ir::expr_kind::constant:
        return e->payload;
      case ir::expr_kind::variable:
        return variables[e->payload];
      case ir::expr_kind::load:
        return load(*e);
      case ir::expr_kind::reduce:
        return reduce(*e);
      case ir::expr_kind::apply:
        break;
      case ir::expr_kind::symbol:
        FAIL("no symbols here");
    }
    std::vector<std::int64_t> x;
    for (ir::expr_ref o : e->operands) x.push_back((*this)(o));
    return ir::evaluate(e->op, e->type, e->operands.back()->type, x);
  }
  std::map<std::int64_t, std::int64_t> variables;

 private:
  std::int64_t load(const ir::expr& e) {
    if (!(*this)(e.mask())) return 0;
    const ir::constant_value& c = ir::constant_of(*node_.operands[static_cast<std::size_t>(e.payload)]);
    extent_t at = 0;
    int d = 0;
    for (ir::expr_ref i : e.indices()) {
      const std::int64_t x = (*this)(i);
      REQUIRE(x >= 0);
      REQUIRE(x < c.extents()[d]);
      at = at * c.extents()[d++] + x;
    }
    const auto size = static_cast<std::size_t>(size_of(c.type()));
    std::int64_t bits = 0;
    std::memcpy(&bits, static_cast<const char*>(c.data()) + static_cast<std::size_t>(at) * size, size);
    return ir::canonical_bits(c.type(), bits);
  }
  std::int64_t reduce(const ir::expr& e) {
    const bool arg = ir::is_arg(e.reducer());
    const dtype t = e.body()->type;
    std::int64_t all = arg ? 0 : ir::identity(e.reducer(), t), at = -1;
    const auto loop = [&](auto self, int d) -> void {
      if (d == e.loops()) {
        const std::int64_t v = (*this)(e.body());
        const std::int64_t i = variables[e.loop_variable(0)->payload];
        if (!arg) {
          all = ir::combine(e.reducer(), t, all, v);
        } else if (at < 0 || ir::better(e.reducer(), t, v, i, all, at)) {
          all = v;
          at = i;
        }
        return;
      }
      const std::int64_t n = (*this)(e.loop_extent(d));
      for (std::int64_t i = 0; i < n; ++i) {
        variables[e.loop_variable(d)->payload] = i;
        self(self, d + 1);
      }
    };
    loop(loop, 0);
    return arg ? at : all;
  }
  const ir::node& node_;
};
/// The result by the operator's symbolic form.
values symbolic(const ir::node& n) {
  ir::expr_arena arena;
  const auto described = [&](const ir::value_type& t, std::int64_t buffer) {
    ir::lower_operand o;
    o.type = t.element;
    o.shape = t.shape;
    for (extent_t e : t.shape) o.extents.push_back(arena.index(e));
    o.read = [&arena, t, buffer](std::span<const ir::expr_ref> at, ir::expr_ref mask) {
      return arena.load(t.element, buffer, at, mask);
    };
    return o;
  };
  std::vector<ir::lower_operand> in;
  for (const node_ref& o : n.operands) in.push_back(described(o->type, static_cast<std::int64_t>(in.size())));
  ir::lower_context c(arena, in, {described(n.type, -1)}, n.op->main_operand, arena.boolean(true));
  std::vector<ir::expr_ref> index;
  for (int d = 0; d < n.type.shape.rank; ++d) index.push_back(arena.fresh_variable());
  const ir::expr_ref e = arena.cast(n.type.element, n.op->compute(c, n.attrs.get(), index));
  interpreter run(n);
  values r(n.type.shape);
  for (std::size_t p = 0; p < r.v.size(); ++p) {
    auto rest = static_cast<extent_t>(p);
    for (int d = n.type.shape.rank - 1; d >= 0; --d) {
      run.variables[index[static_cast<std::size_t>(d)]->payload] = rest % n.type.shape[d];
      rest /= n.type.shape[d];
    }
    r.v[p] = ir::value_of(n.type.element, run(e));
  }
  return r;
}

std::vector<ir::constant_value> evaluate(const node_ref& n) {
  if (n->op == &ir::constant_definition()) return {ir::constant_of(*n)};
  if (n->op == &ir::result_definition())
    return {evaluate(n->operands[0]).at(static_cast<std::size_t>(ir::projected_index(*n)))};
  if (n->op->kind == ir::op_kind::library) {
    const auto expanded = n->op->expand(n->attrs.get(), n->operands, n->where);
    REQUIRE(!expanded.empty());
    CHECK(expanded[0]->type == n->type);
    return evaluate(expanded[0]);
  }
  std::vector<node_ref> operands;
  for (const node_ref& o : n->operands) operands.push_back(ir::make_constant(evaluate(o).at(0), here));
  const node_ref flat = ir::make_node(*n->op, n->attrs, operands, here);
  REQUIRE(ir::has_native(*flat));
  std::vector<ir::constant_value> results = ir::evaluate_native(*flat);
  if (flat->op->compute) {
    CAPTURE(flat->op->name);
    const dtype t = flat->type.element;
    check_same(read(results[0]), symbolic(*flat),
               t == f64    ? 1e-13
               : t == f32  ? 1e-6
               : t == f16  ? 1e-3
               : t == bf16 ? 1e-2
                           : 0);
  }
  return results;
}
template <class Op>
node_ref call(const typename Op::attrs& at, std::vector<node_ref> operands) {
  const ir::op_def& op = detail::definition<Op>();
  return ir::make_node(op, op.attrs->copy(&at), std::move(operands), here);
}
template <class Op>
values run(dtype type, const typename Op::attrs& at, const std::vector<values>& in, int result = 0) {
  std::vector<node_ref> operands;
  for (std::size_t k = 0; k < in.size(); ++k)
    operands.push_back(constant(Op::operand_type(static_cast<int>(k), type), in[k]));
  return read(evaluate(call<Op>(at, operands)).at(static_cast<std::size_t>(result)));
}
void check_same(const values& got, const values& wanted, double tolerance) {
  REQUIRE(got.shape == wanted.shape);
  for (std::size_t i = 0; i < got.v.size(); ++i) {
    CAPTURE(i);
    if (std::isnan(wanted.v[i]))
      CHECK(std::isnan(got.v[i]));
    else if (std::isinf(wanted.v[i]) || tolerance == 0)
      CHECK(got.v[i] == wanted.v[i]);
    else
      CHECK(std::abs(got.v[i] - wanted.v[i]) <= tolerance * (1 + std::abs(wanted.v[i])));
  }
}
constexpr dtype numbers[] = {f64, f32, f16, bf16, i64, i32, u8};
double wrapped(dtype t, double v) {
  return t == u8 ? static_cast<double>(static_cast<std::uint8_t>(static_cast<int>(v))) : v;
}

TEST_CASE("maps: every element, broadcast from both sides") {
  const values a = some({3, 1, 5}, 1, 0, 9), b = some({4, 1}, 2, 0, 9);
  for (dtype t : numbers) {
    CAPTURE(name(t));
    values sum({3, 4, 5}), less({3, 4, 5});
    for (extent_t i = 0; i < 3; ++i)
      for (extent_t j = 0; j < 4; ++j)
        for (extent_t k = 0; k < 5; ++k) {
          sum({i, j, k}) = wrapped(t, a({i, 0, k}) - b({j, 0}));
          less({i, j, k}) = a({i, 0, k}) < b({j, 0});
        }
    check_same(run<ops::sub_op>(t, {}, {a, b}), sum);
    check_same(run<ops::less_op>(t, {}, {a, b}), less);
  }
  check_same(run<ops::exp_op>(f32, {}, {values({3}, {0, 1, -inf})}), values({3}, {1, std::exp(1.0), 0}), 1e-6);
  check_same(run<ops::add_op>(f32, {}, {values({0, 3}, {}), some({3}, 1)}), values({0, 3}, {}));
}

TEST_CASE("maps keep the meaning of integers and NaN") {
  check_same(run<ops::div_op>(i32, {}, {values({4}, {7, -7, 5, -2147483648.0}), values({4}, {2, 2, 0, -1})}),
             values({4}, {3, -3, 0, -2147483648.0}));
  check_same(run<ops::mod_op>(i32, {}, {values({4}, {7, -7, 7, 5}), values({4}, {3, 3, -3, 0})}),
             values({4}, {1, 2, -2, 0}));
  check_same(run<ops::mod_op>(f32, {}, {values({2}, {7, -7}), values({2}, {3, 3})}), values({2}, {1, -1}));
  check_same(run<ops::pow_op>(i32, {}, {values({3}, {3, -1, 2}), values({3}, {4, -3, -1})}), values({3}, {81, -1, 0}));
  check_same(run<ops::maximum_op>(f32, {}, {values({3}, {1, nan_value, 2}), values({3}, {nan_value, 1, 3})}),
             values({3}, {nan_value, nan_value, 3}));
  check_same(run<ops::relu_op>(f16, {}, {values({3}, {-1, nan_value, 2})}), values({3}, {0, nan_value, 2}));
  check_same(run<ops::round_op>(f32, {}, {values({4}, {0.5, 1.5, -0.5, 2.5})}), values({4}, {0, 2, 0, 2}));
  check_same(run<ops::cast_op>(f32, {u8}, {values({5}, {300, -3, 2.9, nan_value, inf})}),
             values({5}, {255, 0, 2, 0, 255}));
  check_same(run<ops::cast_op>(i32, {u8}, {values({2}, {300, -3})}), values({2}, {44, 253}));
  check_same(run<ops::shift_right_op>(i32, {}, {values({3}, {-8, -8, 8}), values({3}, {1, 40, 40})}),
             values({3}, {-4, -1, 0}));
  check_same(run<ops::select_op>(f32, {}, {values({2}, {1, 0}), values({2}, {5, nan_value}), values({}, {7})}),
             values({2}, {5, 7}));
  check_same(run<ops::clip_op>(i32, {.low = -1, .high = 2}, {values({3}, {-5, 0, 9})}), values({3}, {-1, 0, 2}));
  check_same(run<ops::gelu_op>(f64, {}, {values({2}, {1, -1})}),
             values({2}, {0.8413447460685429, -0.15865525393145707}), 1e-12);
}

TEST_CASE("reductions over inner, outer and middle axes") {
  const values x = some({3, 4, 5}, 3, 0, 3);
  for (dtype t : numbers) {
    CAPTURE(name(t));
    values inner({3, 4}), outer({4, 5}), middle({3, 1, 5}), all({});
    values largest({3, 4}), product({3, 4});
    for (double& v : largest.v) v = -1;
    for (double& v : product.v) v = 1;
    for (extent_t i = 0; i < 3; ++i)
      for (extent_t j = 0; j < 4; ++j)
        for (extent_t k = 0; k < 5; ++k) {
          const double v = x({i, j, k});
          inner({i, j}) += v;
          outer({j, k}) += v;
          middle({i, 0, k}) += v;
          all({}) += v;
          largest({i, j}) = std::max(largest({i, j}), v);
          product({i, j}) *= v;
        }
    check_same(run<ops::sum_op>(t, {.axes = {2}}, {x}), inner);
    check_same(run<ops::sum_op>(t, {.axes = {0}}, {x}), outer);
    check_same(run<ops::sum_op>(t, {.axes = {-2}, .keep = true}, {x}), middle);
    check_same(run<ops::sum_op>(t, {}, {x}), all);
    check_same(run<ops::max_op>(t, {.axes = {2}}, {x}), largest);
    check_same(run<ops::prod_op>(t, {.axes = {2}}, {x}), product);
  }
  check_same(run<ops::sum_op>(f32, {.axes = {1}}, {values({2, 0})}), values({2}, {0, 0}));
  check_same(run<ops::max_op>(f32, {.axes = {1}}, {values({1, 0})}), values({1}, {-inf}));
  check_same(run<ops::mean_op>(f32, {.axes = {1}}, {values({1, 0})}), values({1}, {nan_value}));
  check_same(run<ops::mean_op>(i32, {}, {values({2}, {-3, -2})}), values({}, {-2}));
  check_same(run<ops::max_op>(f32, {}, {values({3}, {1, nan_value, 3})}), values({}, {nan_value}));
  check_same(run<ops::max_op>(f32, {.axes = {0}}, {values({2, 2}, {1, nan_value, 3, 4})}), values({2}, {3, nan_value}));
  check_same(run<ops::all_op>(b8, {.axes = {0}}, {values({2, 2}, {1, 1, 0, 1})}), values({2}, {0, 1}));
  check_same(run<ops::any_op>(b8, {}, {values({2, 2}, {0, 0, 0, 1})}), values({}, {1}));
  check_same(run<ops::argmax_op>(f32, {}, {values({4}, {1, 5, 5, 2})}), values({}, {1}));
  check_same(run<ops::argmin_op>(f32, {}, {values({4}, {1, nan_value, 0, nan_value})}), values({}, {1}));
}

TEST_CASE("products: batches, vectors, deep sums, wide accumulators") {
  for (dtype t : {f64, f32, i64, i32, u8}) {
    CAPTURE(name(t));
    for (auto [m, k, n] : {std::array<extent_t, 3>{1, 1, 1}, {5, 7, 9}, {4, 300, 8}, {13, 0, 3}, {3, 520, 17}}) {
      const values a = some({2, m, k}, 4, 0, 3), b = some({k, n}, 5, 0, 3);
      values y({2, m, n});
      for (extent_t g = 0; g < 2; ++g)
        for (extent_t i = 0; i < m; ++i)
          for (extent_t j = 0; j < n; ++j)
            for (extent_t r = 0; r < k; ++r) y({g, i, j}) += a({g, i, r}) * b({r, j});
      check_same(run<ops::matmul_op>(t, {}, {a, b}), y);
      check_same(run<ops::einsum_op>(t, einsum_attrs("gik,kj->gij"), {a, b}), y);
    }
  }
  const values v = some({7}, 6), w = some({7}, 7);
  double dot = 0;
  for (std::size_t i = 0; i < 7; ++i) dot += v.v[i] * w.v[i];
  check_same(run<ops::matmul_op>(f16, {}, {v, w}), values({}, {dot}));
  check_same(run<ops::einsum_op>(f32, einsum_attrs("ii->i"), {values({2, 2}, {1, 2, 3, 4})}), values({2}, {1, 4}));
  check_same(run<ops::einsum_op>(f32, einsum_attrs("ij->"), {values({2, 2}, {1, 2, 3, 4})}), values({}, {10}));
}

TEST_CASE("convolutions: stride, dilation, padding, groups, in one to three axes") {
  struct setup {
    conv_attrs at;
    extent_t in, out;
  };
  for (dtype t : {f64, f32, bf16, i32, u8})
    for (const setup& s : {setup{{}, 3, 5},
                           {{.stride = {2, 1}, .padding = {1, 2}}, 2, 4},
                           {{.padding = {2, 0, 1, 1}, .dilation = {2, 3}}, 1, 3},
                           {{.groups = 3}, 6, 9},
                           {{.stride = {2, 2}, .padding = {1, 1}, .groups = 4}, 4, 4}}) {
      CAPTURE(name(t));
      const extent_t in_group = s.in / s.at.groups, out_group = s.out / s.at.groups;
      const values x = some({2, s.in, 9, 8}, 8, 0, 2), w = some({s.out, in_group, 3, 2}, 9, 0, 2);
      const values got = run<ops::conv2d_op>(t, s.at, {x, w});
      values y(got.shape);
      const auto at = [](const ints& l, int i, int otherwise) { return l.size ? l[i] : otherwise; };
      for (extent_t n = 0; n < 2; ++n)
        for (extent_t o = 0; o < s.out; ++o)
          for (extent_t i = 0; i < y.shape[2]; ++i)
            for (extent_t j = 0; j < y.shape[3]; ++j)
              for (extent_t c = 0; c < in_group; ++c)
                for (extent_t p = 0; p < 3; ++p)
                  for (extent_t q = 0; q < 2; ++q) {
                    const extent_t r = i * at(s.at.stride, 0, 1) + p * at(s.at.dilation, 0, 1) - at(s.at.padding, 0, 0);
                    const extent_t u = j * at(s.at.stride, 1, 1) + q * at(s.at.dilation, 1, 1) - at(s.at.padding, 1, 0);
                    if (r < 0 || r >= 9 || u < 0 || u >= 8) continue;
                    y({n, o, i, j}) += x({n, o / out_group * in_group + c, r, u}) * w({o, c, p, q});
                  }
      check_same(got, y);
    }
  check_same(
      run<ops::conv1d_op>(f32, {.stride = {2}}, {values({1, 1, 5}, {1, 2, 3, 4, 5}), values({1, 1, 2}, {1, 10})}),
      values({1, 1, 2}, {21, 43}));
  check_same(run<ops::conv3d_op>(f32, {}, {values({1, 1, 1, 1, 3}, {1, 2, 3}), values({1, 1, 1, 1, 1}, {2})}),
             values({1, 1, 1, 1, 3}, {2, 4, 6}));
  // The transpose scatters: each element adds its kernel.
  check_same(
      run<ops::conv_transpose1d_op>(f32, {.stride = {2}}, {values({1, 1, 2}, {1, 2}), values({1, 1, 3}, {1, 10, 100})}),
      values({1, 1, 5}, {1, 10, 102, 20, 200}));
  check_same(run<ops::conv_transpose1d_op>(f32, {.padding = {1}, .groups = 2},
                                           {values({1, 2, 2}, {1, 2, 3, 4}), values({2, 1, 2}, {1, 10, 5, 7})}),
             values({1, 2, 1}, {12, 41}));
}

TEST_CASE("windows") {
  const values x({1, 1, 5}, {1, 5, 2, nan_value, 3});
  check_same(run<ops::max_pool_op>(f32, {.window = {2}}, {x}), values({1, 1, 4}, {5, 5, nan_value, nan_value}));
  const values p({1, 5}, {-1, -5, -2, -4, -3});
  check_same(run<ops::max_pool_op>(i32, {.window = {3}, .stride = {2}, .padding = {1}}, {p}),
             values({1, 3}, {-1, -2, -3}));
  check_same(run<ops::avg_pool_op>(f32, {.window = {3}, .stride = {2}, .padding = {1}}, {p}),
             values({1, 3}, {-3, -11.0 / 3, -3.5}), 1e-6);
  check_same(run<ops::avg_pool_op>(f32, {.window = {3}, .stride = {2}, .padding = {1}, .count_include_pad = true}, {p}),
             values({1, 3}, {-2, -11.0 / 3, -7.0 / 3}), 1e-6);
  check_same(run<ops::avg_pool_op>(f32, {.window = {2}, .stride = {2}, .ceil_mode = true}, {p}),
             values({1, 3}, {-3, -3, -3}));
  check_same(run<ops::sum_pool_op>(i32, {.window = {2, 2}}, {values({2, 3}, {1, 2, 3, 4, 5, 6})}),
             values({1, 2}, {12, 16}));
  const values plane = some({1, 2, 6, 7}, 11);
  // The symbolic form is compared with it in `evaluate`.
  for (const pool_attrs& at :
       {pool_attrs{.window = {3, 2}, .stride = {2, 3}, .padding = {2, 1}, .ceil_mode = true},
        pool_attrs{.window = {2, 3}, .padding = {0, 2, 1, 0}, .count_include_pad = true},
        pool_attrs{.window = {2, 2}, .padding = {1, 1}, .dilation = {3, 2}},
        pool_attrs{
            .window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .count_include_pad = true, .ceil_mode = true}}) {
    CHECK(run<ops::max_pool_op>(i32, at, {plane}).v.size() > 0);
    CHECK(run<ops::sum_pool_op>(i32, at, {plane}).v.size() > 0);
    CHECK(run<ops::avg_pool_op>(f64, at, {plane}).v.size() > 0);
  }
  check_same(run<ops::global_avg_pool_op>(f32, {}, {values({1, 2, 2, 1}, {1, 3, 5, 9})}), values({1, 2, 1, 1}, {2, 7}));
}

TEST_CASE("movement") {
  const values x({2, 3}, {1, 2, 3, 4, 5, 6});
  for (dtype t : {f64, f32, f16, bf16, i64, i32, u8}) {
    CAPTURE(name(t));
    check_same(run<ops::transpose_op>(t, {}, {x}), values({3, 2}, {1, 4, 2, 5, 3, 6}));
    check_same(run<ops::reshape_op>(t, {{3, -1}}, {x}), values({3, 2}, {1, 2, 3, 4, 5, 6}));
    check_same(run<ops::broadcast_to_op>(t, {{2, 2, 3}}, {values({2, 1}, {1, 2})}),
               values({2, 2, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}));
    check_same(run<ops::pad_op>(t, {.before = {0, 1}, .after = {1, 0}, .value = 9}, {x}),
               values({3, 4}, {9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9}));
    check_same(run<ops::pad_op>(t, {.before = {0, 4}, .after = {0, 3}, .mode = pad_mode::reflect},
                                {values({1, 3}, {1, 2, 3})}),
               values({1, 10}, {1, 2, 3, 2, 1, 2, 3, 2, 1, 2}));
    check_same(run<ops::pad_op>(t, {.before = {2}, .after = {2}, .mode = pad_mode::edge}, {values({2}, {1, 2})}),
               values({6}, {1, 1, 1, 2, 2, 2}));
    check_same(run<ops::pad_op>(t, {.before = {3}, .after = {1}, .mode = pad_mode::wrap}, {values({2}, {1, 2})}),
               values({6}, {2, 1, 2, 1, 2, 1}));
    check_same(run<ops::slice_op>(t, {.start = {-1}, .stop = {slice_end}, .step = {-2}, .axes = {1}}, {x}),
               values({2, 2}, {3, 1, 6, 4}));
    check_same(run<ops::slice_op>(t, {.start = {1, -2}, .stop = {slice_end, -1}}, {x}), values({1, 1}, {5}));
    check_same(run<ops::concat_op>(t, {.axis = 1}, {x, values({2, 0}), values({2, 1}, {7, 8})}),
               values({2, 4}, {1, 2, 3, 7, 4, 5, 6, 8}));
    check_same(run<ops::reverse_op>(t, {{1}}, {x}), values({2, 3}, {3, 2, 1, 6, 5, 4}));
    check_same(run<ops::tile_op>(t, {{1, 2}}, {x}), values({2, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
    check_same(run<ops::repeat_op>(t, {.count = 2}, {x}), values({2, 6}, {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}));
    check_same(run<ops::roll_op>(t, {{1, -1}}, {x}), values({2, 3}, {5, 6, 4, 2, 3, 1}));
  }
  const values big = some({70, 33, 20}, 10, 0, 9);
  values turned({20, 33, 70});
  for (extent_t i = 0; i < 70; ++i)
    for (extent_t j = 0; j < 33; ++j)
      for (extent_t k = 0; k < 20; ++k) turned({k, j, i}) = big({i, j, k});
  check_same(run<ops::transpose_op>(f32, {{2, 1, 0}}, {big}), turned);
}

TEST_CASE("indexing, scans and order") {
  const values table({3, 2}, {1, 2, 3, 4, 5, 6});
  check_same(run<ops::gather_op>(f32, {}, {table, values({3}, {2, -3, 7})}), values({3, 2}, {5, 6, 1, 2, 0, 0}));
  check_same(run<ops::gather_op>(f16, {.axis = 1}, {table, values({1, 1}, {1})}), values({3, 1, 1}, {2, 4, 6}));
  check_same(run<ops::gather_elements_op>(i32, {}, {table, values({1, 2}, {2, -1})}), values({1, 2}, {5, 6}));
  check_same(run<ops::embedding_op>(bf16, {}, {values({2}, {1, 0}), table}), values({2, 2}, {3, 4, 1, 2}));
  check_same(run<ops::one_hot_op>(i64, {.depth = 3, .axis = 0}, {values({2}, {1, -1})}),
             values({3, 2}, {0, 0, 1, 0, 0, 1}));
  check_same(run<ops::iota_op>(f32, {.type = f32, .to = {2, 3}, .axis = 1}, {}), values({2, 3}, {0, 1, 2, 0, 1, 2}));
  check_same(run<ops::cumsum_op>(i32, {}, {values({2, 3}, {1, 2, 3, 4, 5, 6})}), values({2, 3}, {1, 3, 6, 4, 9, 15}));
  check_same(run<ops::cumsum_op>(f16, {.axis = 0, .exclusive = true, .reverse = true}, {values({3}, {1, 2, 3})}),
             values({3}, {5, 3, 0}));
  check_same(run<ops::cumprod_op>(f32, {}, {values({3}, {2, 3, 4})}), values({3}, {2, 6, 24}));
  const values x({2, 4}, {3, 7, 7, 1, nan_value, 2, inf, nan_value});
  check_same(run<ops::top_k_op>(f32, {.k = 3}, {x}), values({2, 3}, {7, 7, 3, nan_value, nan_value, inf}));
  check_same(run<ops::top_k_op>(f32, {.k = 3}, {x}, 1), values({2, 3}, {1, 2, 0, 0, 3, 2}));
  check_same(run<ops::top_k_op>(f32, {.k = 2, .largest = false}, {x}, 1), values({2, 2}, {3, 0, 1, 2}));
}

TEST_CASE("library operators are what they are written in") {
  const values x({2, 3}, {1, 2, 4, -1, 0, 1000});
  for (dtype t : {f64, f32}) {
    const double tolerance = t == f64 ? 1e-12 : 1e-5;
    values soft({2, 3}), normal({2, 3}), root({2, 3});
    for (extent_t i = 0; i < 2; ++i) {
      double sum = 0, mean = 0, variance = 0, square = 0;
      for (extent_t j = 0; j < 3; ++j) sum += std::exp(x({i, j}) - x({i, 2}));
      for (extent_t j = 0; j < 3; ++j) mean += x({i, j}) / 3, square += x({i, j}) * x({i, j}) / 3;
      for (extent_t j = 0; j < 3; ++j) variance += (x({i, j}) - mean) * (x({i, j}) - mean) / 3;
      for (extent_t j = 0; j < 3; ++j) {
        soft({i, j}) = std::exp(x({i, j}) - x({i, 2})) / sum;
        normal({i, j}) = (x({i, j}) - mean) / std::sqrt(variance + 1e-5) * 2 + 1;
        root({i, j}) = x({i, j}) / std::sqrt(square + 1e-5);
      }
    }
    check_same(run<ops::softmax_op>(t, {}, {x}), soft, tolerance);
    check_same(run<ops::layer_norm_op>(t, {}, {x, values({3}, {2, 2, 2}), values({3}, {1, 1, 1})}), normal, tolerance);
    check_same(run<ops::rms_norm_op>(t, {}, {x}), root, tolerance);
    values logs = soft;
    for (double& v : logs.v) v = std::log(v);
    check_same(run<ops::log_softmax_op>(t, {}, {values({1, 3}, {1, 2, 4})}),
               values({1, 3}, {logs.v[0], logs.v[1], logs.v[2]}), tolerance);
  }
  check_same(run<ops::logsumexp_op>(f32, {}, {values({2}, {-inf, -inf})}), values({}, {-inf}));
  check_same(run<ops::logsumexp_op>(f32, {}, {values({2}, {1000, 1000})}), values({}, {1000 + std::log(2.0)}), 1e-6);
  check_same(run<ops::l2_norm_op>(f16, {.axes = {0}}, {values({2}, {300, 400})}), values({}, {500}));
  check_same(run<ops::batch_norm_op>(f32, {.epsilon = 0},
                                     {values({1, 2, 2}, {1, 2, 3, 4}), values({2}, {1, 2}), values({2}, {0, 1}),
                                      values({2}, {1, 3}), values({2}, {4, 1})}),
             values({1, 2, 2}, {0, 0.5, 1, 3}), 1e-6);
  check_same(run<ops::group_norm_op>(
                 f32, {.groups = 2, .epsilon = 0},
                 {values({1, 4, 1}, {1, 3, 10, 30}), values({4}, {1, 1, 1, 2}), values({4}, {0, 0, 0, 5})}),
             values({1, 4, 1}, {-1, 1, -1, 7}), 1e-6);
  check_same(
      run<ops::instance_norm_op>(f32, {.epsilon = 0}, {values({1, 1, 2}, {1, 3}), values({1}, {1}), values({1}, {0})}),
      values({1, 1, 2}, {-1, 1}), 1e-6);
  check_same(run<ops::glu_op>(f32, {}, {values({1, 4}, {2, 4, 0, 0})}), values({1, 2}, {1, 2}));
}

TEST_CASE("operands with any strides") {
  // x[i, j] = data[offset + 4 i - j]: rows of four, read backwards.
  float data[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[6] = {};
  const dims shape{2, 3};
  const ir::native_operand x{data + 2, f32, shape, {4, -1}}, out{y, f32, shape, {3, 1}};
  const no_attrs none;
  const dtype one[] = {f32}, two[] = {f32, f32};
  const auto same = [&](std::initializer_list<float> wanted) { return std::equal(wanted.begin(), wanted.end(), y); };
  detail::definition<ops::neg_op>().native(&none, {one, 1})({&none, &x, 1, &out, 1});
  CHECK(same({-3, -2, -1, -7, -6, -5}));
  const ir::native_operand both[] = {x, x};
  detail::definition<ops::mul_op>().native(&none, {two, 2})({&none, both, 2, &out, 1});
  CHECK(same({9, 4, 1, 49, 36, 25}));
  const reduce_attrs rows{.axes = {1}};
  const ir::native_operand sums{y, f32, dims{2}, {1}};
  detail::definition<ops::sum_op>().native(&rows, {one, 1})({&rows, &x, 1, &sums, 1});
  CHECK(y[0] == 6);
  CHECK(y[1] == 18);
  const extents_attrs flat{{6}};
  const ir::native_operand line{y, f32, dims{6}, {1}};
  detail::definition<ops::reshape_op>().native(&flat, {one, 1})({&flat, &x, 1, &line, 1});
  CHECK(same({3, 2, 1, 7, 6, 5}));
  // The product of x and its transpose, given as a view of it.
  const ir::native_operand pair[] = {x, {data + 2, f32, dims{3, 2}, {-1, 4}}};
  const ir::native_operand square{y, f32, dims{2, 2}, {2, 1}};
  detail::definition<ops::matmul_op>().native(&none, {two, 2})({&none, pair, 2, &square, 1});
  CHECK(y[0] == 14);
  CHECK(y[1] == 38);
  CHECK(y[2] == 38);
  CHECK(y[3] == 110);
}

TEST_CASE("attributes print what differs, and read back") {
  boost::hana::for_each(ir::operator_types, [](auto type) {
    const ir::op_def* op = &detail::definition<typename decltype(type)::type>();
    CAPTURE(op->name);
    const ir::attrs_ref defaults = op->attrs->parse("");
    CHECK(op->attrs->equal(defaults.get(), op->attrs->copy(defaults.get()).get()));
    CHECK(op->attrs->print(defaults.get()).empty());
    CHECK(ir::find_operator(op->name) == op);
  });
  CHECK(ir::find_operator("no_such") == nullptr);
  const auto round_trip = [](std::string_view op, std::string_view text) {
    const ir::attrs_def& a = *ir::find_operator(op)->attrs;
    const ir::attrs_ref parsed = a.parse(text), again = a.parse(a.print(parsed.get()));
    CHECK(a.equal(parsed.get(), again.get()));
    CHECK(a.hash(parsed.get()) == a.hash(again.get()));
    CHECK(!a.equal(parsed.get(), a.parse("").get()));
    return a.print(parsed.get());
  };
  CHECK(round_trip("conv2d", "{.stride = {2,2}, .groups = 3}") == "{.stride = {2,2}, .groups = 3}");
  CHECK(round_trip("conv2d", "{ .groups=3 , .padding={} }") == "{.groups = 3}");
  CHECK(round_trip("reshape", "{.to = [n,-1,7]}") == "{.to = [n,-1,7]}");  // -1 as users write it
  CHECK(round_trip("reshape", "{.to = [n,dyn,7]}") == "{.to = [n,-1,7]}");
  CHECK(round_trip("pad", "{.before = {1}, .mode = wrap, .value = -0.1}") ==
        "{.before = {1}, .mode = wrap, .value = -0.1}");
  CHECK(round_trip("einsum", "{.spec = \"ij->ji\"}") == "{.spec = \"ij->ji\"}");
  CHECK(round_trip("cast", "{.to = bf16}") == "{.to = bf16}");
  CHECK(round_trip("clip", "{.low = 0, .high = 6}") == "{.low = 0, .high = 6}");
  CHECK(round_trip("input", "{.name = \"a \\\"b\\\"\", .type = f32, .extents = [2]}") ==
        "{.name = \"a \\\"b\\\"\", .type = f32, .extents = [2]}");
  CHECK(round_trip("constant", "{.value = f32[2] {1.5,nan:7fc00001}}") == "{.value = f32[2] {1.5,nan:7fc00001}}");
  CHECK(round_trip("constant", "{.value = b8[] {true}}") == "{.value = b8[] {true}}");
  const auto refused = [](std::string_view op, std::string_view text) {
    try {
      ir::find_operator(op)->attrs->parse(text);
    } catch (const parse_error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refused("conv2d", "{.strides = {1}}") ==
        "attributes: no field 'strides' in {.strides = {1}}; known are stride, padding, dilation, groups");
  CHECK(refused("conv2d", "{.stride = {1}") == "attributes: expected ',' at column 15 of {.stride = {1}");
  CHECK(refused("conv2d", "{.groups = x}") == "attributes: expected an integer at column 11 of {.groups = x}");
  CHECK(refused("add", "{.axis = 1}") == "attributes: 'axis' in {.axis = 1}; there are none here");
  CHECK(refused("constant", "{.value = u8[2] {1,256}}") ==
        "attributes: expected an element of type u8 at column 20 of {.value = u8[2] {1,256}}");
}

TEST_CASE("numbers as operands") {
  CHECK(read(ir::constant_of(*ir::make_scalar(i32, 7, here))).v[0] == 7);
  CHECK(read(ir::constant_of(*ir::make_scalar(u8, -1, here))).v[0] == 255);
  CHECK(read(ir::constant_of(*ir::make_scalar(f16, 0.5, here))).v[0] == 0.5);
  CHECK(read(ir::constant_of(*ir::make_scalar(i32, 2.0, here))).v[0] == 2);
  CHECK_THROWS_AS(ir::make_scalar(i32, 0.5, here), type_error);
  CHECK_THROWS_AS(ir::make_scalar(any_dtype, 1, here), type_error);
}

}  // namespace
