#include "step_list.hpp"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

using runtime::slot;
using runtime::step;

const std::shared_ptr<const runtime::code>& copy_code() {
  static const std::shared_ptr<const runtime::code> code = [] {
    auto c = std::make_shared<runtime::code>();
    c->name = "copy";
    c->entry = [](const runtime::kernel_call* call) -> std::int32_t {
      std::memcpy(call->buffers[1], call->buffers[0], static_cast<std::size_t>(call->values[0]));
      return 0;
    };
    return c;
  }();
  return code;
}

bool is(const slot& s, slot::kind kind, std::uint32_t index) { return s.where == kind && s.index == index; }
bool touches(const step& s, slot::kind kind, std::uint32_t index) {
  return std::ranges::any_of(s.buffers, [&](const slot& b) { return is(b, kind, index); });
}

}  // namespace

void step_list::copy(const slot& from, const slot& to, std::int64_t bytes) {
  if (bytes == 0 || from == to) return;
  step s;
  s.kernel = copy_code();
  s.buffers = {from, to};
  s.values = {bytes};
  to_.steps.push_back(std::move(s));
}
std::int64_t step_list::jump(std::int64_t target) {
  step s;
  s.target = target;
  to_.steps.push_back(std::move(s));
  return next() - 1;
}
std::int64_t step_list::jump_if_zero(const slot& condition, std::int64_t target) {
  const std::int64_t at = jump(target);
  to_.steps.back().buffers = {condition};
  return at;
}

std::vector<std::int64_t> step_list::append(const runtime::executable& body, std::span<const slot> arguments,
                                            std::span<const slot> results, std::int64_t workspace) {
  const std::int64_t first = next();
  std::vector<std::uint32_t> constants;
  for (const runtime::constant& c : body.constants) {
    auto known = std::ranges::find(to_.constants, c.data, &runtime::constant::data);
    constants.push_back(static_cast<std::uint32_t>(known - to_.constants.begin()));
    if (known == to_.constants.end()) to_.constants.push_back(c);
  }
  std::vector<std::int64_t> placed;
  for (const step& s : body.steps) {
    placed.push_back(next());
    step made = s;
    for (slot& b : made.buffers) {
      const std::int64_t offset = b.offset;
      switch (b.where) {
        case slot::kind::argument:
          b = arguments[b.index];
          b.offset += offset;
          break;
        case slot::kind::result:
          b = results[b.index];
          b.offset += offset;
          break;
        case slot::kind::constant:
          b.index = constants[b.index];
          break;
        case slot::kind::workspace:
          b.offset += workspace;
          break;
      }
    }
    if (is_copy(made) && made.buffers[0] == made.buffers[1]) continue;
    to_.steps.push_back(std::move(made));
  }
  placed.push_back(next());
  for (std::size_t at = static_cast<std::size_t>(first); at < to_.steps.size(); ++at)
    if (step& s = to_.steps[at]; !s.kernel) s.target = placed[static_cast<std::size_t>(s.target)];
  return placed;
}

std::vector<step> step_list::take_from(std::int64_t first) {
  const auto from = to_.steps.begin() + first;
  std::vector<step> taken(std::make_move_iterator(from), std::make_move_iterator(to_.steps.end()));
  to_.steps.erase(from, to_.steps.end());
  for (step& s : taken)
    if (!s.kernel) s.target -= first;
  return taken;
}

bool is_copy(const step& s) { return s.kernel && s.kernel == copy_code(); }

bool may_share(const runtime::executable& e, std::uint32_t argument, std::uint32_t result) {
  const auto n = static_cast<std::int64_t>(e.steps.size());
  std::int64_t last_read = -1, first_write = n;
  // A loop is one step as far as order goes: what comes later in it also comes before.
  std::vector<std::int64_t> begin(e.steps.size()), end(e.steps.size());
  for (std::int64_t at = 0; at < n; ++at) begin[at] = end[at] = at;
  for (std::int64_t at = 0; at < n; ++at)
    if (const step& s = e.steps[at]; !s.kernel && s.target <= at)
      for (std::int64_t k = s.target; k <= at; ++k) {
        begin[k] = std::min(begin[k], s.target);
        end[k] = std::max(end[k], at);
      }
  for (std::int64_t at = 0; at < n; ++at) {
    const step& s = e.steps[at];
    const bool reads = touches(s, slot::kind::argument, argument), writes = touches(s, slot::kind::result, result);
    if (is_copy(s) && reads && writes && s.buffers[0].offset == 0 && s.buffers[1].offset == 0) continue;
    if (reads) last_read = std::max(last_read, end[at]);
    if (writes) first_write = std::min(first_write, begin[at]);
  }
  return last_read < first_write;
}

std::vector<std::int64_t> replace_result(runtime::executable& e, std::uint32_t result, const slot& by) {
  runtime::executable before;
  before.steps = std::move(e.steps);
  e.steps.clear();
  std::vector<slot> arguments, results;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(e.arguments); ++i)
    arguments.push_back({slot::kind::argument, i, 0});
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(e.results); ++i)
    results.push_back({slot::kind::result, i, 0});
  results[result] = by;
  // The constants stay where they are.
  before.constants = e.constants;
  return step_list(e).append(before, arguments, results, 0);
}

}  // namespace tenon
