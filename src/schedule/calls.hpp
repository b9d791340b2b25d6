// What a scheduled kernel amounts to, in the words of the primitives.
#pragma once
#include <string>
#include <vector>

#include "schedule/rules.hpp"

namespace tenon::scheduling {

/// The calls that would make a plain nest what these statements are: read off the statements themselves, so that it is
/// what runs. Loops are named as plain nests name them; what no primitive says is a remark in brackets.
std::vector<std::string> calls_of(const ir::computation&, const launch&);

}  // namespace tenon::scheduling
