#include "tenon/ops/scan.hpp"
#include "tenon/ops/sort.hpp"

#include "ops/define.hpp"

TENON_DEFINE(cumsum_op)
TENON_DEFINE(cumprod_op)
TENON_DEFINE(top_k_op)
