// Random numbers from counters: element i of a result depends on the seed and on i alone, so that every target, any
// number of threads and any order give the same bits. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/relabel.hpp"

namespace tenon {

/// Of `random_uniform`: the extents, the element type, the least value and the bound.
struct random_uniform_attrs {
  dims to{};
  dtype type = f32;
  double low = 0, high = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
    v("type", s.type);
    v("low", s.low);
    v("high", s.high);
  }
  friend constexpr bool operator==(const random_uniform_attrs&, const random_uniform_attrs&) = default;
};
/// Of `random_normal`: the extents, the element type, mean and standard deviation.
struct random_normal_attrs {
  dims to{};
  dtype type = f32;
  double mean = 0, deviation = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
    v("type", s.type);
    v("mean", s.mean);
    v("deviation", s.deviation);
  }
  friend constexpr bool operator==(const random_normal_attrs&, const random_normal_attrs&) = default;
};
/// Of `bernoulli`: the element type of the result.
struct bernoulli_attrs {
  dtype type = b8;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("type", s.type);
  }
  friend constexpr bool operator==(const bernoulli_attrs&, const bernoulli_attrs&) = default;
};

namespace ops {

/// Operators of a seed, which is a u64 of rank 0.
struct random_op {
  static constexpr int operands = 1, max_operands = 1, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = at.to;
    if (at.to.any())
      o.refuse() << "the extents have no rank";
    else if (!s[0].any() && s[0].rank != 0)
      o.refuse() << "a seed of rank " << s[0].rank;
    for (int i = 0; i < at.to.rank && o.ok; ++i)
      if (at.to[i] < 0 && !detail::is_named(at.to[i])) o.refuse() << "extent " << at.to[i] << " < 0";
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome made_of_seed(dtypes t, int seed, dtype made) {
    type_outcome o;
    o.out = made;
    if (t[seed] != u64 && t[seed] != any_dtype) o.refuse() << "a seed of " << tenon::name(t[seed]) << ", not u64";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

/// 64 bits for each element: the first two words of Philox4x32-10 with the element's row-major position as counter and
/// the seed as key. (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3. 2011.)
struct random_bits_op : random_op {
  using attrs = extents_attrs;
  static constexpr const char* name = "random_bits";
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr type_outcome types(const auto&, dtypes t) { return made_of_seed(t, 0, u64); }
};
/// Of floats: multiples of 2^-24 (f64: 2^-53) in [0, 1), times high - low, plus low. ONNX RandomUniform.
struct random_uniform_op : random_op {
  using attrs = random_uniform_attrs;
  static constexpr const char* name = "random_uniform";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o = made_of_seed(t, 0, at.type);
    if (o.ok && !in_domain(domain::floats, at.type)) o.refuse() << tenon::name(at.type) << " is not a float";
    return o;
  }
};
/// Normally distributed floats, by the method of Box and Muller in f64, in additions, products, quotients and roots
/// alone, which every target rounds alike. Their tails end at 6.6 deviations. ONNX RandomNormal.
struct random_normal_op : random_uniform_op {
  using attrs = random_normal_attrs;
  static constexpr const char* name = "random_normal";
};
/// Operands p and seed: 1 with the probability that p's element says, else 0. ONNX Bernoulli.
struct bernoulli_op {
  using attrs = bernoulli_attrs;
  static constexpr const char* name = "bernoulli";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? u64 : main; }
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[1].any() && s[1].rank != 0) o.refuse() << "a seed of rank " << s[1].rank;
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o = random_op::made_of_seed(t, 1, at.type);
    if (o.ok && !in_domain(domain::floats, t[0])) o.refuse() << tenon::name(t[0]) << " is not a float";
    if (o.ok && at.type == any_dtype) o.refuse() << "the element type is not stated";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

}  // namespace ops

/// random_bits(seed, {.to = {4, 8}}): u64.
inline constexpr detail::attr_fn<ops::random_bits_op> random_bits{};
/// random_uniform(seed, {.to = {4, 8}, .low = -1}); the seed is a u64 of rank 0, an operand like any other.
inline constexpr detail::attr_fn<ops::random_uniform_op> random_uniform{};
inline constexpr detail::attr_fn<ops::random_normal_op> random_normal{};
/// bernoulli(p, seed).
inline constexpr detail::attr_fn<ops::bernoulli_op> bernoulli{};

}  // namespace tenon
