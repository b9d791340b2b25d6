#include "tenon/ops/bitwise.hpp"

#include "ops/define.hpp"

TENON_DEFINE(bit_and_op)
TENON_DEFINE(bit_or_op)
TENON_DEFINE(bit_xor_op)
TENON_DEFINE(shift_left_op)
TENON_DEFINE(shift_right_op)
TENON_DEFINE(bit_not_op)
