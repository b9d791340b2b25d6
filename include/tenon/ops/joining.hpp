// Movement between several tensors: concat, stack, split.
#pragma once
#include <vector>

#include "tenon/ops/relabel.hpp"
#include "tenon/ops/selection.hpp"

namespace tenon {

namespace ops {

/// Operands one after another along an axis; their other extents and types are equal. ONNX Concat.
struct concat_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "concat";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr int operands = 1, max_operands = 1024, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr type_outcome types(const auto&, dtypes t) { return detail::same_types(t); }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const int rank = s[0].rank, axis = detail::normal_axis(o, at.axis, rank);
    if (!o.ok) return o;
    dims r = s[0];
    for (int k = 1; k < s.size(); ++k) {
      if (s[k].rank != rank) {
        o.refuse() << "ranks " << rank << " and " << s[k].rank;
        return o;
      }
      for (int d = 0; d < rank; ++d) {
        const extent_t e = s[k][d];
        if (d == axis) {
          r[d] = r[d] >= 0 && e >= 0 ? r[d] + e : dyn;
        } else if (r[d] >= 0 && e >= 0 && r[d] != e) {
          o.refuse() << "extents " << r[d] << " != " << e << " of axis " << d;
          return o;
        } else if (e >= 0 || r[d] == dyn) {
          r[d] = e;
        }
      }
    }
    o.out = r;
    return o;
  }
  static constexpr dims unknown(shapes s) { return s.any() ? detail::any_dims() : all_unknown(s[0]); }
};

}  // namespace ops

namespace detail {
/// Of `n` tensors, the i-th being node(all, i).
node_ref emit_concat(const void* all, std::size_t n, const node_ref& (*node)(const void* all, std::size_t i),
                     const first_axis_attrs&, const loc&);

struct concat_fn {
  template <tensor_like A, tensor_like B>
  auto operator()(const A& a, const B& b, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, first_axis_attrs{}>(where, a, b);
  }
  template <tensor_like A, tensor_like B>
  auto operator()(const A& a, const B& b, first_axis_attrs at, loc where = std::source_location::current()) const {
    return apply_dynamic<ops::concat_op>(where, at, a, b);
  }
  template <tensor_like A, tensor_like B, tensor_like C>
  auto operator()(const A& a, const B& b, const C& c, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, first_axis_attrs{}>(where, a, b, c);
  }
  template <tensor_like A, tensor_like B, tensor_like C>
  auto operator()(const A& a, const B& b, const C& c, first_axis_attrs at,
                  loc where = std::source_location::current()) const {
    return apply_dynamic<ops::concat_op>(where, at, a, b, c);
  }
  /// Any number of tensors of one element type.
  template <dtype D>
  tensor<D, any_shape> operator()(const std::vector<tensor<D, any_shape>>& x, first_axis_attrs at = {},
                                  loc where = std::source_location::current()) const {
    const auto node = [](const void* all, std::size_t i) -> const node_ref& {
      return (*static_cast<const std::vector<tensor<D, any_shape>>*>(all))[i].node();
    };
    return tensor<D, any_shape>(emit_concat(&x, x.size(), node, at, where));
  }
  template <first_axis_attrs Attrs, tensor_like A, tensor_like B>
  auto with(const A& a, const B& b, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, Attrs>(where, a, b);
  }
  template <first_axis_attrs Attrs, tensor_like A, tensor_like B, tensor_like C>
  auto with(const A& a, const B& b, const C& c, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, Attrs>(where, a, b, c);
  }
};
}  // namespace detail

/// concat(a, b), concat.with<{.axis = 1}>(a, b); a std::vector of tensors for more than three.
inline constexpr detail::concat_fn concat{};

/// Tensors of one shape along a new axis. NumPy stack.
template <dtype D>
tensor<D, any_shape> stack(const std::vector<tensor<D, any_shape>>& x, first_axis_attrs at = {},
                           loc where = std::source_location::current()) {
  std::vector<tensor<D, any_shape>> lifted;
  for (const auto& t : x) lifted.push_back(unsqueeze(t, {at.axis}, where));
  return concat(lifted, at, where);
}
namespace detail {
/// The attributes of each of `parts` slices of equal extent. shape_error when they do not come out even, or the extent
/// is not known.
std::vector<slice_attrs> split_slices(const value_base&, int parts, int axis, const loc&);
}  // namespace detail

/// `parts` pieces of equal extent along the axis, each as a slice; shape_error when they do not come out even. The
/// axis' extent must be known when the graph is made. ONNX Split, NumPy split.
template <tensor_like X>
auto split(const X& x, int parts, first_axis_attrs at = {}, loc where = std::source_location::current()) {
  std::vector<tensor<X::type, any_shape>> pieces;
  const auto slices = detail::split_slices(x, parts, at.axis, where);
  for (const slice_attrs& a : slices) pieces.push_back(slice(x, a, where));
  return pieces;
}

}  // namespace tenon
