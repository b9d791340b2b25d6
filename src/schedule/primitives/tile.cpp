// tile(i, j, 4, 8): two splits and a reorder.
//
//   for i                        for i.o
//     for j                        for j.o
//       y[i, j] = x[i, j]            for i.i in [0, 4)
//                                      for j.i in [0, 8)
//                                        y[i.o * 4 + i.i, j.o * 8 + j.i] = ...
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> tile(nest& n, const step& s) {
  const int a = s.loops[0], b = s.loops[1];
  if (a == b) throw refusal{fmt::format("{} is given twice", n.loops[static_cast<std::size_t>(a)].name), a};
  const auto half = [&](int loop, std::int64_t factor) {
    return split(n, {.kernel = s.kernel, .primitive = "split", .loops = {loop}, .numbers = {factor}, .tail = s.tail});
  };
  const std::vector<int> x = half(a, s.numbers[0]), y = half(b, s.numbers[1]);
  const std::vector<int> all{x[0], y[0], x[1], y[1]};
  reorder(n, {.kernel = s.kernel, .primitive = "reorder", .loops = all});
  return all;
}

}  // namespace tenon::scheduling
