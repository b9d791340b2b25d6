#include "tenon/ops/norm.hpp"

#include "ops/define.hpp"

TENON_DEFINE(softmax_op)
TENON_DEFINE(log_softmax_op)
TENON_DEFINE(logsumexp_op)
TENON_DEFINE(l1_norm_op)
TENON_DEFINE(l2_norm_op)
TENON_DEFINE(layer_norm_op)
TENON_DEFINE(rms_norm_op)
TENON_DEFINE(batch_norm_op)
TENON_DEFINE(instance_norm_op)
TENON_DEFINE(group_norm_op)
TENON_DEFINE(l2_normalize_op)
TENON_DEFINE(glu_op)
