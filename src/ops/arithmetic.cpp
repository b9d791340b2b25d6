#include "tenon/ops/arithmetic.hpp"

#include "ops/define.hpp"

TENON_DEFINE(add_op)
TENON_DEFINE(sub_op)
TENON_DEFINE(mul_op)
TENON_DEFINE(div_op)
TENON_DEFINE(mod_op)
TENON_DEFINE(pow_op)
TENON_DEFINE(minimum_op)
TENON_DEFINE(maximum_op)
TENON_DEFINE(atan2_op)
TENON_DEFINE(neg_op)
TENON_DEFINE(abs_op)
TENON_DEFINE(sign_op)
