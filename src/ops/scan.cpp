#include "tenon/ops/scan.hpp"

#include "ops/define.hpp"
#include "tenon/ops/sort.hpp"

TENON_DEFINE(cumsum_op)
TENON_DEFINE(cumprod_op)
TENON_DEFINE(top_k_op)
