#include "loop/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graph/op_def.hpp"
#include "loop/evaluate.hpp"
#include "loop/lower_context.hpp"
#include "loop/lower_program.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

// Extents up to this stay numbers in the code: windows, small channel counts. Larger ones are symbols, so that one
// kernel serves many sizes.
constexpr extent_t largest_literal = 8;

class lowering {
 public:
  lowering(const fusion& f, const group& g, const std::function<const extent_t*(const node&)>& strides, map_axes axes,
           detail::growth_range range)
      : fusion_(f), group_(g), strides_(strides), inlined_(g.inlined.begin(), g.inlined.end()) {
    inlined_.insert(g.root);
    result_.range = range;
    result_.kernel.name = readable_name();
    if (axes == map_axes::merged) collapse_axes();
  }

  computation run(std::span<const node* const> results) {
    const node& root = *group_.root;
    if (root.op->kind == op_kind::program) return finished(program(results));
    expr_arena& a = arena();
    const dims s = shape_of(root);
    std::vector<expr_ref> at(static_cast<std::size_t>(s.rank));
    for (int place = 0; place < s.rank; ++place) {
      const int d = axis_at(root, place);
      result_.axes.push_back({s[d] == 1 ? a.index(0) : a.fresh_variable(), extent_expr(s[d]), s[d]});
      at[static_cast<std::size_t>(d)] = result_.axes.back().variable;
    }
    const expr_ref value = a.cast(root.type.element, element(root, at, a.boolean(true)));
    result_.value = value;
    for (const group::output& o : group_.also) result_.also.push_back({0, {}, value_beside(o, at)});
    // Reading comes first, so that the results are the last parameters.
    result_.output = add_parameter(root, root, "y");
    result_.kernel.buffers[result_.output].written = true;
    for (std::size_t i = 0; i < group_.also.size(); ++i) store_beside(group_.also[i], at, i);
    return finished(std::move(result_));
  }

 private:
  expr_arena& arena() { return result_.kernel.make(); }

  // Symbols have their values by now. A number that an extent went into is code for one value of it.
  static computation finished(computation c) {
    if (!c.range.any()) return c;
    for (std::int64_t& v : c.symbol_values) {
      c.growths.push_back(detail::growth(v));
      v = detail::at_most(v);
    }
    for (computation::axis& x : c.axes) x.size = detail::at_most(x.size);
    for (const buffer& b : c.kernel.buffers)
      for (expr_ref e : b.extents)
        if (c.at_least(e) < 1) throw not_for_all_values(fmt::format("an extent is {} at least", c.at_least(e)));
    const auto check = [](expr_ref root) {
      for (expr_ref e : post_order(std::span(&root, 1)))
        if (e->is(expr_kind::constant) && e->type == i64 && (detail::grows(e->payload) || detail::grows(~e->payload)))
          throw not_for_all_values(fmt::format("{} is a number in the code", e->payload));
    };
    if (c.value)
      for (expr_ref v : c.values()) check(v);
    else
      visit(c.kernel.body, [&](const stmt& s) { visit_operands(s, check); });
    return c;
  }

  // The indices of a value that is stored beside the root.
  std::vector<expr_ref> beside(const group::output& o, std::span<const expr_ref> root) {
    const dims s = shape_of(*o.value);
    std::vector<expr_ref> at;
    for (int d = 0; d < s.rank; ++d) {
      // Merged axes are the root's, one for one.
      const int axis = collapsed_ ? d : o.axes[static_cast<std::size_t>(d)];
      at.push_back(s[d] == 1 ? arena().index(0) : root[static_cast<std::size_t>(axis)]);
    }
    return at;
  }
  expr_ref value_beside(const group::output& o, std::span<const expr_ref> root) {
    expr_arena& a = arena();
    return a.cast(o.value->type.element, element(*o.value, beside(o, root), a.boolean(true)));
  }
  void store_beside(const group::output& o, std::span<const expr_ref> root, std::size_t i) {
    computation::result& r = result_.also[i];
    const std::vector<expr_ref> at = beside(o, root);
    for (int place = 0; place < static_cast<int>(at.size()); ++place)
      r.indices.push_back(at[static_cast<std::size_t>(axis_at(*o.value, place))]);
    r.buffer = add_parameter(*o.value, *o.value, fmt::format("y{}", i + 1));
    result_.kernel.buffers[r.buffer].written = true;
  }

  std::string readable_name() const {
    std::string s;
    std::string_view last;
    for (const node* n : group_.inlined) {
      if (n->op->kind == op_kind::leaf || n->op->name == last) continue;
      last = n->op->name;
      s += std::string(last) + "_";
      if (s.size() > 48) break;
    }
    return s + std::string(group_.root->op->name);
  }

  // In which order the axes of a value lie in its buffer; null: as they are numbered.
  const axis_order* order_of(const node& n) const {
    const auto it = fusion_.order.find(&n);
    return it == fusion_.order.end() ? nullptr : &it->second;
  }
  int axis_at(const node& n, int place) const {
    const axis_order* const order = collapsed_ ? nullptr : order_of(n);
    return order ? (*order)[static_cast<std::size_t>(place)] : place;
  }

  // Maps of contiguous operands run over fewer, longer axes: neighbours in memory that every value has whole or not at
  // all are one.
  void collapse_axes() {
    const node& root = *group_.root;
    const int rank = root.type.shape.rank;
    places_.resize(static_cast<std::size_t>(rank));
    for (int d = 0; d < rank; ++d) places_[static_cast<std::size_t>(d)] = axis_at(root, d);
    merged_with_next_.assign(static_cast<std::size_t>(rank), false);
    std::vector<const node*> values(group_.inlined.begin(), group_.inlined.end());
    values.push_back(&root);
    for (const node* n : values)
      if (n->op->kind != op_kind::map) return;
    for (const group::output& o : group_.also)
      if (!lies_like_root(*o.value) || !in_root_order(o)) return;
    const std::size_t nodes = values.size();
    for (std::size_t i = 0; i < nodes; ++i)
      for (const node_ref& o : values[i]->operands) {
        if (!inlined_.contains(o.get()) && !lies_like_root(*o)) return;
        values.push_back(o.get());
      }
    int first = 0;  // of the axes that are one with axis d
    for (int d = 0; d + 1 < rank; ++d) {
      if (d > 0 && !merged_with_next_[d - 1]) first = d;
      merged_with_next_[d] = std::all_of(values.begin(), values.end(), [&](const node* v) {
        const dims s = aligned(v->type.shape), r = aligned(root.type.shape);
        // All of the axes that become one, not only these two: where the result has extent 1, a value is whole and not.
        bool ones = true, whole = true;
        extent_t merged = 1;
        bool grows = false;
        for (int e = first; e <= d + 1; ++e) {
          ones = ones && s[e] == 1;
          whole = whole && s[e] == r[e];
          grows = grows || detail::grows(s[e]);
          if (grows && __builtin_mul_overflow(merged, s[e], &merged)) return false;
          if (!grows) merged = detail::bounded_product(merged, s[e]);
        }
        if (grows && !detail::grows(merged)) return false;  // no multiple of the extent that grows
        if (ones) return true;
        if (!whole) return false;
        const extent_t* strides = v->op->kind == op_kind::leaf ? strides_(*v) : nullptr;
        const int skip = rank - v->type.shape.rank, here = places_[d] - skip, next = places_[d + 1] - skip;
        if (!strides) return true;
        return here >= 0 && next >= 0 && strides[here] == strides[next] * s[d + 1];
      });
    }
    collapsed_ = true;
  }
  bool in_root_order(const group::output& o) const {
    const int skip = group_.root->type.shape.rank - static_cast<int>(o.axes.size());
    for (std::size_t d = 0; d < o.axes.size(); ++d)
      if (o.axes[d] >= 0 && o.axes[d] != skip + static_cast<int>(d)) return false;
    return skip >= 0;
  }
  // Whether the axes of a value that is read follow each other as those of the root do.
  bool lies_like_root(const node& n) const {
    if (n.op->kind == op_kind::leaf && strides_(n)) return true;  // the strides say where they lie
    const int skip = group_.root->type.shape.rank - n.type.shape.rank;
    axis_order wanted;
    for (int d : places_)
      if (d >= skip) wanted.push_back(d - skip);
    const axis_order* const order = order_of(n);
    return normal(wanted, n.type.shape) == (order ? *order : axis_order());
  }
  // Extents in the order of the root's memory, 1 where a value has no such axis.
  dims aligned(const dims& s) const {
    dims r;
    const int skip = group_.root->type.shape.rank - s.rank;
    for (int d : places_) r.push_back(d < skip ? 1 : s[d - skip]);
    return r;
  }
  // The extents of a value inside this kernel.
  dims shape_of(const node& n) const {
    if (!collapsed_) return n.type.shape;
    const int rank = group_.root->type.shape.rank;
    const dims s = aligned(n.type.shape);
    dims r;
    extent_t run = 1;
    for (int d = 0; d < rank; ++d) {
      run *= s[d];
      if (merged_with_next_[d]) continue;
      r.push_back(run);
      run = 1;
    }
    return r;
  }
  std::vector<expr_ref> strides_of(const node& n) {
    const extent_t* given = n.op->kind == op_kind::leaf ? strides_(n) : nullptr;
    std::vector<expr_ref> r;
    if (!given) return r;
    if (!collapsed_) {
      for (int d = 0; d < n.type.shape.rank; ++d) r.push_back(stride_expr(given[d]));
      return r;
    }
    const int rank = group_.root->type.shape.rank, skip = rank - n.type.shape.rank;
    for (int d = 0; d < rank; ++d)
      if (!merged_with_next_[d])
        r.push_back(places_[d] < skip ? arena().index(0) : stride_expr(given[places_[d] - skip]));
    return r;
  }

  expr_ref extent_expr(extent_t e) { return e <= largest_literal ? arena().index(e) : symbol(e); }
  expr_ref stride_expr(extent_t s) { return s >= 0 && s <= 1 ? arena().index(s) : symbol(s); }
  expr_ref symbol(std::int64_t value) {
    auto& values = result_.symbol_values;
    const auto it = std::find(values.begin(), values.end(), value);
    const auto id = it - values.begin();
    if (it == values.end()) {
      values.push_back(value);
      result_.kernel.symbols.push_back(fmt::format("n{}", id));
    }
    return arena().symbol(id);
  }

  std::int64_t add_parameter(const node& value, const node& stored, std::string name) {
    std::vector<expr_ref> extents;
    const dims s = shape_of(value);
    for (int place = 0; place < s.rank; ++place) extents.push_back(extent_expr(s[axis_at(value, place)]));
    const std::int64_t id = result_.kernel.add_buffer(std::move(name), value.type.element, scope::parameter,
                                                      std::move(extents), strides_of(value));
    result_.parameters.push_back({&value, &stored});
    return id;
  }
  std::int64_t buffer_of(const node& value) {
    const auto [it, fresh] = buffers_.try_emplace(&value, 0);
    if (fresh)
      it->second = add_parameter(value, *fusion_.storage(&value), fmt::format("x{}", result_.parameters.size()));
    return it->second;
  }

  lower_operand operand(const node& value) {
    lower_operand o;
    o.type = value.type.element;
    o.shape = shape_of(value);
    for (extent_t e : o.shape) o.extents.push_back(extent_expr(e));
    o.read = [this, &value](std::span<const expr_ref> at, expr_ref mask) { return element(value, at, mask); };
    return o;
  }
  lower_operand described(const value_type& t, const dims& shape) {
    lower_operand o;
    o.type = t.element;
    o.shape = shape;
    for (extent_t e : shape) o.extents.push_back(extent_expr(e));
    return o;
  }

  // Element `at` of a value: a literal, a load, or the expression of the operator that makes it.
  expr_ref element(const node& n, std::span<const expr_ref> at, expr_ref mask) {
    if (is_splat(n)) return literal(n);
    if (!inlined_.contains(&n)) {
      std::vector<expr_ref> clipped;
      const dims s = shape_of(n);
      for (int place = 0; place < s.rank; ++place) {
        const int d = axis_at(n, place);
        clipped.push_back(s[d] == 1 ? arena().index(0) : at[static_cast<std::size_t>(d)]);
      }
      return arena().load(n.type.element, buffer_of(n), clipped, mask);
    }
    std::vector<expr_ref> key(at.begin(), at.end());
    key.push_back(mask);
    auto& known = done_[&n];
    if (auto it = known.find(key); it != known.end()) return it->second;
    const expr_ref e = n.op->kind == op_kind::map ? map(n, at, mask) : computed(n, at, mask);
    done_[&n].emplace(std::move(key), e);
    return e;
  }

  expr_ref map(const node& n, std::span<const expr_ref> at, expr_ref mask) {
    std::vector<expr_ref> x;
    for (const node_ref& o : n.operands) {
      const dims s = shape_of(*o);
      std::vector<expr_ref> i;  // broadcasting: the last axes, 0 where the operand has one element
      for (int d = 0; d < s.rank; ++d)
        i.push_back(s[d] == 1 ? arena().index(0) : at[at.size() - static_cast<std::size_t>(s.rank) + d]);
      x.push_back(arena().cast(compute_type(o->type.element), element(*o, i, mask)));
    }
    return n.op->scalar(arena(), n.attrs.get(), x);
  }

  expr_ref computed(const node& n, std::span<const expr_ref> at, expr_ref mask) {
    std::vector<lower_operand> in;
    for (const node_ref& o : n.operands) in.push_back(operand(*o));
    lower_context c(arena(), std::move(in), {described(n.type, shape_of(n))}, n.op->main_operand, mask);
    return n.op->compute(c, n.attrs.get(), at);
  }

  expr_ref literal(const node& n) {
    const constant_value& v = constant_of(n);
    const int bytes = size_of(v.type());
    std::int64_t bits = 0;
    std::memcpy(&bits, v.data(), static_cast<std::size_t>(bytes));
    if (is_signed_integer(v.type()) && bytes < 8) bits = bits << (64 - 8 * bytes) >> (64 - 8 * bytes);
    return arena().constant_bits(v.type(), bits);
  }

  computation program(std::span<const node* const> results) {
    const node& root = *group_.root;
    std::vector<lower_operand> in, out;
    for (const node_ref& o : root.operands) {
      const bool updated = is_update(root) && in.empty();
      if (!updated && !is_splat(*o)) buffer_of(*o);
      in.push_back(operand(*o));
    }
    std::vector<std::int64_t> out_buffers;
    for (int i = 0; i < root.results(); ++i) {
      const value_type& t = i == 0 ? root.type : root.more[static_cast<std::size_t>(i) - 1];
      const node& stored = root.more.empty() ? root : *results[static_cast<std::size_t>(i)];
      out_buffers.push_back(add_parameter(stored, stored, fmt::format("y{}", i)));
      result_.kernel.buffers[out_buffers.back()].written = true;
      out.push_back(described(t, t.shape));
    }
    lower_program p(result_.kernel, std::move(in), std::move(out), root.op->main_operand, out_buffers);
    root.op->program(p, root.attrs.get());
    result_.kernel.body = p.finish();
    return std::move(result_);
  }

  const fusion& fusion_;
  const group& group_;
  const std::function<const extent_t*(const node&)>& strides_;
  std::unordered_set<const node*> inlined_;
  computation result_;
  axis_order places_;  // of the root's axes
  std::vector<bool> merged_with_next_;
  bool collapsed_ = false;
  std::unordered_map<const node*, std::int64_t> buffers_;
  std::unordered_map<const node*, std::map<std::vector<expr_ref>, expr_ref>> done_;
};

}  // namespace

std::vector<expr_ref> computation::values() const {
  std::vector<expr_ref> all{value};
  for (const result& r : also) all.push_back(r.value);
  return all;
}

std::int64_t computation::symbol_value(std::size_t id, extent_t below) const {
  return symbol_values[id] - (id < growths.size() ? growths[id] * below : 0);
}

bool computation::grows(expr_ref e) const {
  return contains(e, [&](expr_ref x) {
    const auto id = static_cast<std::size_t>(x->payload);
    return x->is(expr_kind::symbol) && id < growths.size() && growths[id] != 0;
  });
}

bool computation::grows() const {
  return std::ranges::any_of(growths, [](std::int64_t g) { return g != 0; });
}

std::int64_t computation::at_call(expr_ref e) const { return at_call(e, 0); }
std::int64_t computation::at_call(expr_ref e, extent_t below) const {
  return evaluate(e, [&](expr_ref x) {
    return x->is(expr_kind::symbol) ? symbol_value(static_cast<std::size_t>(x->payload), below) : 0;
  });
}

computation lower(const fusion& f, const group& g, const std::function<const extent_t*(const node&)>& strides,
                  std::span<const node* const> results, map_axes axes, detail::growth_range range) {
  return lowering(f, g, strides, axes, range).run(results);
}

}  // namespace tenon::ir
