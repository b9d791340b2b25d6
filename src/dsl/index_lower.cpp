// The meaning of a closed body, as an expression: `compute` of the operator.
#include <cstring>
#include <unordered_map>

#include "dsl/body.hpp"
#include "loop/evaluate.hpp"
#include "loop/lower_context.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

class lowering {
 public:
  lowering(lower_context& c, const compute_attrs& a) : c_(c), a_(a), at_(a.axes.size()) {}

  sym run(std::span<const expr_ref> indices) {
    for (std::size_t i = 0; i < indices.size(); ++i) at_[i] = {&c_.arena(), indices[i]};
    return of(*a_.body);
  }

 private:
  sym of(const node& n) {
    if (auto it = made_.find(&n); it != made_.end()) return it->second;
    sym r = make(n);
    // Arithmetic happens in the compute type; a cast to a 16-bit float rounds on its way.
    if (r.type() != compute_type(r.type())) r = cast(compute_type(r.type()), r);
    return made_[&n] = r;
  }
  sym make(const node& n) {
    if (n.op == &constant_definition()) return constant(n);
    if (n.op == &index_value_definition()) return index(n.attributes<index_value_attrs>().index);
    if (n.op == &index_load_definition()) {
      const auto& a = n.attributes<index_load_attrs>();
      lower_context::indices at;
      for (const index_form& f : a.indices) at.push_back(index(f));
      return c_.load(a.operand, at);
    }
    if (n.op == &index_reduce_definition()) {
      const auto& a = n.attributes<index_reduce_attrs>();
      lower_context::indices extents;
      for (const auto& t : a.axes) extents.push_back(extent(t.axis));
      return c_.reduce(a.how, extents, [&](const lower_context::indices& at) {
        for (std::size_t i = 0; i < a.axes.size(); ++i)
          at_[static_cast<std::size_t>(a.axes[i].axis)] = at[static_cast<int>(i)];
        return of(n.operand(0));
      });
    }
    std::vector<expr_ref> in;
    for (const node_ref& o : n.operands) in.push_back(of(*o).e);
    return {&c_.arena(), n.op->scalar(c_.arena(), n.attrs.get(), in)};
  }
  sym constant(const node& n) {
    const constant_value& v = constant_of(n);
    std::int64_t bits = 0;
    std::memcpy(&bits, v.data(), static_cast<std::size_t>(size_of(v.type())));
    return {&c_.arena(), c_.arena().constant_bits(v.type(), canonical_bits(v.type(), bits))};
  }
  sym index(const index_form& f) {
    sym s = c_.to_index(f.offset);
    for (int i = 0; i < f.n; ++i)
      s = s + at_[static_cast<std::size_t>(f.terms[i].axis)] * c_.to_index(f.terms[i].coefficient);
    return s;
  }
  sym extent(extent_t axis) {
    const extent_t stated = a_.axes[static_cast<std::size_t>(axis)].extent;
    if (stated >= 0) return c_.to_index(stated);
    const axis_source s = source_of(a_, axis);
    return c_.extent(s.operand, s.dimension);
  }

  lower_context& c_;
  const compute_attrs& a_;
  std::vector<sym> at_;
  std::unordered_map<const node*, sym> made_;
};

}  // namespace

expr_ref lower_compute(lower_context& c, const void* attrs, std::span<const expr_ref> indices) {
  return lowering(c, *static_cast<const compute_attrs*>(attrs)).run(indices).e;
}

}  // namespace tenon::ir
