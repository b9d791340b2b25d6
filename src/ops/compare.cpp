#include "tenon/ops/compare.hpp"

#include "ops/define.hpp"
#include "tenon/ops/logical.hpp"

TENON_DEFINE(equal_op)
TENON_DEFINE(not_equal_op)
TENON_DEFINE(less_op)
TENON_DEFINE(less_equal_op)
TENON_DEFINE(greater_op)
TENON_DEFINE(greater_equal_op)
TENON_DEFINE(logical_and_op)
TENON_DEFINE(logical_or_op)
TENON_DEFINE(logical_xor_op)
TENON_DEFINE(logical_not_op)
