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
    // A convolution of no channels: a tile of it had no step.
    "graph(%x: f32[4,0,4,5,4], %w: f32[4,0,4,5,4]) {\n"
    "  %0 = conv3d{.padding = {1,0,0}}(%x, %w) : f32[4,4,3,1,1]\n"
    "  return %0\n}\n",
    // Constant indices outside: the read behind the condition was refused.
    "graph(%x: f32[1], %u: f32[1]) {\n"
    "  %0 = constant{.value = i64[1] {-7}}() : i64[1]\n"
    "  %1 = scatter_elements{.mode = max}(%x, %0, %u) : f32[1]\n"
    "  return %1\n}\n",
    "graph(%x: u8[3,1], %u: u8[1,1]) {\n"
    "  %0 = constant{.value = i64[1,1] {-4}}() : i64[1,1]\n"
    "  %1 = scatter_nd{.mode = max}(%x, %0, %u) : u8[3,1]\n"
    "  return %1\n}\n",
    // A window over channels of which there are none.
    "graph(%x: f32[2,0,4]) {\n"
    "  %0 = lrn{.size = 2, .alpha = 0.5, .beta = 0.75, .bias = 1}(%x) : f32[2,0,4]\n"
    "  return %0\n}\n",
};

}  // namespace tenon::test
