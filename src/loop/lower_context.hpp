// The symbolic context of an operator's `compute`: operands are buffers, or producers fused into this kernel.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "graph/op_def.hpp"
#include "loop/symbol.hpp"

namespace tenon::ir {

/// Reads element `indices` of a value where `mask` holds, in its stored type.
using read_element = std::function<expr_ref(std::span<const expr_ref> indices, expr_ref mask)>;

/// An operand (or the result) as a node's lowering sees it.
struct lower_operand {
  dtype type{};
  std::vector<expr_ref> extents;
  dims shape;         ///< the same as numbers
  read_element read;  ///< empty for results
};

class lower_context {
 public:
  using value = sym;
  using index = sym;
  using mask = sym;
  using wide = sym;
  using indices = index_list<sym>;
  using reducer = ir::reducer;

  lower_context(expr_arena& a, std::vector<lower_operand> in, std::vector<lower_operand> out, int main_operand,
                expr_ref mask)
      : arena_(a), in_(std::move(in)), out_(std::move(out)), main_(main_operand), mask_(mask) {}

  expr_arena& arena() { return arena_; }
  int rank(int k) const { return static_cast<int>(in_[k].extents.size()); }
  int out_rank(int k = 0) const { return static_cast<int>(out_[k].extents.size()); }
  int operands() const { return static_cast<int>(in_.size()); }
  sym extent(int k, int d) { return wrap(in_[k].extents[d]); }
  sym exact_extent(int k, int d) { return wrap(arena_.index(in_[k].shape[d])); }
  sym out_extent(int d) { return wrap(out_[0].extents[d]); }

  sym load(int k, const indices& i) { return cast(compute_type(in_[k].type), read(k, i, mask_)); }
  sym load_wide(int k, const indices& i) { return cast(accumulator_type(in_[k].type), read(k, i, mask_)); }
  sym load_term(int k, const indices& i) { return cast(mean_type(in_[k].type), read(k, i, mask_)); }
  sym load_if(sym m, int k, const indices& i, sym otherwise) {
    return select(m, cast(compute_type(in_[k].type), read(k, i, arena_.both(mask_, m.e))), otherwise);
  }
  sym load_wide_if(sym m, int k, const indices& i) {
    const sym element = read(k, i, arena_.both(mask_, m.e)), v = cast(accumulator_type(in_[k].type), element);
    // A load is 0 where its mask says so; what is computed in its place, as iota is, has a value anywhere.
    return element.e->is(expr_kind::load) ? v : select(m, v, typed(v.e->type, 0));
  }
  sym load_bits(dtype t, int k, const indices& i) {
    return wrap(arena_.bitcast(t, arena_.cast(in_[k].type, read(k, i, mask_).e)));
  }
  /// Whether both are known to be equal.
  bool same(sym a, sym b) const { return a.e == b.e; }
  sym load_mask(int k, const indices& i) { return cast(b8, read(k, i, mask_)); }
  sym load_index(int k, const indices& i) { return cast(i64, read(k, i, mask_)); }

  sym constant(number n) { return typed(compute_type(main_type()), n); }
  sym lowest();
  sym highest();
  sym to_index(number n) { return wrap(arena_.index(n.is_integer ? n.integer : static_cast<std::int64_t>(n.real))); }
  sym to_value(sym i) { return cast(compute_type(out_[0].type), i); }
  sym to_term(sym i) { return cast(mean_type(main_type()), i); }
  sym from_mask(sym m) { return cast(compute_type(out_[0].type), m); }
  sym select(sym m, sym a, sym b) { return ir::select(m, a, b); }

  sym reduce(reducer r, const indices& extents, const std::function<sym(const indices&)>& f);
  sym reduce_mask(reducer r, const indices& extents, const std::function<sym(const indices&)>& f) {
    return reduce(r, extents, f);
  }
  sym reduce_arg(reducer r, sym extent, const std::function<sym(sym)>& f) {
    return reduce(r, indices{extent}, [&](const indices& i) { return f(i[0]); });
  }

 protected:
  sym wrap(expr_ref e) { return {&arena_, e}; }
  sym read(int k, const indices& i, expr_ref mask);
  sym typed(dtype t, number n);
  dtype main_type() const { return in_.empty() ? out_[0].type : in_[main_].type; }

  expr_arena& arena_;
  std::vector<lower_operand> in_, out_;
  int main_;
  expr_ref mask_;
};

}  // namespace tenon::ir
