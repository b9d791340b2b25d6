#include "tenon/ops/indexing.hpp"

#include "ops/define.hpp"

TENON_DEFINE(gather_op)
TENON_DEFINE(gather_elements_op)
TENON_DEFINE(embedding_op)
TENON_DEFINE(iota_op)
TENON_DEFINE(one_hot_op)
