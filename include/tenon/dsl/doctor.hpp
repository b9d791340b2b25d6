// What tenon finds on this machine.
#pragma once
#include "tenon/dsl/function.hpp"

namespace tenon {

/// What was looked for, what was found and what will be used: processor, threads, code generator, disk cache,
/// environment. Opens the code generator; throws nothing for what is missing, it says so. Prints.
explanation doctor();

}  // namespace tenon
