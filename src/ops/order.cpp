#include "tenon/ops/order.hpp"

#include "ops/define.hpp"

TENON_DEFINE(sort_op)
