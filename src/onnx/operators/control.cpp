// Control flow whose course the import knows: it is written out.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// Most turns of a loop that are written out.
constexpr std::int64_t max_turns = 1024;

void if_known(node_call& n) {
  const std::vector<std::int64_t> condition = n.integers(0);
  if (condition.size() != 1) n.refuse("the condition is no scalar");
  n.ignore({"then_branch", "else_branch"});
  const std::vector<value> r = n.run(condition[0] ? "then_branch" : "else_branch", {});
  for (std::size_t i = 0; i < r.size(); ++i) n.out(static_cast<int>(i), r[i]);
}

/// A body's inputs are the state, then what it scans; its outputs the state, then what is collected.
void scan_known(node_call& n) {
  if (n.version() < 9) n.refuse("operator set 8 has a batch axis of its own");
  const auto scanned = static_cast<int>(n.integer("num_scan_inputs", 0)), states = n.inputs() - scanned;
  if (scanned < 1 || states < 0) n.refuse("num_scan_inputs is " + std::to_string(scanned));
  for (std::string_view list :
       {"scan_input_axes", "scan_output_axes", "scan_input_directions", "scan_output_directions"})
    for (std::int64_t v : n.integers(list))
      if (v != 0) n.refuse(std::string(list) + " other than 0");
  const extent_t turns = n.shape(states)[0];
  if (turns < 0 || turns > max_turns)
    n.refuse("the number of turns is not known, or above " + std::to_string(max_turns));
  std::vector<value> state;
  for (int i = 0; i < states; ++i) state.push_back(n.given(i));
  std::vector<std::vector<any_tensor>> collected(static_cast<std::size_t>(n.outputs() - states));
  for (int t = 0; t < static_cast<int>(turns); ++t) {
    std::vector<value> arguments = state;
    for (int i = states; i < n.inputs(); ++i) {
      value v;
      v.tensor = squeeze(slice(n.in(i), {.start = {t}, .stop = {t + 1}, .step = {}, .axes = {0}}), {0});
      arguments.push_back(v);
    }
    const std::vector<value> r = n.run("body", arguments);
    if (r.size() != state.size() + collected.size()) n.refuse("the body does not make as many outputs as the node has");
    for (const value& v : r)
      if (v.failed || v.symbolic) n.refuse("its body is at fault");
    std::copy_n(r.begin(), state.size(), state.begin());
    for (std::size_t i = 0; i < collected.size(); ++i)
      collected[i].push_back(unsqueeze(r[state.size() + i].tensor, {0}));
  }
  for (int i = 0; i < states; ++i) n.out(i, state[static_cast<std::size_t>(i)]);
  for (std::size_t i = 0; i < collected.size(); ++i) {
    if (collected[i].empty()) n.refuse("a scan of nothing");
    n.out(states + static_cast<int>(i), any_tensor(concat(collected[i], {.axis = 0})));
  }
}

/// A body's inputs are the turn, the condition and the state; its outputs the condition, the state, then what is
/// collected. Whether it goes on must be known after each turn.
void loop_known(node_call& n) {
  const int states = n.inputs() - 2;
  if (states < 0) n.refuse("it has no trip count and condition");
  const auto known = [&](int i) {
    const std::vector<std::int64_t> v = n.integers(i);
    if (v.size() != 1) n.refuse("the trip count or condition is no scalar");
    return v[0];
  };
  const std::int64_t turns = n.has(0) ? known(0) : max_turns + 1;
  bool goes_on = !n.has(1) || known(1) != 0;
  if (turns > max_turns && n.has(0)) n.refuse("more than " + std::to_string(max_turns) + " turns");
  std::vector<value> state;
  for (int i = 0; i < states; ++i) state.push_back(n.given(i + 2));
  std::vector<std::vector<any_tensor>> collected(static_cast<std::size_t>(std::max(n.outputs() - states, 0)));
  for (std::int64_t t = 0; t < turns && goes_on; ++t) {
    if (t == max_turns) n.refuse("more than " + std::to_string(max_turns) + " turns");
    std::vector<value> arguments(2);
    arguments[0].tensor = n.scalar(i64, t);
    arguments[1].tensor = n.scalar(b8, 1);
    arguments.insert(arguments.end(), state.begin(), state.end());
    const std::vector<value> r = n.run("body", arguments);
    if (r.size() != 1 + state.size() + collected.size()) n.refuse("the body does not make as many outputs as needed");
    for (const value& v : r)
      if (v.failed || v.symbolic) n.refuse("its body is at fault");
    goes_on = n.known_scalar(r[0].tensor) != 0;
    std::copy_n(r.begin() + 1, state.size(), state.begin());
    for (std::size_t i = 0; i < collected.size(); ++i)
      collected[i].push_back(unsqueeze(r[1 + state.size() + i].tensor, {0}));
  }
  for (int i = 0; i < states; ++i) n.out(i, state[static_cast<std::size_t>(i)]);
  for (std::size_t i = 0; i < collected.size(); ++i) {
    if (collected[i].empty()) n.refuse("a loop without a turn collects nothing");
    n.out(states + static_cast<int>(i), any_tensor(concat(collected[i], {.axis = 0})));
  }
}

constexpr mapping table[] = {
    {"If", if_known},
    {"Loop", loop_known},
    {"Scan", scan_known},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> control_operators() { return table; }

}  // namespace tenon::onnx
