#include "tenon/ops/boxes.hpp"

#include <algorithm>
#include <vector>

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/packed.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/order.hpp"

namespace tenon::ops {

template <>
struct meaning<suppress_overlaps_op> : suppress_overlaps_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    using X = typename P::index;
    using V = typename P::value;
    const int last = p.rank(1) - 1;
    I lead;
    for (int d = 0; d < last; ++d) lead.push_back(p.extent(1, d));
    p.outer(lead, [&](const I& o) {
      const auto place = [&](const X& i) {
        I x = o;
        x.push_back(i);
        return x;
      };
      const auto corner = [&](const X& i, int k) {
        I x = place(i);
        x.push_back(p.to_index(k));
        return p.load(0, x);
      };
      const X zero = p.to_index(0), one = p.to_index(1);
      const V none = p.constant(0);
      const auto area = [&](const V& y0, const V& x0, const V& y1, const V& x1) {
        return max(y1 - y0, none) * max(x1 - x0, none);
      };
      auto left = p.local_index(p.to_index(at.most));  // that may still be kept
      p.loop(zero, p.extent(1, last), [&](const X& i) {
        const typename P::mask counts = (p.load(1, place(i)) > p.constant(at.score)) & (left.get() > zero);
        auto kept = p.local_index(p.select(counts, one, zero));
        p.branch(kept.get() > zero, [&] {
          p.loop(zero, i, [&](const X& j) {
            const typename P::mask still = kept.get() > zero;
            p.branch(still & (p.load_result_index(0, place(j)) > zero), [&] {
              const V shared = area(max(corner(i, 0), corner(j, 0)), max(corner(i, 1), corner(j, 1)),
                                    min(corner(i, 2), corner(j, 2)), min(corner(i, 3), corner(j, 3)));
              const V both = area(corner(i, 0), corner(i, 1), corner(i, 2), corner(i, 3)) +
                             area(corner(j, 0), corner(j, 1), corner(j, 2), corner(j, 3)) - shared;
              p.branch((shared > none) & (shared > both * p.constant(at.overlap)), [&] { kept.set(zero); });
            });
          });
        });
        p.store(0, place(i), kept.get());
        left.set(left.get() - kept.get());
      });
    });
  }
};

}  // namespace tenon::ops

TENON_DEFINE(suppress_overlaps_op)

namespace tenon::ops {
namespace {
using ir::any_tensor;

any_tensor column(const any_tensor& boxes, int k) {
  return slice(boxes, {.start = {k}, .stop = {k + 1}, .step = {}, .axes = {-1}});
}

/// Where the elements of a cut lie along one axis of an image: [r, size].
struct cut_axis {
  any_tensor low, high, weight, inside;  // the weight is that of the higher element
};
cut_axis elements_along(const any_tensor& first, const any_tensor& last, int size, extent_t extent, bool nearest) {
  const double reach = static_cast<double>(extent - 1);
  const any_tensor step = cast(counted(size), detail::type_of(first.node()));
  const any_tensor at = size > 1 ? any_tensor(first * reach + step * ((last - first) * (reach / (size - 1))))
                                 : any_tensor((first + last) * (reach / 2) + step);
  cut_axis a;
  a.inside = logical_and(at >= 0.0, at <= reach);
  const any_tensor within = clip(at, {.low = 0, .high = reach}), low = nearest ? round(within) : floor(within);
  a.weight = within - low;
  a.low = cast(low, i64);
  a.high = minimum(any_tensor(a.low + 1), extent - 1);
  return a;
}

detail::node_ref expand_crop(const crop_attrs& at, const detail::node_ref& node, const detail::node_ref& boxes_node,
                             const detail::node_ref& batch_node) {
  const dims d = detail::shape_of(node), r = detail::shape_of(boxes_node);
  if (!d.is_static() || !r.is_static()) return {};
  const any_tensor x(node), boxes = widened(any_tensor(boxes_node)), batch = cast(any_tensor(batch_node), i64);
  const cut_axis down = elements_along(column(boxes, 0), column(boxes, 2), at.height, d[2], at.nearest);
  const cut_axis across = elements_along(column(boxes, 1), column(boxes, 3), at.width, d[3], at.nearest);
  // The plane of each box and channel, [r, c, 1, 1].
  const any_tensor plane = unsqueeze(unsqueeze(batch, {1}) * d[1] + counted(d[1]), {2, 3});
  const any_tensor flat = reshape(x, {dyn});
  const auto row = [](const any_tensor& v) -> any_tensor { return unsqueeze(v, {1, 3}); };
  const auto across_of = [](const any_tensor& v) -> any_tensor { return unsqueeze(v, {1, 2}); };
  const auto element = [&](const any_tensor& i, const any_tensor& j) -> any_tensor {
    return widened(any_tensor(gather(flat, any_tensor((plane * d[2] + row(i)) * d[3] + across_of(j)), {.axis = 0})));
  };
  any_tensor y = element(down.low, across.low);
  if (!at.nearest) {
    const any_tensor wr = row(down.weight), wc = across_of(across.weight);
    const any_tensor upper = y + (element(down.low, across.high) - y) * wc;
    const any_tensor low = element(down.high, across.low);
    const any_tensor lower = low + (element(down.high, across.high) - low) * wc;
    y = upper + (lower - upper) * wr;
  }
  y = select(logical_and(row(down.inside), across_of(across.inside)), y, at.outside);
  return narrowed(y, x).node();
}

detail::node_ref expand_suppression(const suppression_attrs& at, const detail::node_ref& boxes_node,
                                    const detail::node_ref& scores_node, int i) {
  const dims d = detail::shape_of(scores_node);
  if (!d.is_static() || !detail::shape_of(boxes_node).is_static()) return {};
  const extent_t images = d[0], classes = d[1], n = d[2];
  const any_tensor boxes = widened(any_tensor(boxes_node));
  const auto sorted = sort(widened(any_tensor(scores_node)), {.axis = -1, .descending = true});
  const any_tensor scores = std::get<0>(sorted), order(std::get<1>(sorted));
  any_tensor low_y, low_x, high_y, high_x;
  if (at.centered) {
    const any_tensor x = column(boxes, 0), y = column(boxes, 1), w = column(boxes, 2) * 0.5, h = column(boxes, 3) * 0.5;
    low_y = y - h, low_x = x - w, high_y = y + h, high_x = x + w;
  } else {
    const any_tensor y0 = column(boxes, 0), x0 = column(boxes, 1), y1 = column(boxes, 2), x1 = column(boxes, 3);
    low_y = minimum(y0, y1), low_x = minimum(x0, x1), high_y = maximum(y0, y1), high_x = maximum(x0, x1);
  }
  const any_tensor corners =
      reshape(any_tensor(concat(std::vector<any_tensor>{low_y, low_x, high_y, high_x}, {.axis = 2})),
              extents(dims{images * n, 4}));
  // The boxes in each class' order of scores, [images, classes, n, 4].
  const any_tensor place = order + reshape(any_tensor(counted(images) * n), extents(dims{images, 1, 1}));
  const any_tensor in_order = gather(corners, place, {.axis = 0});
  const any_tensor kept(
      detail::apply_dynamic<suppress_overlaps_op>(std::source_location::current(), at, in_order, scores));
  const packed_positions all = packed(any_tensor(reshape(kept, extents(dims{d.count()}))), d.count());
  if (i == 1) return all.count.node();
  const extent_t rows = images * classes * std::min<extent_t>(n, at.most);
  if (rows == 0) return any_tensor(reshape(filled(0, 0), extents(dims{0, 3}))).node();
  const any_tensor first =
      slice(all.positions, {.start = {0}, .stop = {static_cast<int>(rows)}, .step = {}, .axes = {0}});
  const any_tensor counts_here = less(counted(rows), all.count);
  const auto only_there = [&](const any_tensor& v) -> any_tensor {
    return unsqueeze(any_tensor(select(counts_here, v, 0)), {1});
  };
  const any_tensor box = gather(any_tensor(reshape(order, extents(dims{d.count()}))), first, {.axis = 0});
  const std::vector<any_tensor> columns{only_there(first / (classes * n)), only_there(first / n % classes),
                                        only_there(box)};
  return any_tensor(concat(columns, {.axis = 1})).node();
}

}  // namespace

template <>
struct meaning<crop_and_resize_op> : crop_and_resize_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& boxes, const X& batch) {
    return X(expand_crop(at, x.node(), boxes.node(), batch.node()));
  }
};
template <>
struct meaning<non_max_suppression_op> : non_max_suppression_op {
  template <class X>
  static std::tuple<X, X> expand(const attrs& at, const X& boxes, const X& scores) {
    return {X(expand_suppression(at, boxes.node(), scores.node(), 0)),
            X(expand_suppression(at, boxes.node(), scores.node(), 1))};
  }
};

}  // namespace tenon::ops

TENON_DEFINE(crop_and_resize_op)
TENON_DEFINE(non_max_suppression_op)
