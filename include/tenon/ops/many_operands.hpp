// Function objects with attributes (attr_fn) of six to nine operands, which few operators have.
#pragma once
#include "tenon/dsl/apply.hpp"

namespace tenon::detail {

#define TENON_OPERANDS_6(m) m(A, a), m(B, b), m(C, c), m(D, d), m(E, e), m(F, f)
#define TENON_OPERANDS_7(m) TENON_OPERANDS_6(m), m(G, g)
#define TENON_OPERANDS_8(m) TENON_OPERANDS_7(m), m(H, h)
#define TENON_OPERANDS_9(m) TENON_OPERANDS_8(m), m(I, i)
#define TENON_AS_PARAMETER(T, x) operand_or_number T
#define TENON_AS_REFERENCE(T, x) const T& x
#define TENON_AS_NAME(T, x) x
#define TENON_ATTR_CALLS(n)                                                                                  \
  template <class Op>                                                                                        \
  struct attr_calls<Op, n> {                                                                                 \
    template <TENON_OPERANDS_##n(TENON_AS_PARAMETER)>                                                        \
    auto operator()(TENON_OPERANDS_##n(TENON_AS_REFERENCE), loc w = std::source_location::current()) const { \
      return apply_static<Op, typename Op::attrs{}>(w, TENON_OPERANDS_##n(TENON_AS_NAME));                   \
    }                                                                                                        \
    template <TENON_OPERANDS_##n(TENON_AS_PARAMETER)>                                                        \
    auto operator()(TENON_OPERANDS_##n(TENON_AS_REFERENCE), const typename Op::attrs& at,                    \
                    loc w = std::source_location::current()) const {                                         \
      return apply_dynamic<Op>(w, at, TENON_OPERANDS_##n(TENON_AS_NAME));                                    \
    }                                                                                                        \
    template <typename Op::attrs Attrs, TENON_OPERANDS_##n(TENON_AS_PARAMETER)>                              \
    auto with(TENON_OPERANDS_##n(TENON_AS_REFERENCE), loc w = std::source_location::current()) const {       \
      return apply_static<Op, Attrs>(w, TENON_OPERANDS_##n(TENON_AS_NAME));                                  \
    }                                                                                                        \
  };
TENON_ATTR_CALLS(6)
TENON_ATTR_CALLS(7)
TENON_ATTR_CALLS(8)
TENON_ATTR_CALLS(9)
#undef TENON_ATTR_CALLS
#undef TENON_AS_NAME
#undef TENON_AS_REFERENCE
#undef TENON_AS_PARAMETER
#undef TENON_OPERANDS_9
#undef TENON_OPERANDS_8
#undef TENON_OPERANDS_7
#undef TENON_OPERANDS_6

}  // namespace tenon::detail
