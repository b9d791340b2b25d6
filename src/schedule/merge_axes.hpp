// Neighbouring axes that everything in a computation has whole become one, and so do neighbouring loops of reductions:
// a 1 x 1 convolution over [h, w] is a product over h * w columns, a norm over [h, w] one over rows of h * w.
#pragma once
#include "loop/lower.hpp"

namespace tenon::scheduling {

/// Before: axes (..., h, w, ...), buffers x[..., h, w, ...] of extents (H, W), contiguous. After: one axis hw of extent
/// H * W, buffers x[..., hw, ...] of extent H * W; what else reads them there, a reduction over its own h and w, has
/// one loop instead of two. Left as it is where any access has only one of the two, or both with something added, or
/// where either is used as a number.
void merge_axes(ir::computation&);

}  // namespace tenon::scheduling
