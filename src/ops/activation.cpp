#include "tenon/ops/activation.hpp"

#include "ops/define.hpp"

TENON_DEFINE(relu_op)
TENON_DEFINE(sigmoid_op)
TENON_DEFINE(silu_op)
TENON_DEFINE(softplus_op)
TENON_DEFINE(softsign_op)
TENON_DEFINE(mish_op)
TENON_DEFINE(selu_op)
TENON_DEFINE(hard_swish_op)
TENON_DEFINE(leaky_relu_op)
TENON_DEFINE(elu_op)
TENON_DEFINE(celu_op)
TENON_DEFINE(hard_sigmoid_op)
TENON_DEFINE(gelu_op)
TENON_DEFINE(threshold_op)
TENON_DEFINE(clip_op)
TENON_DEFINE(prelu_op)
