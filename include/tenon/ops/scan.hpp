// Scans: running sums and products along an axis, as programs.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {

/// Of `cumsum` and `cumprod`: the axis, whether an element leaves itself out, whether from the end.
struct scan_attrs {
  int axis = -1;
  bool exclusive = false, reverse = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("exclusive", s.exclusive);
    v("reverse", s.reverse);
  }
  friend constexpr bool operator==(const scan_attrs&, const scan_attrs&) = default;
};

namespace ops {

struct scan_op : unary_over<domain::numbers> {
  using attrs = scan_attrs;
  static constexpr const char* kind_of = "program";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) detail::normal_axis(o, at.axis, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
  template <class P, class F>
  static void run(P& p, const attrs& at, double first, F combine) {
    using I = typename P::indices;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    I others;
    for (int d = 0; d < rank; ++d)
      if (d != axis) others.push_back(p.extent(0, d));
    p.outer(others, [&](const I& o) {
      auto total = p.local(p.constant(first));
      p.loop(p.to_index(0), p.extent(0, axis), [&](const typename P::index& t) {
        I x;
        for (int d = 0, k = 0; d < rank; ++d)
          x.push_back(d != axis ? o[k++] : at.reverse ? p.extent(0, axis) - p.to_index(1) - t : t);
        if (at.exclusive) p.store(0, x, total.get());
        total.set(combine(total.get(), p.load(0, x)));
        if (!at.exclusive) p.store(0, x, total.get());
      });
    });
  }
};
/// Running sums along the axis. f16 and bf16 are summed in f32; integers wrap. ONNX CumSum.
struct cumsum_op : scan_op {
  static constexpr const char* name = "cumsum";
  template <class P>
  static void program(P& p, const attrs& at) {
    run(p, at, 0, [](const typename P::value& a, const typename P::value& b) { return a + b; });
  }
};
/// Running products along the axis. NumPy cumprod.
struct cumprod_op : scan_op {
  static constexpr const char* name = "cumprod";
  template <class P>
  static void program(P& p, const attrs& at) {
    run(p, at, 1, [](const typename P::value& a, const typename P::value& b) { return a * b; });
  }
};

}  // namespace ops

inline constexpr detail::attr_fn<ops::cumsum_op> cumsum{};
inline constexpr detail::attr_fn<ops::cumprod_op> cumprod{};

}  // namespace tenon
