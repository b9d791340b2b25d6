#include "tenon/ops/dynamic.hpp"

#include "ops/define.hpp"
#include "ops/leaf.hpp"
#include "ops/packed.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/order.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::ops {

using ir::any_tensor;

any_tensor counted(extent_t n) {
  const iota_attrs at{.type = i64, .to = {n}};
  return any_tensor(detail::emit(detail::definition<iota_op>(), &at, nullptr, 0, std::source_location::current()));
}
any_tensor filled(extent_t n, std::int64_t value) {
  return broadcast_to(any_tensor(ir::make_scalar(i64, value, std::source_location::current())), extents(dims{n}));
}
packed_positions packed(const any_tensor& marks, extent_t n) {
  const any_tensor hit = cast(marks, i64), slot = cumsum(hit, {.axis = 0, .exclusive = true});
  // What is not marked goes outside of the result, where nothing is put.
  const any_tensor place = select(equal(hit, 1), slot, n);
  return {scatter_elements(filled(n, 0), place, counted(n), {.axis = 0}), sum(hit)};
}

namespace {

detail::node_ref expand_nonzero(const detail::node_ref& node, int i) {
  const dims d = detail::shape_of(node);
  if (!d.is_static()) return {};
  const any_tensor flat = reshape(any_tensor(node), extents(dims{d.count()}));
  const packed_positions all = packed(detail::type_of(node) == b8 ? flat : any_tensor(not_equal(flat, 0)), d.count());
  if (i == 1) return all.count.node();
  if (d.rank == 0) return any_tensor(reshape(filled(0, 0), extents(dims{0, 1}))).node();
  std::vector<any_tensor> rows;
  extent_t below = d.count();
  for (extent_t e : d) {
    below = e ? below / e : 0;
    const any_tensor along = below ? any_tensor(all.positions / below % e) : all.positions;
    rows.push_back(unsqueeze(along, {0}));
  }
  // Behind the last one are zeros: position 0 has them already.
  return (rows.size() == 1 ? rows[0] : any_tensor(concat(rows, {.axis = 0}))).node();
}

detail::node_ref expand_compress(const first_axis_attrs& at, const detail::node_ref& node,
                                 const detail::node_ref& marks, int i) {
  const dims m = detail::shape_of(marks), d = detail::shape_of(node);
  if (!m.is_static() || !d.is_static()) return {};
  const packed_positions all = packed(any_tensor(marks), m[0]);
  return (i == 1 ? all.count : any_tensor(gather(any_tensor(node), all.positions, {.axis = at.axis}))).node();
}

/// Which of the distinct elements, in ascending order, each of n is.
any_tensor groups_of_elements(const any_tensor& flat, extent_t n) {
  const auto in_order = sort(flat, {.axis = 0});
  const any_tensor v = std::get<0>(in_order), position(std::get<1>(in_order));
  const auto part = [&](int first, int last) -> any_tensor {
    return slice(v, {.start = {first}, .stop = {last}, .step = {}, .axes = {0}});
  };
  const any_tensor is_new = cast(not_equal(part(1, slice_end), part(0, -1)), i64);
  const any_tensor group = cumsum(concat(filled(1, 0), is_new, {.axis = 0}), {.axis = 0});
  return scatter_elements(filled(n, 0), position, group, {.axis = 0});
}
/// The same of the rows of [n, m], by comparing each with each.
any_tensor groups_of_rows(const any_tensor& rows) {
  const any_tensor a = unsqueeze(rows, {1}), b = unsqueeze(rows, {0});
  const any_tensor differs = not_equal(a, b);
  const any_tensor before = cumsum(cast(differs, i64), {.axis = 2, .exclusive = true});
  const any_tensor at_first = equal(before, 0);
  const reduce_attrs row{.axes = {2}};
  const any_tensor below = any(logical_and(less(b, a), logical_and(differs, at_first)), row);  // [i, j]: j before i
  const any_tensor same = logical_not(any(differs, row));
  // Row j is the first of its group when no row before it is the same.
  const extent_t n = detail::shape_of(rows.node())[0];
  const any_tensor place = counted(n);
  const any_tensor earlier = logical_and(same, less(unsqueeze(place, {0}), unsqueeze(place, {1})));
  const any_tensor is_first = logical_not(any(earlier, {.axes = {1}}));
  return sum(cast(logical_and(below, unsqueeze(is_first, {0})), i64), {.axes = {1}});
}

detail::node_ref expand_unique(const unique_attrs& at, const detail::node_ref& node, int i) {
  const dims d = detail::shape_of(node);
  if (!d.is_static()) return {};
  const any_tensor x = at.flat ? any_tensor(reshape(any_tensor(node), extents(dims{d.count()}))) : any_tensor(node);
  const int rank = at.flat ? 1 : d.rank, axis = at.flat ? 0 : at.axis < 0 ? at.axis + rank : at.axis;
  const extent_t n = at.flat ? d.count() : d[axis];
  if (n <= 1) return (i == 0 ? x : filled(n, i == 3 ? 1 : 0)).node();
  any_tensor group;
  if (at.flat) {
    group = groups_of_elements(x, n);
  } else {
    ints front{axis};
    for (int k = 0; k < rank; ++k)
      if (k != axis) front.v[front.size++] = k;
    group = groups_of_rows(reshape(any_tensor(transpose(x, front)), extents(dims{n, d.count() / n})));
  }
  any_tensor first = scatter_elements(filled(n, n), group, counted(n), {.axis = 0, .mode = scatter_mode::min});
  any_tensor counts = scatter_elements(filled(n, 0), group, filled(n, 1), {.axis = 0, .mode = scatter_mode::add});
  if (!at.sorted) {
    // A group's place is the number of groups that begin before it; what is behind all groups stays there.
    const any_tensor marks = scatter_elements(filled(n, 0), first, filled(n, 1), {.axis = 0});
    const any_tensor before = cumsum(marks, {.axis = 0, .exclusive = true});
    const any_tensor place = select(less(first, n), gather(before, first, {.axis = 0}), counted(n));
    group = gather(place, group, {.axis = 0});
    first = scatter_elements(filled(n, n), place, first, {.axis = 0});
    counts = scatter_elements(filled(n, 0), place, counts, {.axis = 0});
  }
  first = minimum(first, n - 1);
  return (i == 0 ? any_tensor(gather(x, first, {.axis = axis})) : i == 1 ? first : i == 2 ? group : counts).node();
}

}  // namespace

template <>
struct meaning<narrow_op> : narrow_op {
  template <class X>
  static X expand(const attrs&, const X&, const X&) {
    return X();  // never: it waits for its count
  }
};
template <>
struct meaning<nonzero_op> : nonzero_op {
  template <class X>
  static std::tuple<X, X> expand(const attrs&, const X& x) {
    return {X(expand_nonzero(x.node(), 0)), X(expand_nonzero(x.node(), 1))};
  }
};
template <>
struct meaning<compress_op> : compress_op {
  template <class X>
  static std::tuple<X, X> expand(const attrs& at, const X& x, const X& marks) {
    return {X(expand_compress(at, x.node(), marks.node(), 0)), X(expand_compress(at, x.node(), marks.node(), 1))};
  }
};
template <>
struct meaning<unique_op> : unique_op {
  template <class X>
  static std::tuple<X, X, X, X> expand(const attrs& at, const X& x) {
    return {X(expand_unique(at, x.node(), 0)), X(expand_unique(at, x.node(), 1)), X(expand_unique(at, x.node(), 2)),
            X(expand_unique(at, x.node(), 3))};
  }
};

}  // namespace tenon::ops

TENON_DEFINE(narrow_op)
TENON_DEFINE(nonzero_op)
TENON_DEFINE(compress_op)
TENON_DEFINE(unique_op)
