// From an element type that the run time knows to a C++ type: the one switch over them.
#pragma once
#include <string_view>
#include <type_traits>

#include "tenon/core/dtype.hpp"
#include "tenon/core/error.hpp"

namespace tenon::detail {

template <dtype D>
using type_c = std::integral_constant<dtype, D>;

/// f(type_c<D>{}) for D = d; type_error for any_dtype.
template <class F>
auto with_dtype(dtype d, F f) -> decltype(f(type_c<f64>{})) {
  switch (d) {
    case f64:
      return f(type_c<f64>{});
    case f32:
      return f(type_c<f32>{});
    case f16:
      return f(type_c<f16>{});
    case bf16:
      return f(type_c<bf16>{});
    case i64:
      return f(type_c<i64>{});
    case i32:
      return f(type_c<i32>{});
    case i16:
      return f(type_c<i16>{});
    case i8:
      return f(type_c<i8>{});
    case u64:
      return f(type_c<u64>{});
    case u32:
      return f(type_c<u32>{});
    case u16:
      return f(type_c<u16>{});
    case u8:
      return f(type_c<u8>{});
    case b8:
      return f(type_c<b8>{});
    case any_dtype:
      break;
  }
  throw type_error("any_dtype: the element type is not known");
}

/// f(host_t<D>{}) for D = d; type_error for any_dtype.
template <class F>
auto with_host_type(dtype d, F f) -> decltype(f(double{})) {
  return with_dtype(d, [&](auto t) { return f(host_t<decltype(t)::value>{}); });
}

}  // namespace tenon::detail
