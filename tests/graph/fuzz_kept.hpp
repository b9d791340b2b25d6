// Graphs that once came out wrong, as the fuzzer reduced them.
#pragma once
#include <vector>

namespace tenon::test {

inline const std::vector<const char*> kept_graphs = {
    // Numbers below 0 as attributes of unsigned maps: they wrapped in code and saturated natively.
    "graph(%x: u64[5,3,33]) {\n"
    "  %0 = clip{.low = -0.8125, .high = -1.1875}(%x) : u64[5,3,33]\n"
    "  return %0\n}\n",
    "graph(%x: u8[33,2]) {\n"
    "  %0 = clip{.low = 1, .high = -1.8125}(%x) : u8[33,2]\n"
    "  return %0\n}\n",
};

}  // namespace tenon::test
