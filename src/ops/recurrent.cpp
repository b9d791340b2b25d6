#include "tenon/ops/recurrent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "ops/control.hpp"
#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {
using ir::any_tensor;

int gates_of(recurrent_cell c) { return c == recurrent_cell::rnn ? 1 : c == recurrent_cell::gru ? 3 : 4; }
int functions_of(recurrent_cell c) { return c == recurrent_cell::rnn ? 1 : c == recurrent_cell::gru ? 2 : 3; }
int directions_of(const recurrent_attrs& at) { return at.direction == recurrent_direction::bidirectional ? 2 : 1; }

any_tensor applied(gate_function f, double alpha, double beta, const any_tensor& x) {
  switch (f) {
    case gate_function::sigmoid:
      return sigmoid(x);
    case gate_function::tanh:
      return tanh(x);
    case gate_function::relu:
      return relu(x);
    case gate_function::affine:
      return x * alpha + beta;
    case gate_function::elu:
      return elu(x, {.alpha = alpha});
    case gate_function::hard_sigmoid:
      return hard_sigmoid(x, {.alpha = alpha, .beta = beta});
    case gate_function::leaky_relu:
      return leaky_relu(x, {.alpha = alpha});
    case gate_function::scaled_tanh:
      return tanh(x * beta) * alpha;
    case gate_function::softplus:
      return softplus(x);
    case gate_function::softsign:
      return softsign(x);
    default:
      return threshold(x, {.at = alpha});
  }
}

any_tensor part(const any_tensor& x, int axis, int first, int last) {
  return slice(x, {.start = {first}, .stop = {last}, .step = {}, .axes = {axis}});
}

/// What a layer holds in one direction. Weights are transposed: products are of rows.
struct layer {
  const recurrent_attrs& at;
  recurrent_cell cell;
  int direction, hidden;
  any_tensor r, state_bias, peepholes;  // the last two may be null

  any_tensor function(int which, const any_tensor& x) const {
    constexpr gate_function usual[] = {gate_function::sigmoid, gate_function::tanh, gate_function::tanh};
    const int n = functions_of(cell), i = direction * n + which;
    const gate_function f = at.functions.size             ? static_cast<gate_function>(at.functions[i])
                            : cell == recurrent_cell::rnn ? gate_function::tanh
                                                          : usual[which];
    const any_tensor bounded = at.clip > 0 ? any_tensor(clip(x, {.low = -at.clip, .high = at.clip})) : x;
    return applied(f, i < at.alpha.size ? at.alpha[i] : 0, i < at.beta.size ? at.beta[i] : 0, bounded);
  }
  any_tensor gates(const any_tensor& x, int first, int last) const { return part(x, 1, first * hidden, last * hidden); }
  /// state r + its bias for gates [first, last).
  any_tensor product(const any_tensor& state, int first, int last) const {
    const any_tensor y = matmul(state, part(r, 1, first * hidden, last * hidden));
    return state_bias.node() ? any_tensor(y + part(state_bias, 0, first * hidden, last * hidden)) : y;
  }
  any_tensor peeped(const any_tensor& x, int gate, const any_tensor& c) const {
    return peepholes.node() ? any_tensor(x + part(peepholes, 0, gate * hidden, (gate + 1) * hidden) * c) : x;
  }
  /// One step: `x` holds the input's part of all gates [batch, gates * hidden].
  void step(const any_tensor& x, std::array<any_tensor, 2>& state) const {
    any_tensor& h = state[0];
    if (cell == recurrent_cell::rnn) {
      h = function(0, x + product(h, 0, 1));
    } else if (cell == recurrent_cell::gru) {
      const any_tensor both = function(0, gates(x, 0, 2) + product(h, 0, 2));
      const any_tensor z = gates(both, 0, 1), reset = gates(both, 1, 2);
      const any_tensor recurrence =
          at.linear_before_reset ? any_tensor(reset * product(h, 2, 3)) : product(reset * h, 2, 3);
      const any_tensor fresh = function(1, gates(x, 2, 3) + recurrence);
      h = (1 - z) * fresh + z * h;
    } else {
      any_tensor& c = state[1];
      const any_tensor sums = x + product(h, 0, 4);
      const any_tensor i = function(0, peeped(gates(sums, 0, 1), 0, c));
      const any_tensor f = at.input_forget ? any_tensor(1 - i) : function(0, peeped(gates(sums, 2, 3), 2, c));
      const any_tensor next = f * c + i * function(1, gates(sums, 3, 4));
      const any_tensor o = function(0, peeped(gates(sums, 1, 2), 1, next));
      h = o * output(next);
      c = next;
    }
  }

 private:
  // The cell itself is not bounded on its way out.
  any_tensor output(const any_tensor& c) const {
    const int i = direction * 3 + 2;
    return at.functions.size ? applied(static_cast<gate_function>(at.functions[i]), i < at.alpha.size ? at.alpha[i] : 0,
                                       i < at.beta.size ? at.beta[i] : 0, c)
                             : any_tensor(tanh(c));
  }
};

/// Behind its end a sequence keeps its state and gives 0. `inside` is null where all have the same length.
void bounded(const any_tensor& inside, const std::array<any_tensor, 2>& before, int states,
             std::array<any_tensor, 2>& state, any_tensor& y) {
  if (!inside.node()) return;
  for (std::size_t s = 0; s < static_cast<std::size_t>(states); ++s) state[s] = select(inside, state[s], before[s]);
  const dtype type = detail::type_of(y.node());
  y = select(inside, y, any_tensor(ir::make_scalar(type, 0, std::source_location::current())));
}

/// Shorter sequences are written out: nothing in them depends on the number of a step. Longer ones are one cell that is
/// scanned over them, whatever their length.
constexpr int longest_written_out = 16;

bool is_made_of_constants(const any_tensor& v) {
  const detail::node_ref& n = v.node();
  return std::ranges::none_of(ir::post_order(std::span(&n, 1)),
                              [](const ir::node* x) { return x->op == &ir::input_definition(); });
}

/// All steps of one direction as a scan. `sums` are the input's part of all gates [length, batch, gates * hidden];
/// `state` becomes the last one. Gives what each step made, [length, batch, hidden].
any_tensor scanned(const layer& l, const any_tensor& sums, const any_tensor& lengths, int states, bool backwards,
                   std::array<any_tensor, 2>& state) {
  const loc where = std::source_location::current();
  ir::control_attrs scan{.bodies = {ir::graph()}, .states = states, .scanned = 1, .reverse = backwards};
  ir::graph& body = scan.bodies[0];
  std::vector<detail::node_ref> operands;
  const auto input = [&](const any_tensor& v, int skipped) {
    const ir::value_type& t = v.node()->type;
    dims shape;
    for (int d = skipped; d < t.shape.rank; ++d) shape.push_back(t.shape[d]);
    operands.push_back(v.node());
    body.inputs.push_back(ir::make_input(fmt::format("value_{}", operands.size()), t.element, shape, where));
    return any_tensor(body.inputs.back());
  };
  // Constants stay constants, which are packed; the rest is what the body reads.
  const auto read = [&](const any_tensor& v) { return !v.node() || is_made_of_constants(v) ? v : input(v, 0); };
  std::array<any_tensor, 2> now;
  for (std::size_t i = 0; i < static_cast<std::size_t>(states); ++i) now[i] = input(state[i], 0);
  const std::array<any_tensor, 2> before = now;
  const any_tensor x = input(sums, 1);
  any_tensor t;
  if (lengths.node()) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(sums.node()->type.shape[0]));
    std::iota(numbers.begin(), numbers.end(), 0);
    t = input(any_tensor(ir::make_constant(i64, {std::ssize(numbers)}, numbers.data(), where)), 1);
    scan.scanned = 2;
  }
  const layer inner{l.at, l.cell, l.direction, l.hidden, read(l.r), read(l.state_bias), read(l.peepholes)};
  const any_tensor ends = read(lengths);
  inner.step(x, now);
  any_tensor y = now[0];
  bounded(ends.node() ? any_tensor(less(t, ends)) : any_tensor(), before, states, now, y);
  for (std::size_t i = 0; i < static_cast<std::size_t>(states); ++i) body.outputs.push_back(now[i].node());
  body.outputs.push_back(y.node());
  const detail::node_ref made = ir::make_node(
      ir::scan_definition(), std::make_shared<const ir::control_attrs>(std::move(scan)), std::move(operands), where);
  for (int i = 0; i < states; ++i) state[static_cast<std::size_t>(i)] = any_tensor(ir::make_result(made, i, where));
  return any_tensor(ir::make_result(made, states, where));
}

bool differ(extent_t a, extent_t b) { return a >= 0 && b >= 0 && a != b; }

/// The results' nodes; empty until the extents are known. Operands that are not there are null: x, w, r, b, the first
/// state, lengths, and of lstm the first cell and the peepholes behind the state.
void expand_recurrent(recurrent_cell cell, const recurrent_attrs& at, const detail::node_ref* operands, int n,
                      detail::node_ref* results) {
  for (int k = 0; k < 3; ++k)
    if (!detail::shape_of(operands[k]).is_static()) return;
  const auto operand = [&](int k) { return k < n ? any_tensor(operands[k]) : any_tensor(); };
  const bool lstm = cell == recurrent_cell::lstm;
  const any_tensor given(operands[0]);
  const auto turned =
      [&](const any_tensor& v) -> any_tensor {  // [batch, directions, hidden] to or from directions first
    return at.batch_first ? any_tensor(transpose(v, {1, 0, 2})) : v;
  };
  const any_tensor x = widened(turned(given));
  const dims d = detail::shape_of(x.node());
  const int directions = directions_of(at), states = lstm ? 2 : 1, length = static_cast<int>(d[0]);
  const int hidden = static_cast<int>(detail::shape_of(operands[2])[2]), rows = hidden * gates_of(cell);
  const dtype type = detail::type_of(x.node());
  const any_tensor zero(ir::make_scalar(type, 0, std::source_location::current()));
  const auto of_direction = [&](const any_tensor& v, int k) -> any_tensor {
    return v.node() ? any_tensor(squeeze(part(widened(v), 0, k, k + 1), {0})) : any_tensor();
  };
  const any_tensor counts = operand(lstm ? 7 : 5);
  any_tensor lengths;
  if (counts.node()) lengths = unsqueeze(cast(counts, i64), {1});
  std::vector<any_tensor> outputs;
  std::vector<any_tensor> last[2];
  for (int k = 0; k < directions; ++k) {
    const bool backwards = at.direction == recurrent_direction::reverse || k == 1;
    const any_tensor bias = of_direction(operand(3), k);
    const layer l{at,
                  cell,
                  k,
                  hidden,
                  transpose(of_direction(operand(2), k)),
                  bias.node() ? part(bias, 0, rows, 2 * rows) : any_tensor(),
                  lstm ? of_direction(operand(6), k) : any_tensor()};
    any_tensor sums = matmul(x, transpose(of_direction(operand(1), k)));
    if (bias.node()) sums = sums + part(bias, 0, 0, rows);
    std::array<any_tensor, 2> state;
    for (int i = 0; i < states; ++i) {
      const any_tensor first = operand(4 + i);
      state[static_cast<std::size_t>(i)] =
          first.node() ? of_direction(turned(first), k) : any_tensor(broadcast_to(zero, extents(dims{d[1], hidden})));
    }
    if (length > longest_written_out)
      outputs.push_back(unsqueeze(scanned(l, sums, lengths, states, backwards, state), {1}));
    std::vector<any_tensor> made(static_cast<std::size_t>(length > longest_written_out ? 0 : length));
    for (int t = 0; t < static_cast<int>(made.size()); ++t) {
      const int i = backwards ? length - 1 - t : t;
      const std::array<any_tensor, 2> before = state;
      l.step(squeeze(part(sums, 0, i, i + 1), {0}), state);
      any_tensor y = state[0];
      bounded(lengths.node() ? any_tensor(less(i, lengths)) : any_tensor(), before, states, state, y);
      made[static_cast<std::size_t>(i)] = unsqueeze(y, {0, 1});
    }
    if (length == 0)
      outputs.emplace_back(broadcast_to(zero, extents(dims{0, 1, d[1], hidden})));
    else if (!made.empty())
      outputs.push_back(length == 1 ? made[0] : any_tensor(concat(made, {.axis = 0})));
    for (int i = 0; i < states; ++i) last[i].push_back(unsqueeze(state[static_cast<std::size_t>(i)], {0}));
  }
  const auto joined = [](const std::vector<any_tensor>& v, int axis) -> any_tensor {
    return v.size() == 1 ? v[0] : any_tensor(concat(v, {.axis = axis}));
  };
  const any_tensor y = joined(outputs, 1);
  results[0] = narrowed(at.batch_first ? any_tensor(transpose(y, {2, 0, 1, 3})) : y, given).node();
  for (int i = 0; i < states; ++i) results[1 + i] = narrowed(turned(joined(last[i], 0)), given).node();
}

}  // namespace

outcome recurrent_shape(recurrent_cell cell, const recurrent_attrs& at, shapes s) {
  outcome o;
  const int directions = directions_of(at), gates = gates_of(cell);
  const bool lstm = cell == recurrent_cell::lstm;
  const int functions = directions * functions_of(cell);
  if (at.functions.size != 0 && at.functions.size != functions) {
    o.refuse() << at.functions.size << " functions, " << functions << " are needed";
    return o;
  }
  for (int f : at.functions)
    if (f < 0 || f > static_cast<int>(gate_function::thresholded_relu)) {
      o.refuse() << "no function has the number " << f;
      return o;
    }
  if ((at.linear_before_reset && cell != recurrent_cell::gru) || (at.input_forget && !lstm)) {
    o.refuse() << (at.input_forget ? "input_forget" : "linear_before_reset") << " is not of this layer";
    return o;
  }
  if (s[0].rank != 3 || s[1].rank != 3 || s[2].rank != 3) {
    o.refuse() << "ranks " << s[0].rank << ", " << s[1].rank << " and " << s[2].rank << ", not 3";
    return o;
  }
  const extent_t length = s[0][at.batch_first ? 1 : 0], batch = s[0][at.batch_first ? 0 : 1], hidden = s[2][2];
  const extent_t rows = hidden < 0 ? dyn : detail::bounded_product(hidden, gates);
  const auto check = [&](int k, std::string_view what, const dims& want) {
    if (!o.ok || k >= s.size()) return;
    bool fits = s[k].rank == want.rank;
    for (int d = 0; fits && d < want.rank; ++d) fits = !differ(s[k][d], want[d]);
    if (!fits) o.refuse() << what << " " << s[k] << ", not " << want;
  };
  check(1, "weights", dims{directions, rows, s[0][2]});
  check(2, "recurrent weights", dims{directions, rows, hidden});
  check(3, "bias", dims{directions, rows < 0 ? dyn : 2 * rows});
  const dims state = at.batch_first ? dims{batch, directions, hidden} : dims{directions, batch, hidden};
  check(4, "first state", state);
  if (lstm) {
    check(5, "first cell", state);
    check(6, "peepholes", dims{directions, hidden < 0 ? dyn : detail::bounded_product(hidden, 3)});
  }
  check(lstm ? 7 : 5, "lengths", dims{batch});
  if (o.ok && length > max_recurrent_steps) o.refuse() << "length " << length << " > " << max_recurrent_steps;
  if (!o.ok) return o;
  o.out = at.batch_first ? dims{batch, length, directions, hidden} : dims{length, directions, batch, hidden};
  for (dims& d : o.more) d = state;
  return o;
}

template <class Op>
  requires std::derived_from<Op, recurrent_over<Op::cell>>
struct meaning<Op> : Op {
  template <class X, class... More>
  static auto expand(const recurrent_attrs& at, const X& x, const X& w, const X& r, const More&... more) {
    const detail::node_ref in[] = {x.node(), w.node(), r.node(), more.node()...};
    detail::node_ref out[3];
    expand_recurrent(Op::cell, at, in, static_cast<int>(std::size(in)), out);
    if constexpr (Op::has_cell)
      return std::tuple<X, X, X>{X(out[0]), X(out[1]), X(out[2])};
    else
      return std::tuple<X, X>{X(out[0]), X(out[1])};
  }
};

}  // namespace tenon::ops

TENON_DEFINE(rnn_op)
TENON_DEFINE(gru_op)
TENON_DEFINE(lstm_op)
