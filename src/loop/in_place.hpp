// Results made in the memory of an operand.
#pragma once
#include "loop/lower.hpp"

namespace tenon::ir {

/// The operand's parameter goes: it is read where the result is stored. Before loops exist; the operand has the
/// result's type and extents, lies as it does, and is read at the result's own indices alone.
void compute_in_place(computation&, const node& operand);
/// What has to hold of the kernel that was made of it, whose result is buffer `result`. Throws compile_error that shows
/// the statement. Each element is read for the last time where it is stored, and no point is stored twice:
///   - the buffer is loaded by stores to it alone, without a mask, at the indices that they store to;
///   - these indices, and where the loops around begin, hold no min or max: no tail is shifted over what is done.
void check_in_place(const kernel&, std::int64_t result);

}  // namespace tenon::ir
