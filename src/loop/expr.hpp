// Expressions of the loop IR: immutable, hash-consed in an arena, so that equality is equality of pointers.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "loop/prim.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/core/hash.hpp"

namespace tenon::ir {

enum class expr_kind : std::uint8_t {
  constant,  ///< payload: the value of an integer or b8 (u64 wraps), the bits of a float (zero-extended)
  variable,  ///< payload: id; a loop's index (i64, at least 0), or the accumulator of a contraction (negative id)
  symbol,    ///< payload: index into the kernel's symbols; an extent or stride known at the call (i64, at least 0 if
             ///< extent)
  load,      ///< payload: buffer id; operands: one index per dimension of the buffer, then the mask (b8). Masked off: 0
  apply,     ///< op on operands
  reduce,    ///< payload: reducer; operands: variable, extent, ..., body. Only before lowering to statements
};

struct expr {
  expr_kind kind;
  prim op{};  ///< apply only
  dtype type;
  std::int64_t payload = 0;
  std::vector<const expr*> operands;
  std::uint64_t hash = 0;
  // What is known of an i64 made of loop variables, symbols and constants alone; it never overflows.
  bool is_index = false;
  bool nonnegative = false;
  std::int64_t upper = INT64_MAX;  ///< never more than this, if nonnegative

  ir::reducer reducer() const { return static_cast<ir::reducer>(payload); }
  /// load: the indices without the mask
  std::span<const expr* const> indices() const { return {operands.data(), operands.size() - 1}; }
  const expr* mask() const { return operands.back(); }
  /// reduce
  int loops() const { return static_cast<int>(operands.size() / 2); }
  const expr* loop_variable(int i) const { return operands[2 * i]; }
  const expr* loop_extent(int i) const { return operands[2 * i + 1]; }
  const expr* body() const { return operands.back(); }
  bool is(expr_kind k) const { return kind == k; }
  bool is(prim p) const { return kind == expr_kind::apply && op == p; }
  bool is_constant(std::int64_t v) const { return kind == expr_kind::constant && is_integer(type) && payload == v; }
  /// The always-true mask.
  bool is_true() const { return kind == expr_kind::constant && type == b8 && payload != 0; }
};
using expr_ref = const expr*;

/// Makes expressions. Constructors simplify (constants fold, x + 0, x * 1, (x * c) / c, min(x, x), ...); with
/// `exact` floats only what keeps every bit. Owns what it makes.
class expr_arena {
 public:
  expr_arena() = default;
  expr_arena(const expr_arena&) = delete;

  expr_ref constant(dtype, double);
  expr_ref integer(dtype, std::int64_t);
  expr_ref index(std::int64_t v) { return integer(i64, v); }
  expr_ref boolean(bool v) { return integer(b8, v); }
  /// The bits as in expr_kind::constant.
  expr_ref constant_bits(dtype, std::int64_t bits);
  expr_ref variable(dtype, std::int64_t id);
  expr_ref fresh_variable(dtype t = i64) { return variable(t, next_variable_++); }
  /// The accumulator of a contraction: any value, where loop variables are known to be at least 0.
  expr_ref fresh_accumulator(dtype t) { return variable(t, -1 - next_accumulator_++); }
  std::int64_t next_variable() const { return next_variable_; }
  expr_ref symbol(std::int64_t id);
  expr_ref load(dtype, std::int64_t buffer, std::span<const expr_ref> indices, expr_ref mask = nullptr);
  expr_ref apply(prim, std::span<const expr_ref>);
  expr_ref apply(prim p, expr_ref a) { return apply(p, std::span(&a, 1)); }
  expr_ref apply(prim p, expr_ref a, expr_ref b) {
    expr_ref x[] = {a, b};
    return apply(p, x);
  }
  expr_ref apply(prim p, expr_ref a, expr_ref b, expr_ref c) {
    expr_ref x[] = {a, b, c};
    return apply(p, x);
  }
  expr_ref cast(dtype, expr_ref);
  expr_ref bitcast(dtype, expr_ref);
  expr_ref add(expr_ref a, expr_ref b) { return apply(prim::add, a, b); }
  expr_ref sub(expr_ref a, expr_ref b) { return apply(prim::sub, a, b); }
  expr_ref mul(expr_ref a, expr_ref b) { return apply(prim::mul, a, b); }
  expr_ref div(expr_ref a, expr_ref b) { return apply(prim::div, a, b); }
  expr_ref mod(expr_ref a, expr_ref b) { return apply(prim::mod, a, b); }
  expr_ref min(expr_ref a, expr_ref b) { return apply(prim::min, a, b); }
  expr_ref max(expr_ref a, expr_ref b) { return apply(prim::max, a, b); }
  expr_ref less(expr_ref a, expr_ref b) { return apply(prim::less, a, b); }
  expr_ref both(expr_ref a, expr_ref b) { return apply(prim::logical_and, a, b); }
  expr_ref select(expr_ref c, expr_ref a, expr_ref b) { return apply(prim::select, c, a, b); }
  /// `loops` are pairs of variable and extent.
  expr_ref reduce(reducer, std::span<const std::pair<expr_ref, expr_ref>> loops, expr_ref body);
  /// The same expression over other operands.
  expr_ref with_operands(expr_ref, std::span<const expr_ref>);
  /// Replaces by `f` (null: keep) from the leaves up; memoised, iterative.
  expr_ref rewrite(expr_ref, const std::function<expr_ref(expr_ref)>& f);
  /// Substitutes variables.
  expr_ref substitute(expr_ref, std::span<const std::pair<expr_ref, expr_ref>> variables);
  std::size_t size() const { return all_.size(); }

 private:
  expr_ref make(expr);
  expr_ref make_apply(prim, dtype, std::span<const expr_ref>);
  struct hash_of {
    std::size_t operator()(expr_ref e) const { return e->hash; }
  };
  struct same {
    bool operator()(expr_ref a, expr_ref b) const;
  };
  std::deque<expr> all_;
  std::unordered_set<expr_ref, hash_of, same> table_;
  std::int64_t next_variable_ = 0, next_accumulator_ = 0;
};

/// Every distinct sub-expression, operands before users.
std::vector<expr_ref> post_order(std::span<const expr_ref> roots);
/// Whether `e` mentions the variable or anything for which `f` holds.
bool contains(expr_ref e, const std::function<bool(expr_ref)>& f);

/// e = sum of coefficient[i] * variables[i] + rest, with coefficients and rest free of the variables.
struct affine_form {
  bool ok = false;
  std::vector<expr_ref> coefficients;
  expr_ref rest = nullptr;
};
/// The affine form of an i64 expression in the given variables; not ok when it has none (division, modulo, products of
/// two variables, loads).
affine_form affine(expr_arena&, expr_ref e, std::span<const expr_ref> variables);

/// Text: C-like; `names` (loop/text.hpp) knows those of symbols and buffers, without it they are s0, b0, ...
struct names;
std::string to_string(expr_ref, const names* = nullptr);

}  // namespace tenon::ir
