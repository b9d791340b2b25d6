#include "tenon/ops/math.hpp"

#include "ops/define.hpp"

// Each is the scalars' function of its name (loop/prim.hpp).
#define TENON_DEFINE_MAP(n)                        \
  template <>                                      \
  struct tenon::ops::meaning<tenon::ops::n##_op> { \
    template <class V>                             \
    static auto scalar(V x) {                      \
      return n(x);                                 \
    }                                              \
  };                                               \
  TENON_DEFINE(n##_op)

TENON_DEFINE_MAP(floor)
TENON_DEFINE_MAP(ceil)
TENON_DEFINE_MAP(round)
TENON_DEFINE_MAP(trunc)
TENON_DEFINE_MAP(sqrt)
TENON_DEFINE_MAP(rsqrt)
TENON_DEFINE_MAP(reciprocal)
TENON_DEFINE_MAP(exp)
TENON_DEFINE_MAP(exp2)
TENON_DEFINE_MAP(expm1)
TENON_DEFINE_MAP(log)
TENON_DEFINE_MAP(log2)
TENON_DEFINE_MAP(log1p)
TENON_DEFINE_MAP(sin)
TENON_DEFINE_MAP(cos)
TENON_DEFINE_MAP(tan)
TENON_DEFINE_MAP(asin)
TENON_DEFINE_MAP(acos)
TENON_DEFINE_MAP(atan)
TENON_DEFINE_MAP(sinh)
TENON_DEFINE_MAP(cosh)
TENON_DEFINE_MAP(tanh)
TENON_DEFINE_MAP(asinh)
TENON_DEFINE_MAP(acosh)
TENON_DEFINE_MAP(atanh)
TENON_DEFINE_MAP(erf)
TENON_DEFINE_MAP(isnan)
TENON_DEFINE_MAP(isinf)
