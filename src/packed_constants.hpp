// Constants in the layout that a kernel wants, shared by all callables of the process that hold them.
#pragma once
#include "ops/leaf.hpp"
#include "runtime/executable.hpp"
#include "schedule/rules.hpp"

namespace tenon {

/// The packed constant: made now, or the one that somebody still holds. Equal values are one, whoever loaded them.
runtime::constant packed(const ir::constant_value&, const scheduling::constant_packing&);

}  // namespace tenon
