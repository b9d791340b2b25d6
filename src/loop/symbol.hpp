// Symbolic scalars: operators that build expressions. An operator's generic `compute` and `scalar` run on these to
// become loop IR, and on native numbers to run.
#pragma once
#include "loop/expr.hpp"

namespace tenon::ir {

/// An expression with its arena, so that `a + b` can make one. Values, indices and masks are all of this type.
struct sym {
  expr_arena* arena = nullptr;
  expr_ref e = nullptr;
  sym() = default;
  sym(expr_arena* a, expr_ref x) : arena(a), e(x) {}
  dtype type() const { return e->type; }
  /// A number of the same type as `this`, as a cast makes it: -1 as an unsigned integer is 0.
  sym like(double v) const { return {arena, arena->constant(e->type, v)}; }
};

inline sym apply(prim p, sym a) { return {a.arena, a.arena->apply(p, a.e)}; }
inline sym apply(prim p, sym a, sym b) { return {a.arena, a.arena->apply(p, a.e, b.e)}; }
inline sym apply(prim p, sym a, sym b, sym c) { return {a.arena, a.arena->apply(p, a.e, b.e, c.e)}; }
inline sym cast(dtype t, sym a) { return {a.arena, a.arena->cast(t, a.e)}; }
inline sym select(sym c, sym a, sym b) { return apply(prim::select, c, a, b); }

#define TENON_SYM(symbol, p)                                                           \
  inline sym operator symbol(sym a, sym b) { return apply(prim::p, a, b); }            \
  inline sym operator symbol(sym a, double b) { return apply(prim::p, a, a.like(b)); } \
  inline sym operator symbol(double a, sym b) { return apply(prim::p, b.like(a), b); }
TENON_SYM(+, add)
TENON_SYM(-, sub)
TENON_SYM(*, mul)
TENON_SYM(/, div)
TENON_SYM(%, mod)
TENON_SYM(<, less)
TENON_SYM(<=, less_equal)
TENON_SYM(>, greater)
TENON_SYM(>=, greater_equal)
TENON_SYM(==, equal)
TENON_SYM(!=, not_equal)
#undef TENON_SYM
inline sym operator&(sym a, sym b) { return apply(a.type() == b8 ? prim::logical_and : prim::bit_and, a, b); }
inline sym operator|(sym a, sym b) { return apply(a.type() == b8 ? prim::logical_or : prim::bit_or, a, b); }
inline sym operator^(sym a, sym b) { return apply(a.type() == b8 ? prim::logical_xor : prim::bit_xor, a, b); }
inline sym operator!(sym a) { return apply(prim::logical_not, a); }
inline sym operator-(sym a) { return apply(prim::neg, a); }

// The functions of prim.hpp by name, found by argument-dependent lookup inside generic operator definitions.
#define TENON_SYM_1(n) \
  inline sym n(sym a) { return apply(prim::n, a); }
#define TENON_SYM_2(n) \
  inline sym n(sym a, sym b) { return apply(prim::n, a, b); }
// clang-format off
TENON_SYM_1(abs) TENON_SYM_1(sign) TENON_SYM_1(floor) TENON_SYM_1(ceil) TENON_SYM_1(round) TENON_SYM_1(trunc)
TENON_SYM_1(sqrt) TENON_SYM_1(rsqrt) TENON_SYM_1(reciprocal) TENON_SYM_1(exp) TENON_SYM_1(exp2) TENON_SYM_1(expm1)
TENON_SYM_1(log) TENON_SYM_1(log2) TENON_SYM_1(log1p) TENON_SYM_1(sin) TENON_SYM_1(cos) TENON_SYM_1(tan)
TENON_SYM_1(asin) TENON_SYM_1(acos) TENON_SYM_1(atan) TENON_SYM_1(sinh) TENON_SYM_1(cosh) TENON_SYM_1(tanh)
TENON_SYM_1(asinh) TENON_SYM_1(acosh) TENON_SYM_1(atanh) TENON_SYM_1(erf) TENON_SYM_1(isnan) TENON_SYM_1(isinf)
TENON_SYM_2(min) TENON_SYM_2(max) TENON_SYM_2(pow) TENON_SYM_2(atan2) TENON_SYM_2(shift_left) TENON_SYM_2(shift_right)
TENON_SYM_1(bit_not)
// clang-format on
#undef TENON_SYM_1
#undef TENON_SYM_2

    /// Indices, one per dimension; the same interface for symbolic and native ones.
    template <class Index>
    struct index_list {
  Index v[dims::max_rank]{};
  int size = 0;
  index_list() = default;
  index_list(std::initializer_list<Index> l) {
    for (const Index& x : l) v[size++] = x;
  }
  const Index& operator[](int i) const { return v[i]; }
  Index& operator[](int i) { return v[i]; }
  void push_back(const Index& x) { v[size++] = x; }
};

}  // namespace tenon::ir
