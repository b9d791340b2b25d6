// Control flow. What course the import knows is written out; the rest becomes if_, while_ and scan of the graph, whose
// states keep their types and extents.
#include "tenon/dsl/control.hpp"

#include <deque>

#include "onnx/operators/common.hpp"
#include "tenon/ops/dynamic.hpp"

namespace tenon::onnx {
namespace {

/// Most turns of a loop that are written out.
constexpr std::int64_t max_turns = 1024;
/// Most bytes of what a loop collects, of as many turns as it may take.
constexpr std::int64_t max_collected = std::int64_t{1} << 28;

/// Thrown where only the call knows how a loop goes on.
struct unknown_course {};

const any_tensor& tensor_of(const node_call& n, const value& v) {
  if (v.failed) n.refuse("its body is at fault");
  if (v.symbolic) n.refuse("its body makes extents that only the call knows");
  return v.tensor;
}
/// One element as rank 0.
any_tensor scalar_of(const any_tensor& t) { return any_tensor(reshape(t, extents())); }
void set_results(node_call& n, const detail::node_ref& made, int first, int count) {
  for (int i = 0; i < count; ++i) n.out(i, any_tensor(detail::emit_result(made, first + i, n.where())));
}
/// The inputs of a body that stand for `outer`, as the values that it is run on.
std::vector<value> inner_values(const node_call& n, const std::vector<any_tensor>& outer, detail::node_list& from,
                                detail::node_list& inner, const char* role, bool element) {
  std::vector<value> r(outer.size());
  for (std::size_t i = 0; i < outer.size(); ++i) {
    from.add(outer[i].node());
    r[i].tensor = any_tensor(detail::emit_inner(inner, role, outer[i].node(), element, n.where()));
  }
  return r;
}

void if_(node_call& n) {
  if (n.constant(0)) {
    const std::vector<std::int64_t> condition = n.integers(0);
    if (condition.size() != 1) n.refuse("the condition is no scalar");
    n.ignore({"then_branch", "else_branch"});
    const std::vector<value> r = n.run(condition[0] ? "then_branch" : "else_branch", {});
    for (std::size_t i = 0; i < r.size(); ++i) n.out(static_cast<int>(i), r[i]);
    return;
  }
  const std::vector<value> yes = n.run("then_branch", {}), no = n.run("else_branch", {});
  if (yes.size() != no.size() || static_cast<int>(yes.size()) != n.outputs())
    n.refuse("its branches do not make as many outputs as it has");
  detail::node_list state, inner, then, otherwise;
  for (const value& v : yes) then.add(tensor_of(n, v).node());
  for (const value& v : no) otherwise.add(tensor_of(n, v).node());
  set_results(n, detail::emit_if(scalar_of(n.in(0)).node(), state, inner, then, otherwise, n.where()), 0, n.outputs());
}

std::vector<any_tensor> results_of(node_call& n, const detail::node_ref& made, int count) {
  std::vector<any_tensor> r;
  for (int i = 0; i < count; ++i) r.emplace_back(detail::emit_result(made, i, n.where()));
  return r;
}
/// Runs the body of a Scan; its results are the state, then what is collected.
std::vector<any_tensor> scan_body(node_call& n, const std::vector<value>& arguments) {
  std::vector<any_tensor> r;
  for (const value& v : n.run("body", arguments)) r.push_back(tensor_of(n, v));
  if (static_cast<int>(r.size()) != n.outputs()) n.refuse("the body does not make as many outputs as the node has");
  return r;
}

/// Turns that the import does not know, or too many of them to write out.
std::vector<any_tensor> scan_in_graph(node_call& n, const std::vector<any_tensor>& given,
                                      const std::vector<any_tensor>& scanned, bool reverse) {
  detail::node_list state, inner, xs, inner_xs, next, collected;
  std::vector<value> arguments = inner_values(n, given, state, inner, "state", false);
  const std::vector<value> elements = inner_values(n, scanned, xs, inner_xs, "element", true);
  arguments.insert(arguments.end(), elements.begin(), elements.end());
  const std::vector<any_tensor> r = scan_body(n, arguments);
  for (std::size_t i = 0; i < r.size(); ++i) (i < given.size() ? next : collected).add(r[i].node());
  return results_of(n, detail::emit_scan(state, inner, xs, inner_xs, next, collected, reverse, n.where()), n.outputs());
}
/// Element t along the first axis.
any_tensor element_of(const any_tensor& x, int t) {
  return squeeze(slice(x, {.start = {t}, .stop = {t + 1}, .step = {}, .axes = {0}}), {0});
}
std::vector<any_tensor> scan_written_out(node_call& n, const std::vector<any_tensor>& given,
                                         const std::vector<any_tensor>& scanned, int turns, bool reverse) {
  std::vector<any_tensor> results = given;
  std::vector<std::vector<any_tensor>> collected(static_cast<std::size_t>(n.outputs()) - given.size());
  for (int k = 0; k < turns; ++k) {
    std::vector<value> arguments(given.size() + scanned.size());
    for (std::size_t i = 0; i < arguments.size(); ++i)
      arguments[i].tensor =
          i < given.size() ? results[i] : element_of(scanned[i - given.size()], reverse ? turns - 1 - k : k);
    const std::vector<any_tensor> r = scan_body(n, arguments);
    std::copy_n(r.begin(), given.size(), results.begin());
    for (std::size_t i = 0; i < collected.size(); ++i) collected[i].push_back(unsqueeze(r[given.size() + i], {0}));
  }
  for (std::vector<any_tensor>& c : collected) {
    if (c.empty()) n.refuse("a scan of nothing");
    if (reverse) std::ranges::reverse(c);
    results.emplace_back(concat(c, {.axis = 0}));
  }
  return results;
}

/// Which of the tensors that are scanned, and of those that are collected, go backwards.
struct scan_directions {
  std::vector<bool> scanned, collected;
};
std::vector<bool> direction_list(node_call& n, std::string_view attribute_name, std::size_t count) {
  const std::vector<std::int64_t> given = n.integers(attribute_name);
  if (!given.empty() && given.size() != count)
    n.refuse(std::string(attribute_name) + " has " + std::to_string(given.size()) + " elements, not " +
             std::to_string(count));
  std::vector<bool> r(count);
  for (std::size_t i = 0; i < given.size(); ++i) r[i] = given[i] != 0;
  return r;
}

/// Scans along the first axis: the last state, then what is collected.
std::vector<any_tensor> scan_sequence(node_call& n, const std::vector<any_tensor>& state,
                                      std::vector<any_tensor> scanned, const scan_directions& backwards) {
  const auto turned = [](std::vector<any_tensor>& all, std::size_t first, const std::vector<bool>& which) {
    for (std::size_t i = 0; i < which.size(); ++i)
      if (which[i]) all[first + i] = reverse(all[first + i], {0});
  };
  // The turns themselves go backwards where all agree, else tensors are turned.
  const auto yes = [](bool b) { return b; };
  const bool all = std::ranges::all_of(backwards.scanned, yes) && std::ranges::all_of(backwards.collected, yes);
  if (!all) turned(scanned, 0, backwards.scanned);
  const extent_t turns = detail::shape_of(scanned[0].node())[0];
  std::vector<any_tensor> results = turns < 0 || turns > max_turns
                                        ? scan_in_graph(n, state, scanned, all)
                                        : scan_written_out(n, state, scanned, static_cast<int>(turns), all);
  if (!all) turned(results, state.size(), backwards.collected);
  return results;
}

/// Operator set 8: the first axis of all is a batch, whose elements know nothing of each other; the second is scanned.
std::vector<any_tensor> scan_batch(node_call& n, const std::vector<any_tensor>& state,
                                   const std::vector<any_tensor>& scanned, const scan_directions& backwards) {
  std::vector<any_tensor> all = state;
  all.insert(all.end(), scanned.begin(), scanned.end());
  extent_t batch = dyn, turns = dyn;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const dims& d = detail::shape_of(all[i].node());
    if (d.any() || d.rank < (i < state.size() ? 1 : 2)) n.refuse("an operand has no batch axis, or none to scan");
    const auto agrees = [&](extent_t& known, extent_t e, const char* what) {
      if (known >= 0 && e >= 0 && known != e)
        n.refuse(std::string(what) + " of " + std::to_string(known) + " and " + std::to_string(e));
      if (known < 0) known = e;
    };
    agrees(batch, d[0], "batches");
    if (i >= state.size()) agrees(turns, d[1], "sequences");
  }
  const auto scan_one = [&](const std::vector<any_tensor>& one) {
    const auto middle = one.begin() + std::ssize(state);
    return scan_sequence(n, {one.begin(), middle}, {middle, one.end()}, backwards);
  };
  if (batch > 0 && batch <= max_turns && turns >= 0 && turns <= max_turns / batch) {
    std::vector<std::vector<any_tensor>> parts(static_cast<std::size_t>(n.outputs()));
    for (int b = 0; b < static_cast<int>(batch); ++b) {
      std::vector<any_tensor> one;
      for (const any_tensor& t : all) one.push_back(element_of(t, b));
      const std::vector<any_tensor> r = scan_one(one);
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i].push_back(unsqueeze(r[i], {0}));
    }
    std::vector<any_tensor> results;
    for (const std::vector<any_tensor>& p : parts) results.emplace_back(concat(p, {.axis = 0}));
    return results;
  }
  // A scan without a state, in whose body stands the scan of one element.
  detail::node_list none, inner, xs, inner_xs, next, collected;
  std::vector<any_tensor> one;
  for (const value& v : inner_values(n, all, xs, inner_xs, "element", true)) one.push_back(v.tensor);
  const std::vector<any_tensor> r = scan_one(one);
  for (const any_tensor& t : r) collected.add(t.node());
  return results_of(n, detail::emit_scan(none, inner, xs, inner_xs, next, collected, false, n.where()), n.outputs());
}

/// A body's inputs are the state, then what it scans; its outputs the state, then what is collected.
void scan_(node_call& n) {
  const bool batched = n.version() < 9;
  if (batched && n.has(0)) n.refuse("sequences of different lengths (sequence_lens) are not supported");
  const int first = batched ? 1 : 0, scanned = n.few(n.integer("num_scan_inputs", 0), "num_scan_inputs");
  if (scanned < 1 || scanned > n.inputs() - first) n.refuse("num_scan_inputs is " + std::to_string(scanned));
  const int states = n.inputs() - first - scanned;
  if (n.outputs() < states) n.refuse("it has fewer outputs than states");
  if (!batched)
    for (std::string_view list : {"scan_input_axes", "scan_output_axes"})
      for (std::int64_t v : n.integers(list))
        if (v != 0) n.refuse(std::string(list) + " other than 0");
  scan_directions backwards;
  backwards.scanned =
      direction_list(n, batched ? "directions" : "scan_input_directions", static_cast<std::size_t>(scanned));
  backwards.collected.resize(static_cast<std::size_t>(n.outputs() - states));
  if (!batched) backwards.collected = direction_list(n, "scan_output_directions", backwards.collected.size());
  std::vector<any_tensor> state, sequences;
  for (int i = 0; i < states; ++i) state.push_back(n.in(first + i));
  for (int i = 0; i < scanned; ++i) {
    sequences.push_back(n.in(first + states + i));
    if (n.rank(first + states + i) < 1) n.refuse("rank 0 has no axis to scan");
  }
  const std::vector<any_tensor> r =
      batched ? scan_batch(n, state, sequences, backwards) : scan_sequence(n, state, sequences, backwards);
  for (std::size_t i = 0; i < r.size(); ++i) n.out(static_cast<int>(i), r[i]);
}

/// A body's inputs are the turn, the condition and the state; its outputs the condition, the state, then what is
/// collected. Whether it goes on must be known after each turn.
void loop_written_out(node_call& n, int states) {
  // A loop that collects has another form only where the model says how many turns it takes at most, and whether there
  // is one: else the error says what the import wants to know.
  const bool collects = n.outputs() > states, unbounded = collects && !(n.has(0) && n.constant(0));
  const auto too_many = [&] {
    if (unbounded) n.refuse("more than " + std::to_string(max_turns) + " turns");
    throw unknown_course{};
  };
  const auto known = [&](int i) {
    if (!n.constant(i) && !collects) throw unknown_course{};
    const std::vector<std::int64_t> v = n.integers(i);
    if (v.size() != 1) n.refuse("the trip count or condition is no scalar");
    return v[0];
  };
  const std::int64_t turns = n.has(0) ? known(0) : max_turns + 1;
  bool goes_on = !n.has(1) || known(1) != 0;
  if (turns > max_turns && n.has(0)) too_many();
  std::vector<value> state;
  for (int i = 0; i < states; ++i) state.push_back(n.given(i + 2));
  std::vector<std::vector<any_tensor>> collected(static_cast<std::size_t>(std::max(n.outputs() - states, 0)));
  for (std::int64_t t = 0; t < turns && goes_on; ++t) {
    if (t == max_turns) too_many();
    std::vector<value> arguments(2);
    arguments[0].tensor = n.scalar(i64, t);
    arguments[1].tensor = n.scalar(b8, 1);
    arguments.insert(arguments.end(), state.begin(), state.end());
    const std::vector<value> r = n.run("body", arguments);
    if (r.size() != 1 + state.size() + collected.size()) n.refuse("the body does not make as many outputs as needed");
    for (const value& v : r) tensor_of(n, v);
    const std::optional<bool> asked = n.known_scalar(r[0].tensor);
    if (!asked && unbounded)
      n.refuse_unknown(r[0].tensor, "whether it goes on depends on values that only the call knows");
    if (!asked) throw unknown_course{};
    goes_on = *asked;
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

/// A buffer of an element for each of the most turns that a loop takes.
any_tensor room_for(node_call& n, const any_tensor& element) {
  const std::vector<std::int64_t> turns = n.integers(0);
  const dtype type = element.node()->type.element;
  dims all{turns[0]};
  std::int64_t bytes = size_of(type);
  if (element.node()->type.shape.any()) n.refuse("it collects what has no known rank");
  for (extent_t e : element.node()->type.shape) {
    if (e < 0) n.refuse("it collects what has extents that only the call knows");
    all.push_back(e);
  }
  for (extent_t e : all)
    if (__builtin_mul_overflow(bytes, e, &bytes) || bytes > max_collected)
      n.refuse("it may collect " + std::to_string(turns[0]) + " times, more than " + std::to_string(max_collected) +
               " bytes");
  return any_tensor(broadcast_to(n.scalar(type, 0), extents(all)));
}

/// A while_ of the turn, the condition, the state, and a buffer for all that may be collected. How much of it was is
/// known at its end: there begins another segment of the callable.
void loop_in_graph(node_call& n, int states) {
  const int collected = n.outputs() - states;
  std::vector<any_tensor> given{n.scalar(i64, 0), n.has(1) ? scalar_of(n.in(1)) : n.scalar(b8, 1)};
  for (int i = 0; i < states; ++i) given.push_back(n.in(i + 2));
  detail::node_list state, inner, condition, next;
  const std::vector<value> arguments = inner_values(n, given, state, inner, "state", false);
  const std::vector<value> r = n.run("body", arguments);
  if (static_cast<int>(r.size()) != states + 1 + collected)
    n.refuse("the body does not make as many outputs as needed");
  const any_tensor &turn = arguments[0].tensor, &asked = arguments[1].tensor;
  const any_tensor goes_on = n.has(0) ? any_tensor(logical_and(asked, less(turn, scalar_of(n.in(0))))) : asked;
  const any_tensor next_turn = turn + 1, next_asked = scalar_of(tensor_of(n, r[0]));
  condition.add(goes_on.node());
  next.add(next_turn.node());
  next.add(next_asked.node());
  for (int i = 0; i < states; ++i) next.add(tensor_of(n, r[static_cast<std::size_t>(i) + 1]).node());
  std::deque<any_tensor> buffers;  // the lists do not keep what is added
  for (int i = states; i < states + collected; ++i) {
    const any_tensor& element = tensor_of(n, r[static_cast<std::size_t>(i) + 1]);
    const any_tensor& all = buffers.emplace_back(room_for(n, element));
    state.add(all.node());
    const any_tensor so_far(detail::emit_inner(inner, "state", all.node(), false, n.where()));
    next.add(buffers.emplace_back(update_slice(so_far, unsqueeze(element, {0}), turn, {.axis = 0})).node());
  }
  const detail::node_ref made = detail::emit_while(state, inner, condition, next, n.where());
  set_results(n, made, 2, states);
  const any_tensor turns(detail::emit_result(made, 0, n.where()));
  for (int i = states; i < states + collected; ++i)
    n.out(i, any_tensor(narrow(any_tensor(detail::emit_result(made, i + 2, n.where())), turns)));
}

void loop_(node_call& n) {
  const int states = n.inputs() - 2;
  if (states < 0) n.refuse("it has no trip count and condition");
  try {
    loop_written_out(n, states);
  } catch (const unknown_course&) {
    loop_in_graph(n, states);
  }
}

constexpr mapping table[] = {
    {"If", if_},
    {"Loop", loop_},
    {"Scan", scan_},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> control_operators() { return table; }

}  // namespace tenon::onnx
