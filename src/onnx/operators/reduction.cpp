// Reductions over axes.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// Runs f(x, attributes) with the node's axes: an attribute, from set `input_from` on an operand.
template <class F>
void reduce(node_call& n, std::int64_t input_from, F f) {
  const any_tensor x = n.in(0);
  std::vector<std::int64_t> given;
  if (n.version() < input_from)
    given = n.integers("axes");
  else if (n.has(1))
    given = n.integers(1);
  const bool nothing = n.version() >= input_from && n.integer("noop_with_empty_axes", 0) != 0;
  const bool keep = n.integer("keepdims", 1) != 0;
  if (given.empty() && nothing) return n.out(f(any_tensor(unsqueeze(x, {0})), reduce_attrs{.axes = {0}}));
  n.out(f(x, reduce_attrs{.axes = given.empty() ? ints{} : normal_axes(n, given, n.rank(0)), .keep = keep}));
}
/// Reduce operators of which set 18 made the axes an operand.
template <class F>
void reduce(node_call& n, F f) {
  reduce(n, 18, f);
}
void sum_over(node_call& n) {
  reduce(n, 13, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return sum(x, at); });
}
/// The largest or smallest of booleans is whether any or all are true.
void largest(node_call& n) {
  reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor {
    return x.node()->type.element == b8 ? any_tensor(any(x, at)) : any_tensor(max(x, at));
  });
}
void smallest(node_call& n) {
  reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor {
    return x.node()->type.element == b8 ? any_tensor(all(x, at)) : any_tensor(min(x, at));
  });
}
/// l2 of integers is computed in f64.
any_tensor l2(const any_tensor& x, const reduce_attrs& at) {
  const dtype d = x.node()->type.element;
  return is_float(d) ? any_tensor(l2_norm(x, at)) : any_tensor(cast(l2_norm(cast(x, f64), at), d));
}

template <class Op>
void position(node_call& n) {
  any_tensor x = n.in(0);
  const int rank = n.rank(0), axis = n.axis("axis", 0, rank);
  const bool keep = n.integer("keepdims", 1) != 0, last = n.integer("select_last_index", 0) != 0;
  if (!last) return n.out(n.make<Op>({.axis = axis, .keep = keep}, {x}));
  // The last of equal ones is the first from the other end.
  const extent_t extent = n.shape(0)[axis];
  if (extent < 0) n.refuse("the extent of the axis is not known: give it in onnx_options::extents");
  const any_tensor from_end = n.make<Op>({.axis = axis, .keep = keep}, {reverse(x, {axis})});
  n.out(n.scalar(i64, extent - 1) - from_end);
}

constexpr mapping table[] = {
    {"ArgMax", position<ops::argmax_op>},
    {"ArgMin", position<ops::argmin_op>},
    {"ReduceL1",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return l1_norm(x, at); });
     }},
    {"ReduceL2", [](node_call& n) { reduce(n, l2); }},
    {"ReduceLogSum",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return log(sum(x, at)); });
     }},
    {"ReduceLogSumExp",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return logsumexp(x, at); });
     }},
    {"ReduceMax", largest},
    {"ReduceMean",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return mean(x, at); });
     }},
    {"ReduceMin", smallest},
    {"ReduceProd",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return prod(x, at); });
     }},
    {"ReduceSum", sum_over},
    {"ReduceSumSquare",
     [](node_call& n) {
       reduce(n, [](const any_tensor& x, const reduce_attrs& at) -> any_tensor { return sum(any_tensor(x * x), at); });
     }},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> reduction_operators() { return table; }

}  // namespace tenon::onnx
