#include "tenon/ops/scatter.hpp"

#include "ops/define.hpp"

TENON_DEFINE(scatter_elements_op)
TENON_DEFINE(scatter_nd_op)
TENON_DEFINE(gather_nd_op)
