// Index notation: open expressions, and how `compute` closes them.
#include "tenon/dsl/index.hpp"

#include <fmt/format.h>

#include <unordered_map>

#include "dsl/body.hpp"
#include "dsl/body_scope.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

[[noreturn]] void refuse(std::string_view why, const loc& where) {
  throw argument_error(fmt::format("compute: {}; at {}:{}", why, where.file(), where.line()));
}

// Closes an open expression: tensors become operands by number, names of axes the axes that bind them there.
class closing {
 public:
  closing(const index_form* axes, int n, const loc& where) : where_(where) {
    scope s;
    for (int i = 0; i < n; ++i) s.bound[axes[i].terms[0].axis] = add_axis(axes[i].terms[0]);
    result_.rank = n;
    scopes_.push_back(std::move(s));
  }
  compute_attrs close(const node_ref& body) {
    result_.body = close(*body, 0);
    result_.body = expanded_body(result_.body, "compute");
    return canonical(std::move(result_));
  }
  std::vector<node_ref> operands;

 private:
  struct scope {
    std::unordered_map<extent_t, extent_t> bound;  // packed name to number
    std::unordered_map<const node*, node_ref> made;
  };

  extent_t add_axis(const index_form::term& t) {
    const detail::text name = detail::axis_name(t.axis);
    result_.axes.push_back({std::string(name.view()), t.extent >= 0 ? t.extent : detail::inferred_extent});
    return static_cast<extent_t>(result_.axes.size()) - 1;
  }
  index_form close(index_form f) {
    for (int i = 0; i < f.n; ++i) {
      index_form::term& t = f.terms[i];
      const extent_t number = find(t.axis);
      extent_t& stated = result_.axes[static_cast<std::size_t>(number)].extent;
      if (t.extent >= 0 && stated >= 0 && t.extent != stated)
        refuse(fmt::format("axis {} states the extents {} and {}", result_.axes[static_cast<std::size_t>(number)].name,
                           stated, t.extent),
               where_);
      if (t.extent >= 0) stated = t.extent;
      t = {number, detail::inferred_extent, t.coefficient};
    }
    return f;
  }
  extent_t find(extent_t name) {
    for (auto s = scopes_.rbegin(); s != scopes_.rend(); ++s)
      if (auto it = s->bound.find(name); it != s->bound.end()) return it->second;
    refuse(fmt::format("axis {} is bound by nothing", detail::axis_name(name).view()), where_);
  }
  int operand_number(const node_ref& tensor) {
    for (std::size_t k = 0; k < operands.size(); ++k)
      if (operands[k] == tensor) return static_cast<int>(k);
    operands.push_back(tensor);
    result_.operands.push_back(tensor->type.element);
    return static_cast<int>(operands.size()) - 1;
  }
  node_ref close(const node& n, int depth) {
    if (depth > max_body_depth) refuse("the expression is nested more than 2000 deep", where_);
    if (auto it = scopes_.back().made.find(&n); it != scopes_.back().made.end()) return it->second;
    node_ref r;
    if (n.op == &index_load_definition()) {
      auto a = n.attributes<index_load_attrs>();
      a.operand = operand_number(n.operands[0]);
      for (index_form& f : a.indices) f = close(f);
      r = table_.make(*n.op, std::make_shared<index_load_attrs>(std::move(a)), {}, n.where);
    } else if (n.op == &index_value_definition()) {
      index_value_attrs a{close(n.attributes<index_value_attrs>().index)};
      r = table_.make(*n.op, std::make_shared<index_value_attrs>(a), {}, n.where);
    } else if (n.op == &index_reduce_definition()) {
      auto a = n.attributes<index_reduce_attrs>();
      scope s;
      for (auto& t : a.axes) {
        const extent_t number = add_axis(t);
        s.bound[t.axis] = number;
        t = {number, detail::inferred_extent, 1};
      }
      scopes_.push_back(std::move(s));
      node_ref body = close(n.operand(0), depth + 1);
      scopes_.pop_back();
      r = table_.make(*n.op, std::make_shared<index_reduce_attrs>(std::move(a)), {body}, n.where);
    } else if (n.op == &constant_definition()) {
      r = table_.unique(node_ref(&n));
    } else if (n.operands.empty()) {
      std::string_view called = leaf_name(n);
      if (called.empty()) called = n.op->name;
      refuse(fmt::format("'{}' has no indices here", called), n.where);
    } else {
      std::vector<node_ref> in;
      for (const node_ref& o : n.operands) in.push_back(close(*o, depth + 1));
      r = table_.make(*n.op, n.attrs, std::move(in), n.where);
    }
    return scopes_.back().made[&n] = r;
  }

  loc where_;
  compute_attrs result_;
  std::vector<scope> scopes_;
  node_table table_;
};

}  // namespace

axis_source source_of(const compute_attrs& a, extent_t axis) {
  for (const node* n : post_order({&a.body, 1})) {
    if (n->op != &index_load_definition()) continue;
    const auto& load = n->attributes<index_load_attrs>();
    for (std::size_t d = 0; d < load.indices.size(); ++d) {
      const index_form& f = load.indices[d];
      if (f.n == 1 && f.offset == 0 && f.terms[0].coefficient == 1 && f.terms[0].axis == axis)
        return {load.operand, static_cast<int>(d)};
    }
  }
  return {};
}

namespace {

std::string_view axis_of(const compute_attrs& a, extent_t i) { return a.axes[static_cast<std::size_t>(i)].name; }

// An axis that indexes a dimension alone is as long as it.
void take_plain(const compute_attrs& a, const index_form& f, extent_t dimension, axis_extents& r) {
  if (f.n != 1 || f.offset != 0 || f.terms[0].coefficient != 1) return;
  extent_t& e = r.of[static_cast<std::size_t>(f.terms[0].axis)];
  if (e >= 0 && dimension >= 0 && e != dimension && r.result.ok)
    r.result.refuse() << "extents " << e << " != " << dimension << " of axis " << axis_of(a, f.terms[0].axis);
  if (e < 0 && (dimension >= 0 || e == detail::inferred_extent || e == dyn)) e = dimension;
}
// Coefficients are the user's: sums of products with extents may leave 64 bits.
__extension__ using wide = __int128;
// The longest extent of the axis that keeps the index inside the dimension; dyn when that is not known yet.
extent_t longest(const index_form& f, extent_t dimension, extent_t axis, const axis_extents& r) {
  if (dimension < 0) return dyn;
  // How far the index may go up before the end, and down before the start, when the other axes go as far as they do.
  wide up = wide{dimension} - 1 - f.offset, down = f.offset;
  extent_t step = 0;
  for (int i = 0; i < f.n; ++i) {
    const index_form::term& t = f.terms[i];
    if (t.axis == axis) {
      step = t.coefficient;
      continue;
    }
    const extent_t e = r.of[static_cast<std::size_t>(t.axis)];
    if (e < 0) return dyn;
    const wide reach = wide{t.coefficient} * (e > 0 ? e - 1 : 0);
    (reach > 0 ? up : down) += reach > 0 ? -reach : reach;
  }
  const wide room = step > 0 ? up : down;
  return up < 0 || down < 0 ? 0 : static_cast<extent_t>(room / (step > 0 ? step : -step)) + 1;
}
void check_bounds(const compute_attrs& a, const index_form& f, extent_t dimension, axis_extents& r) {
  if (dimension < 0 || !r.result.ok) return;
  wide low = f.offset, high = f.offset;
  for (int i = 0; i < f.n; ++i) {
    const extent_t e = r.of[static_cast<std::size_t>(f.terms[i].axis)];
    if (e <= 0) return;  // not known yet, or nothing is read
    (f.terms[i].coefficient < 0 ? low : high) += wide{f.terms[i].coefficient} * (e - 1);
  }
  // An index without axes, or of axes that have elements.
  if (low >= 0 && high < dimension) return;
  r.result.refuse() << "an index ";
  if (f.n) r.result.why << "of axis " << axis_of(a, f.terms[0].axis) << " ";
  r.result.why << "reaches " << static_cast<extent_t>(low < 0 ? low : high) << ", outside extent " << dimension;
}

}  // namespace

axis_extents extents_of(const compute_attrs& a, detail::shapes s) {
  axis_extents r;
  for (const body_axis& x : a.axes) r.of.push_back(x.extent);
  const auto order = post_order({&a.body, 1});
  const auto each_index = [&](auto&& f) {
    for (const node* n : order) {
      if (n->op != &index_load_definition() || !r.result.ok) continue;
      const auto& load = n->attributes<index_load_attrs>();
      const dims& d = s[load.operand];
      const int rank = static_cast<int>(load.indices.size());
      if (!d.any() && d.rank != rank) {
        r.result.refuse() << rank << " indices for rank " << d.rank;
        return;
      }
      for (int i = 0; i < rank; ++i) f(load.indices[static_cast<std::size_t>(i)], d.any() ? dyn : d[i]);
    }
  };
  each_index([&](const index_form& f, extent_t d) { take_plain(a, f, d, r); });
  // Axes of the result that stand in sums only, once the others are known.
  for (extent_t axis = 0; axis < a.rank; ++axis) {
    extent_t& e = r.of[static_cast<std::size_t>(axis)];
    if (e != detail::inferred_extent) continue;
    extent_t least = detail::inferred_extent;
    each_index([&](const index_form& f, extent_t d) {
      for (int i = 0; i < f.n; ++i)
        if (f.terms[i].axis == axis) {
          const extent_t here = longest(f, d, axis, r);
          if (least == detail::inferred_extent || here == dyn || (least >= 0 && here < least)) least = here;
        }
    });
    e = least;
  }
  for (std::size_t i = 0; i < r.of.size() && r.result.ok; ++i)
    if (r.of[i] == detail::inferred_extent)
      r.result.refuse() << "the extent of axis " << a.axes[i].name << " is unknown";
  each_index([&](const index_form& f, extent_t d) { check_bounds(a, f, d, r); });
  if (r.result.ok)
    for (int i = 0; i < a.rank; ++i) r.result.out.push_back(r.of[static_cast<std::size_t>(i)]);
  return r;
}

}  // namespace tenon::ir

namespace tenon::detail {

namespace {

[[noreturn]] void throw_overflow() { throw argument_error("index notation: an index does not fit 64 bits"); }
extent_t plus(extent_t a, extent_t b) {
  extent_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) throw_overflow();
  return r;
}
extent_t times(extent_t a, extent_t b) {
  extent_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) throw_overflow();
  return r;
}

}  // namespace

index_form scale(const index_form& a, extent_t factor, extent_t offset) {
  index_form r;
  for (int i = 0; i < a.n && factor; ++i) {
    r.terms[r.n] = a.terms[i];
    r.terms[r.n++].coefficient = times(a.terms[i].coefficient, factor);
  }
  r.offset = plus(times(a.offset, factor), offset);
  return r;
}
index_form combine(const index_form& a, const index_form& b, extent_t factor) {
  index_form r = a;
  for (int i = 0; i < b.n; ++i) {
    int at = 0;
    while (at < r.n && r.terms[at].axis != b.terms[i].axis) ++at;
    if (at == index_form::capacity) throw argument_error("index notation: an index has at most 8 axes");
    if (at == r.n) {
      r.terms[r.n] = b.terms[i];
      r.terms[r.n++].coefficient = times(b.terms[i].coefficient, factor);
    } else {
      r.terms[at].coefficient = plus(r.terms[at].coefficient, times(b.terms[i].coefficient, factor));
      if (b.terms[i].extent >= 0) r.terms[at].extent = b.terms[i].extent;
    }
  }
  r.offset = plus(r.offset, times(b.offset, factor));
  int kept = 0;
  for (int i = 0; i < r.n; ++i)
    if (r.terms[i].coefficient) r.terms[kept++] = r.terms[i];
  for (int i = kept; i < r.n; ++i) r.terms[i] = {};
  r.n = kept;
  return r;
}

node_ref emit_index_load(const node_ref& tensor, const index_form* indices, int n, const loc& where) {
  if (!tensor) throw argument_error("index notation: an element of an empty tensor handle");
  ir::index_load_attrs a{-1, tensor->type.element, {indices, indices + n}};
  return ir::make_node(ir::index_load_definition(), std::make_shared<ir::index_load_attrs>(std::move(a)), {tensor},
                       where);
}
node_ref emit_index_value(const index_form& f, const loc& where) {
  return ir::make_node(ir::index_value_definition(), std::make_shared<ir::index_value_attrs>(ir::index_value_attrs{f}),
                       {}, where);
}
node_ref emit_index_reduce(std::string_view reducer, const index_form* axes, int n, const node_ref& body,
                           const loc& where) {
  ir::index_reduce_attrs a;
  for (ir::reducer r :
       {ir::reducer::sum, ir::reducer::prod, ir::reducer::max, ir::reducer::min, ir::reducer::all, ir::reducer::any})
    if (name(r) == reducer) a.how = r;
  for (int i = 0; i < n; ++i) a.axes.push_back(axes[i].terms[0]);
  return ir::make_node(ir::index_reduce_definition(), std::make_shared<ir::index_reduce_attrs>(std::move(a)), {body},
                       where);
}
node_ref emit_compute(const index_form* axes, int n, const node_ref& body, const loc& where) {
  ir::closing c(axes, n, where);
  auto attrs = std::make_shared<ir::compute_attrs>(c.close(body));
  return ir::make_node(ir::compute_definition(), std::move(attrs), std::move(c.operands), where);
}
dims param_dims(std::string_view name, const extents& e, const loc& where) {
  const auto refuse = [&](std::string_view why) {
    throw argument_error(fmt::format("param {}: {}; at {}:{}", name, why, where.file(), where.line()));
  };
  if (e.size > static_cast<std::size_t>(dims::max_rank)) refuse(fmt::format("rank {} is over 8", e.size));
  dims d;
  for (extent_t x : e) {
    if (x < 0) refuse(fmt::format("extent {} is negative", x));
    d.push_back(x);
  }
  return d;
}

}  // namespace tenon::detail
