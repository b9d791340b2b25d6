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
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) detail::normal_axis(o, at.axis, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// Running sums along the axis. f16 and bf16 are summed in f32; integers wrap. ONNX CumSum.
struct cumsum_op : scan_op {
  static constexpr const char* name = "cumsum";
};
/// Running products along the axis. NumPy cumprod.
struct cumprod_op : scan_op {
  static constexpr const char* name = "cumprod";
};

}  // namespace ops

inline constexpr detail::attr_fn<ops::cumsum_op> cumsum{};
inline constexpr detail::attr_fn<ops::cumprod_op> cumprod{};

}  // namespace tenon
