#include "stage_times.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tenon {

void stage_times::add(std::string_view stage, double seconds) {
  const std::lock_guard lock(mutex_);
  auto l = std::ranges::find(lines_, stage, &line::stage);
  if (l == lines_.end()) l = lines_.insert(l, {std::string(stage), 0, 0});
  l->seconds += seconds;
  ++l->times;
}

std::string stage_times::table(std::string_view title) const {
  const std::lock_guard lock(mutex_);
  std::string s = fmt::format("// {}\n", title);
  double sum = 0;
  for (const line& l : lines_) {
    s += fmt::format("//   {:<28} {:>10.3f} ms {:>7}x\n", l.stage, l.seconds * 1e3, l.times);
    sum += l.seconds;
  }
  return s + fmt::format("//   {:<28} {:>10.3f} ms\n", "all stages", sum * 1e3);
}

}  // namespace tenon
