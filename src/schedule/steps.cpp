#include "schedule/steps.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "schedule/primitives/primitives.hpp"
#include "tenon/core/error.hpp"

namespace tenon::scheduling {

namespace {

struct primitive {
  std::string_view name;
  int least_loops, most_loops;
  int numbers;
  bool has_value;
  std::vector<int> (*run)(nest&, const step&);
};
constexpr int any_number = 1 << 20;
// Sorted by name.
constexpr primitive primitives[] = {
    {"cache_read", 1, 1, 0, true, cache_read},
    {"cache_write", 1, 1, 0, false, cache_write},
    {"compute_at", 1, 2, 0, true, compute_at},
    {"compute_inline", 1, 1, 0, false, compute_inline},
    {"fuse", 2, 2, 0, false, fuse},
    {"pack", 1, 1, 2, true, pack},
    {"parallel", 1, 1, 0, false, parallel},
    {"partition", 1, 1, 1, false, partition},
    {"prefetch", 1, 1, 1, true, prefetch},
    {"reorder", 1, any_number, 0, false, reorder},
    {"split", 1, 1, 1, false, split},
    {"tensorize", 1, 2, 0, true, tensorize},
    {"tile", 2, 2, 2, false, tile},
    {"unroll", 1, 1, 0, false, unroll},
    {"vectorize", 1, 1, 1, false, vectorize},
};
constexpr std::string_view tails[] = {"guard", "exact", "shift", "mask"};

const primitive* find_primitive(std::string_view name) {
  for (const primitive& p : primitives)
    if (p.name == name) return &p;
  return nullptr;
}

[[noreturn]] void fail(const nest& n, const step& s, const std::string& why, int loop) {
  std::string text = fmt::format("{}: {}\n{}", to_string(n, s), why, to_string(n, loop));
  text.pop_back();
  throw schedule_error(std::move(text));
}

using json = nlohmann::json;

[[noreturn]] void damaged(const std::string& why) { throw schedule_error("schedule record: " + why); }

template <class T>
T member(const json& from, const char* name, const std::string& where) {
  const auto it = from.find(name);
  if (it == from.end()) damaged(fmt::format("{} has no \"{}\"", where, name));
  try {
    return it->get<T>();
  } catch (const json::exception&) {
    damaged(fmt::format("\"{}\" of {} is {}", name, where, it->dump()));
  }
}
template <class I>
std::vector<I> integers(const json& from, const char* name, const std::string& where) {
  std::vector<I> r;
  for (const json& v : member<std::vector<json>>(from, name, where)) {
    const auto wide = v.is_number_integer() ? v.get<std::int64_t>() : -1;
    if (!v.is_number_integer() || !std::in_range<I>(wide))
      damaged(fmt::format("\"{}\" of {} holds {}", name, where, v.dump()));
    r.push_back(static_cast<I>(wide));
  }
  return r;
}

}  // namespace

void require_serial(const nest& n, int id, const char* what) {
  const nest::loop& l = n.loops[static_cast<std::size_t>(id)];
  if (l.kind == ir::loop_kind::serial && !l.cut) return;
  if (l.cut && l.kind == ir::loop_kind::serial)
    throw refusal{fmt::format("{} is partitioned already, and cannot be {} then", l.name, what), id};
  const char* is = l.kind == ir::loop_kind::parallel     ? "parallel"
                   : l.kind == ir::loop_kind::vectorized ? "vectorized"
                                                         : "unrolled";
  throw refusal{fmt::format("{} is {} already, and cannot be {} then", l.name, is, what), id};
}

int add_loop(nest& n, nest::loop l) {
  n.loops.push_back(std::move(l));
  return static_cast<int>(n.loops.size()) - 1;
}

void replace_loop(nest& n, int gone, const std::vector<int>& by, std::string how) {
  std::vector<int>& order = n.order_of(gone);
  n.loops[static_cast<std::size_t>(gone)].replaced = std::move(how);
  const auto at = order.erase(std::ranges::find(order, gone));
  order.insert(at, by.begin(), by.end());
  // What was inside of it is inside of what it became.
  const auto moved = [&](int& loop) {
    if (loop == gone && !by.empty()) loop = by.back();
  };
  for (nest::stage& s : n.stages) moved(s.at);
  for (nest::reduction& r : n.reductions) moved(r.at);
}

std::string to_string(const nest& n, const step& s) {
  std::vector<std::string> words;
  if (!s.value.empty()) words.push_back(s.value);
  for (int id : s.loops) {
    const bool known = id >= 0 && id < static_cast<int>(n.loops.size());
    words.push_back(known ? n.at(id).name : fmt::format("loop {}", id));
  }
  for (std::int64_t v : s.numbers) words.push_back(fmt::to_string(v));
  if (s.tail != tail::guard) words.emplace_back(tails[static_cast<int>(s.tail)]);
  return fmt::format("{}({})", s.primitive, fmt::join(words, ", "));
}

std::vector<int> apply(nest& n, const step& s) {
  const primitive* p = find_primitive(s.primitive);
  if (!p) fail(n, s, "there is no such primitive", -1);
  const auto loops = static_cast<int>(s.loops.size());
  if (loops < p->least_loops || loops > p->most_loops) fail(n, s, fmt::format("it is given {} loops", loops), -1);
  if (static_cast<int>(s.numbers.size()) != p->numbers)
    fail(n, s, fmt::format("it is given {} numbers, not {}", s.numbers.size(), p->numbers), -1);
  if (!s.value.empty() && !p->has_value) fail(n, s, fmt::format("it is given a value, {}", s.value), -1);
  if (static_cast<std::size_t>(s.tail) >= std::size(tails)) fail(n, s, "its tail is none", -1);
  if (n.fixed) fail(n, s, "the operator's own loops are not for schedules", -1);
  for (int id : s.loops) {
    if (id < 0 || id >= static_cast<int>(n.loops.size()))
      fail(n, s, fmt::format("{} has no loop {}; it has had {}", n.kernel, id, n.loops.size()), -1);
    const nest::loop& l = n.loops[static_cast<std::size_t>(id)];
    if (!l.replaced.empty()) fail(n, s, fmt::format("{} is there no more: it was {}", l.name, l.replaced), -1);
  }
  nest next = n;
  try {
    std::vector<int> made = p->run(next, s);
    if (const objection o = object_to(next); !o.why.empty()) throw refusal{o.why, o.loop};
    n = std::move(next);
    return made;
  } catch (const refusal& r) {
    // The loop that was given; of several the one to blame, unless only the refused step would have made it.
    const bool there = r.loop >= 0 && r.loop < static_cast<int>(n.loops.size()) && n.at(r.loop).replaced.empty();
    fail(n, s, r.why, s.loops.size() > 1 && there ? r.loop : s.loops[0]);
  }
}

void replay(nest& n, const record& r) {
  for (const step& s : r.steps)
    if (s.kernel == n.kernel) apply(n, s);
}

std::string to_json(const record& r) {
  json extents = json::array();
  for (const dims& d : r.extents) extents.push_back(std::vector<extent_t>(d.begin(), d.end()));
  json steps = json::array();
  for (const step& s : r.steps) {
    json j{{"kernel", s.kernel}, {"step", s.primitive}, {"loops", s.loops}};
    if (!s.numbers.empty()) j["numbers"] = s.numbers;
    if (!s.value.empty()) j["value"] = s.value;
    if (s.tail != tail::guard) j["tail"] = tails[static_cast<int>(s.tail)];
    steps.push_back(std::move(j));
  }
  return json{{"tenon_schedule", 1}, {"extents", std::move(extents)}, {"steps", std::move(steps)}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

record parse_record(std::string_view text) {
  json all;
  try {
    all = json::parse(text);
  } catch (const json::parse_error& e) {
    damaged(fmt::format("no JSON at byte {}", e.byte));
  }
  if (!all.is_object()) damaged("it is no object");
  const std::string where = "the record";
  if (const auto version = member<std::int64_t>(all, "tenon_schedule", where); version != 1)
    damaged(fmt::format("version {} is not known; 1 is", version));
  record r;
  for (const json& j : member<std::vector<json>>(all, "extents", where)) {
    dims d;
    const auto bad = [&] { damaged(fmt::format("{} are no extents", j.dump())); };
    if (!j.is_array() || j.size() > dims::max_rank) bad();
    for (const json& e : j) {
      if (!e.is_number_integer()) bad();
      d.push_back(e.get<extent_t>());
    }
    r.extents.push_back(d);
  }
  for (const json& j : member<std::vector<json>>(all, "steps", where)) {
    const std::string at = fmt::format("step {}", r.steps.size() + 1);
    if (!j.is_object()) damaged(at + " is no object");
    step s{.kernel = member<std::string>(j, "kernel", at),
           .primitive = member<std::string>(j, "step", at),
           .loops = integers<int>(j, "loops", at)};
    if (!find_primitive(s.primitive)) damaged(fmt::format("\"step\" of {} is \"{}\"", at, s.primitive));
    if (j.contains("numbers")) s.numbers = integers<std::int64_t>(j, "numbers", at);
    if (j.contains("value")) s.value = member<std::string>(j, "value", at);
    if (j.contains("tail")) {
      const auto word = member<std::string>(j, "tail", at);
      const auto* it = std::ranges::find(tails, word);
      if (it == std::end(tails)) damaged(fmt::format("\"tail\" of {} is \"{}\"", at, word));
      s.tail = static_cast<tail>(it - std::begin(tails));
    }
    r.steps.push_back(std::move(s));
  }
  return r;
}

}  // namespace tenon::scheduling
