// The class of f32 values on which the functions of this directory build expressions.
#pragma once
#include <bit>
#include <cstdint>

#include "loop/evaluate.hpp"
#include "loop/expr.hpp"

namespace tenon::math {

/// An expression with its arena, or a constant that has not met one yet: `constant(1.0f)` knows no arena, and takes
/// that of the first expression it is combined with.
class symbolic {
 public:
  symbolic(ir::expr_arena& a, ir::expr_ref e) : arena_(&a), e_(e), type_(e->type) {}
  symbolic(dtype t, std::int64_t bits) : bits_(bits), type_(t) {}
  ir::expr_ref in(ir::expr_arena& a) const { return e_ ? e_ : a.constant_bits(type_, bits_); }
  dtype type() const { return type_; }

  template <class... X>
  static symbolic apply(ir::prim p, dtype type, const X&... x) {
    ir::expr_arena* arena = nullptr;
    ((arena = arena ? arena : x.arena_), ...);
    if (arena) return {*arena, make(*arena, p, type, x.in(*arena)...)};
    const std::int64_t bits[] = {x.bits_...};
    const dtype types[] = {x.type_...};
    return {type, ir::evaluate(p, type, types[sizeof...(X) - 1], bits)};
  }

 private:
  template <class... E>
  static ir::expr_ref make(ir::expr_arena& a, ir::prim p, dtype type, E... e) {
    if constexpr (sizeof...(E) == 1) {
      if (p == ir::prim::bitcast) return a.bitcast(type, e...);
      if (p == ir::prim::cast) return a.cast(type, e...);
    }
    return a.apply(p, e...);
  }

  ir::expr_arena* arena_ = nullptr;
  ir::expr_ref e_ = nullptr;
  std::int64_t bits_ = 0;
  dtype type_;
};

/// A truth value of one lane.
class symbolic_mask : public symbolic {
 public:
  explicit symbolic_mask(const symbolic& s) : symbolic(s) {}
  friend symbolic_mask operator&(const symbolic_mask& a, const symbolic_mask& b) {
    return symbolic_mask(apply(ir::prim::logical_and, b8, a, b));
  }
  friend symbolic_mask operator|(const symbolic_mask& a, const symbolic_mask& b) {
    return symbolic_mask(apply(ir::prim::logical_or, b8, a, b));
  }
  friend symbolic_mask operator!(const symbolic_mask& a) { return symbolic_mask(apply(ir::prim::logical_not, b8, a)); }
};

/// What an i32 and an f32 have in common.
template <class Self, dtype Type>
class symbolic_number : public symbolic {
 public:
  explicit symbolic_number(const symbolic& s) : symbolic(s) {}
  friend Self operator+(const Self& a, const Self& b) { return Self(symbolic::apply(ir::prim::add, Type, a, b)); }
  friend Self operator-(const Self& a, const Self& b) { return Self(symbolic::apply(ir::prim::sub, Type, a, b)); }
  friend Self operator*(const Self& a, const Self& b) { return Self(symbolic::apply(ir::prim::mul, Type, a, b)); }
  friend Self operator-(const Self& a) { return Self(symbolic::apply(ir::prim::neg, Type, a)); }
  friend symbolic_mask operator<(const Self& a, const Self& b) { return compare(ir::prim::less, a, b); }
  friend symbolic_mask operator<=(const Self& a, const Self& b) { return compare(ir::prim::less_equal, a, b); }
  friend symbolic_mask operator>(const Self& a, const Self& b) { return compare(ir::prim::greater, a, b); }
  friend symbolic_mask operator>=(const Self& a, const Self& b) { return compare(ir::prim::greater_equal, a, b); }
  friend symbolic_mask operator==(const Self& a, const Self& b) { return compare(ir::prim::equal, a, b); }
  friend symbolic_mask operator!=(const Self& a, const Self& b) { return compare(ir::prim::not_equal, a, b); }
  friend Self select(const symbolic_mask& m, const Self& a, const Self& b) {
    return Self(symbolic::apply(ir::prim::select, Type, m, a, b));
  }

 private:
  static symbolic_mask compare(ir::prim p, const Self& a, const Self& b) {
    return symbolic_mask(symbolic::apply(p, b8, a, b));
  }
};

/// An i32 that wraps.
class symbolic_i32 : public symbolic_number<symbolic_i32, i32> {
 public:
  using symbolic_number::symbolic_number;
  static symbolic_i32 constant(int v) { return symbolic_i32(symbolic(i32, v)); }
  friend symbolic_i32 operator&(const symbolic_i32& a, const symbolic_i32& b) {
    return symbolic_i32(apply(ir::prim::bit_and, i32, a, b));
  }
  friend symbolic_i32 operator|(const symbolic_i32& a, const symbolic_i32& b) {
    return symbolic_i32(apply(ir::prim::bit_or, i32, a, b));
  }
  friend symbolic_i32 operator^(const symbolic_i32& a, const symbolic_i32& b) {
    return symbolic_i32(apply(ir::prim::bit_xor, i32, a, b));
  }
  friend symbolic_i32 shift_left(const symbolic_i32& a, int n) {
    return symbolic_i32(apply(ir::prim::shift_left, i32, a, constant(n)));
  }
  friend symbolic_i32 shift_right(const symbolic_i32& a, int n) {
    return symbolic_i32(apply(ir::prim::shift_right, i32, a, constant(n)));
  }
  friend symbolic_i32 shift_right_logical(const symbolic_i32& a, int n) {
    return symbolic_i32(apply(ir::prim::shift_right_logical, i32, a, constant(n)));
  }
};

/// One f32 of every lane.
class symbolic_f32 : public symbolic_number<symbolic_f32, f32> {
 public:
  using symbolic_number::symbolic_number;
  using mask = symbolic_mask;
  using integer = symbolic_i32;
  static symbolic_f32 constant(float v) { return symbolic_f32(symbolic(f32, std::bit_cast<std::uint32_t>(v))); }
  friend symbolic_f32 operator/(const symbolic_f32& a, const symbolic_f32& b) {
    return symbolic_f32(apply(ir::prim::div, f32, a, b));
  }
  friend symbolic_f32 fma(const symbolic_f32& a, const symbolic_f32& b, const symbolic_f32& c) {
    return symbolic_f32(apply(ir::prim::fma, f32, a, b, c));
  }
  friend symbolic_f32 scale(const symbolic_f32& a, const symbolic_f32& n) {
    return symbolic_f32(apply(ir::prim::scale, f32, a, n));
  }
  friend symbolic_f32 sqrt(const symbolic_f32& a) { return symbolic_f32(apply(ir::prim::sqrt, f32, a)); }
  friend symbolic_f32 abs(const symbolic_f32& a) { return symbolic_f32(apply(ir::prim::abs, f32, a)); }
  friend symbolic_f32 round_even(const symbolic_f32& a) { return symbolic_f32(apply(ir::prim::round, f32, a)); }
  friend symbolic_i32 bits(const symbolic_f32& a) { return symbolic_i32(apply(ir::prim::bitcast, i32, a)); }
};

inline symbolic_f32 from_bits(const symbolic_i32& a) {
  return symbolic_f32(symbolic::apply(ir::prim::bitcast, f32, a));
}
inline symbolic_f32 to_float(const symbolic_i32& a) { return symbolic_f32(symbolic::apply(ir::prim::cast, f32, a)); }

}  // namespace tenon::math
