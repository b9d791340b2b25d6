#include "tenon/ops/select_cast.hpp"

#include <cstring>

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<select_op> : select_op {
  template <class M, class V>
  static V scalar(M c, V a, V b) {
    return select(c, a, b);
  }
};
template <>
struct meaning<cast_op> : cast_op {
  template <class V>
  static auto scalar(const attrs& at, V x) {
    return cast(at.to, x);
  }
};
template <>
struct meaning<bitcast_op> : bitcast_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return c.load_bits(at.to, 0, i);
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

template <dtype To, dtype From>
void cast_row(const void*, extent_t n, char* const* data, const extent_t* s) {
  auto* out = reinterpret_cast<stored_t<To>*>(data[0]);
  const auto* in = reinterpret_cast<const stored_t<From>*>(data[1]);
  if (s[0] == 1 && s[1] == 1)
    for (extent_t i = 0; i < n; ++i) out[i] = to_stored<stored_t<To>>(from_stored(in[i]));
  else
    for (extent_t i = 0; i < n; ++i) out[i * s[0]] = to_stored<stored_t<To>>(from_stored(in[i * s[1]]));
}
template <dtype D>
void copy_row(const void*, extent_t n, char* const* data, const extent_t* s) {
  auto* out = reinterpret_cast<host_t<D>*>(data[0]);
  const auto* in = reinterpret_cast<const host_t<D>*>(data[1]);
  for (extent_t i = 0; i < n; ++i) out[i * s[0]] = in[i * s[1]];
}
template <dtype D>
void run_copy(const native_call& c) {
  run_map(c, copy_row<D>);
}

}  // namespace

template <>
struct override_of<ops::cast_op> {
  static native_fn choose(const cast_attrs& at, detail::dtypes t) {
    return with_dtype(at.to, native_fn{}, [&](auto to) {
      return with_dtype(t[0], native_fn{}, [](auto from) -> native_fn {
        return [](const native_call& c) { run_map(c, cast_row<decltype(to)::value, decltype(from)::value>); };
      });
    });
  }
};
template <>
struct override_of<ops::bitcast_op> {
  static native_fn choose(const cast_attrs& at, detail::dtypes) {
    switch (bits_type(at.to)) {
      case u8:
        return run_copy<u8>;
      case u16:
        return run_copy<u16>;
      case u32:
        return run_copy<u32>;
      default:
        return run_copy<u64>;
    }
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(select_op)
TENON_DEFINE(cast_op)
TENON_DEFINE(bitcast_op)
