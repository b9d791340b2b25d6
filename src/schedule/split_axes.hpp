// An axis of which an index has only the quotient or the remainder becomes two: the output channels of a grouped
// convolution become groups and channels of one group, so that each group is a sum of products with affine indices.
#pragma once
#include "loop/lower.hpp"

namespace tenon::scheduling {

/// Before: axis o of extent G * P, in a reduction x[o / P * C + c] * w[o, c], y[o]. After: axes g of extent G and p of
/// extent P, x[g * C + c] * w[g * P + p, c], y[g, p]. Only where P divides the extent and neither is 1.
void split_axes(ir::computation&);

}  // namespace tenon::scheduling
