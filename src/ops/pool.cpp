#include "tenon/ops/pool.hpp"

#include "ops/define.hpp"

TENON_DEFINE(max_pool_op)
TENON_DEFINE(sum_pool_op)
TENON_DEFINE(avg_pool_op)
TENON_DEFINE(global_max_pool_op)
TENON_DEFINE(global_avg_pool_op)
