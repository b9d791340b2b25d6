// The rules that expr_arena's constructors follow.
#pragma once
#include <span>

#include "loop/expr.hpp"

namespace tenon::ir {

/// The simpler form of a well-typed operation, or null when it already has it. Bit-exact: integers as they wrap, floats
/// to the last bit; index arithmetic (expr::is_index) is taken not to overflow.
expr_ref simplify(expr_arena&, prim, std::span<const expr_ref>);
/// Whether cast(to, cast(middle, x)) is cast(to, x) for every x of type `from`.
bool cast_of_cast_is_cast(dtype to, dtype middle, dtype from);
/// Sets what is known of a new node from its operands.
void note_range(expr&);

}  // namespace tenon::ir
