// The public schedule: nests, the record of what was done to them, and the callable that they came from.
#include "tenon/schedule/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "function.hpp"
#include "tenon/core/error.hpp"

namespace tenon {

struct any_schedule::state {
  detail::function_ref function;
  scheduling::record record;
  std::vector<scheduling::nest> nests;

  state(const detail::function_ref& f, scheduling::record r) : function(f), record(std::move(r)) {
    nests = detail::plain_nests(*function, record.extents);
  }

  std::string names() const {
    std::string s;
    for (const scheduling::nest& n : nests) s += fmt::format("{}{}", s.empty() ? "" : ", ", n.kernel);
    return s.empty() ? "none" : s;
  }
  // The step is recorded when it was taken.
  std::vector<int> take(int kernel, scheduling::step s) {
    if (kernel < 0 || kernel >= static_cast<int>(nests.size()))
      throw schedule_error(
          fmt::format("{}: a loop of kernel {}; the schedule has {}: {}", s.primitive, kernel, nests.size(), names()));
    scheduling::nest& n = nests[static_cast<std::size_t>(kernel)];
    s.kernel = n.kernel;
    record.steps.push_back(s);
    try {
      return apply(n, s);
    } catch (...) {
      record.steps.pop_back();
      throw;
    }
  }
  // The loops of one step are of one nest.
  std::vector<int> take(const char* primitive, std::initializer_list<loop_handle> loops,
                        std::vector<std::int64_t> numbers = {}, tail t = tail::guard, std::string_view value = {}) {
    scheduling::step s{.kernel = {},
                       .primitive = primitive,
                       .loops = {},
                       .numbers = std::move(numbers),
                       .tail = t,
                       .value = std::string(value)};
    const int kernel = loops.size() ? loops.begin()->kernel : -1;
    for (const loop_handle l : loops) {
      if (l.kernel != kernel)
        throw schedule_error(
            fmt::format("{}: loops of two kernels, {} and {}, of: {}", primitive, kernel, l.kernel, names()));
      s.loops.push_back(l.id);
    }
    return take(kernel, std::move(s));
  }
  // A step that makes loops of its own.
  std::vector<loop_handle> make(const char* primitive, loop_handle at, std::string_view value,
                                std::vector<std::int64_t> numbers = {}) {
    std::vector<loop_handle> r;
    for (int id : take(primitive, {at}, std::move(numbers), tail::guard, value)) r.push_back({at.kernel, id});
    return r;
  }
  void replay() {
    std::vector<scheduling::step> steps;
    steps.swap(record.steps);
    for (scheduling::step& s : steps) {
      const auto n = std::ranges::find(nests, s.kernel, &scheduling::nest::kernel);
      if (n == nests.end())
        throw schedule_error(fmt::format("schedule record: there is no kernel {}; there are: {}", s.kernel, names()));
      take(static_cast<int>(n - nests.begin()), std::move(s));
    }
  }
};

any_schedule::any_schedule(const any_schedule& o) : state_(new state(*o.state_)) {}
any_schedule& any_schedule::operator=(const any_schedule& o) {
  *state_ = state(*o.state_);
  return *this;
}
any_schedule::~any_schedule() { delete state_; }

any_schedule::any_schedule(const detail::function_ref& f, std::initializer_list<dims> extents)
    : state_(new state(f, {.extents = extents, .steps = {}})) {}
any_schedule::any_schedule(const detail::function_ref& f, std::string_view json) : state_(nullptr) {
  auto made = std::make_unique<state>(f, scheduling::parse_record(json));
  made->replay();
  state_ = made.release();
}

detail::function_ref any_schedule::compiled_function() const {
  return detail::with_schedule(*state_->function, state_->record);
}

void any_schedule::find_loops(std::string_view name, loop_handle* to, std::size_t count) const {
  // The whole name, or that of an operator in it.
  const auto fits = [&](const scheduling::nest& n) {
    const std::string_view readable = std::string_view(n.kernel).substr(0, n.kernel.find('#'));
    return fmt::format("_{}_", readable).find(fmt::format("_{}_", name)) != std::string::npos;
  };
  int found = -1;
  for (std::size_t k = 0; k < state_->nests.size(); ++k) {
    if (state_->nests[k].kernel == name) {
      found = static_cast<int>(k);
      break;
    }
    if (!fits(state_->nests[k])) continue;
    if (found >= 0)
      throw schedule_error(fmt::format("loops: several kernels hold {}; there are: {}", name, state_->names()));
    found = static_cast<int>(k);
  }
  if (found < 0) throw schedule_error(fmt::format("loops: no kernel holds {}; there are: {}", name, state_->names()));
  const scheduling::nest& n = state_->nests[static_cast<std::size_t>(found)];
  if (n.order.size() != count) {
    std::string text =
        fmt::format("loops: {} has {} loops, and {} are asked for\n{}", n.kernel, n.order.size(), count, to_string(n));
    text.pop_back();
    throw schedule_error(std::move(text));
  }
  for (std::size_t i = 0; i < count; ++i) to[i] = {found, n.order[i]};
}

std::array<loop_handle, 2> any_schedule::split(loop_handle l, std::int64_t factor, tail t) {
  const std::vector<int> r = state_->take("split", {l}, {factor}, t);
  return {{{l.kernel, r[0]}, {l.kernel, r[1]}}};
}
loop_handle any_schedule::fuse(loop_handle outer, loop_handle inner) {
  return {outer.kernel, state_->take("fuse", {outer, inner})[0]};
}
void any_schedule::reorder_loops(std::initializer_list<loop_handle> l) { state_->take("reorder", l); }
std::array<loop_handle, 4> any_schedule::tile(loop_handle a, loop_handle b, std::int64_t factor_a,
                                              std::int64_t factor_b, tail t) {
  const std::vector<int> r = state_->take("tile", {a, b}, {factor_a, factor_b}, t);
  return {{{a.kernel, r[0]}, {a.kernel, r[1]}, {a.kernel, r[2]}, {a.kernel, r[3]}}};
}
void any_schedule::vectorize(loop_handle l, int lanes) { state_->take("vectorize", {l}, {lanes}); }
void any_schedule::unroll(loop_handle l) { state_->take("unroll", {l}); }
void any_schedule::parallel(loop_handle l) { state_->take("parallel", {l}); }

void any_schedule::partition(loop_handle l, std::int64_t at) { state_->take("partition", {l}, {at}); }
void any_schedule::compute_at(loop_handle own, loop_handle at) { state_->take("compute_at", {own, at}); }
std::vector<loop_handle> any_schedule::compute_at(std::string_view value, loop_handle at) {
  return state_->make("compute_at", at, value);
}
std::vector<loop_handle> any_schedule::cache_read(std::string_view operand, loop_handle at) {
  return state_->make("cache_read", at, operand);
}
std::vector<loop_handle> any_schedule::cache_write(loop_handle at) { return state_->make("cache_write", at, {}); }
std::vector<loop_handle> any_schedule::pack(std::string_view operand, loop_handle at, int dimension,
                                            std::int64_t width) {
  return state_->make("pack", at, operand, {dimension, width});
}
void any_schedule::compute_inline(loop_handle of_copy) { state_->take("compute_inline", {of_copy}); }
std::vector<loop_handle> any_schedule::prefetch(std::string_view operand, loop_handle at, std::int64_t ahead) {
  return state_->make("prefetch", at, operand, {ahead});
}
void any_schedule::tensorize(loop_handle rows, loop_handle columns) { state_->take("tensorize", {rows, columns}); }
void any_schedule::tensorize(loop_handle rows, loop_handle columns, std::string_view function) {
  if (function.empty()) throw argument_error("tensorize: the function's name is empty");
  state_->take("tensorize", {rows, columns}, {}, tail::guard, function);
}
void any_schedule::tensorize(loop_handle products) { state_->take("tensorize", {products}); }

std::string any_schedule::json() const { return to_json(state_->record); }
std::string to_string(const any_schedule& s) {
  std::string text;
  for (const scheduling::nest& n : s.state_->nests) text += to_string(n);
  if (!text.empty()) text.pop_back();  // `print` ends the line
  return text;
}

}  // namespace tenon
