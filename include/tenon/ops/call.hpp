// Lists of user functions of operators without attributes: function templates, found by argument-dependent lookup, so
// that they live beside C's functions of the same name.
#pragma once
#include "tenon/dsl/apply.hpp"
#include "tenon/ops/op.hpp"

#define TENON_UNARY_FUNCTION(n)                                     \
  template <operand X>                                              \
  auto n(const X& x, loc where = std::source_location::current()) { \
    return detail::apply<ops::n##_op>(where, x);                    \
  }
#define TENON_BINARY_FUNCTION(n)                                                \
  template <class A, class B>                                                   \
    requires some_operands<A, B>                                                \
  auto n(const A& a, const B& b, loc where = std::source_location::current()) { \
    return detail::apply<ops::n##_op>(where, a, b);                             \
  }
