// Recurrent layers over a sequence: rnn, gru, lstm. Not part of tenon.hpp: include it beside. They are written in other
// operators, step by step, in src/ops/recurrent.cpp.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/many_operands.hpp"
#include "tenon/ops/op.hpp"
#include "tenon/ops/reals.hpp"

namespace tenon {

enum class recurrent_direction : unsigned char { forward, reverse, bidirectional };
inline constexpr std::string_view recurrent_direction_names[] = {"forward", "reverse", "bidirectional"};
constexpr value_names names_of(recurrent_direction) { return {recurrent_direction_names, 3}; }

/// Functions of gates. With alpha and beta where they have parameters: affine alpha x + beta, elu, hard_sigmoid,
/// leaky_relu, scaled_tanh alpha tanh(beta x), thresholded_relu.
enum class gate_function : int {
  sigmoid,
  tanh,
  relu,
  affine,
  elu,
  hard_sigmoid,
  leaky_relu,
  scaled_tanh,
  softplus,
  softsign,
  thresholded_relu
};

/// Of `rnn`, `gru` and `lstm`: the direction; whether x is [batch, length, inputs] (else [length, batch, inputs]); a
/// bound of what goes into the gates' functions (0: none); the gates' functions as numbers of gate_function, for each
/// direction one (rnn), two (gru: the gates, the new value) or three (lstm: the gates, the new value, the output),
/// none: sigmoid for gates and tanh; their parameters; of gru whether the reset gate comes behind the product; of lstm
/// whether the forget gate is one minus the input gate.
struct recurrent_attrs {
  recurrent_direction direction = recurrent_direction::forward;
  bool batch_first = false;
  double clip = 0;
  ints functions{};
  reals alpha{}, beta{};
  bool linear_before_reset = false, input_forget = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("direction", s.direction);
    v("batch_first", s.batch_first);
    v("clip", s.clip);
    v("functions", s.functions);
    v("alpha", s.alpha);
    v("beta", s.beta);
    v("linear_before_reset", s.linear_before_reset);
    v("input_forget", s.input_forget);
  }
  friend constexpr bool operator==(const recurrent_attrs&, const recurrent_attrs&) = default;
};

namespace ops {

enum class recurrent_cell : unsigned char { rnn, gru, lstm };

/// Of the longest sequence.
inline constexpr extent_t max_recurrent_steps = 65536;

outcome recurrent_shape(recurrent_cell, const recurrent_attrs&, shapes);

/// Operands x, w [directions, gates * hidden, inputs], r [directions, gates * hidden, hidden], b [directions, 2 * gates
/// * hidden] (of the input, then of the state), the first state [directions, batch, hidden] (batch_first: [batch,
/// directions, hidden]), and the sequences' lengths [batch] (i64); those from b on may be left out from the end.
/// Results: the states [length, directions, batch, hidden] (batch_first: [batch, length, directions, hidden]), and the
/// last one of each sequence. Behind its end a sequence gives 0.
template <recurrent_cell Cell>
struct recurrent_over {
  using attrs = recurrent_attrs;
  static constexpr recurrent_cell cell = Cell;
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr bool has_cell = Cell == recurrent_cell::lstm;
  static constexpr int operands = 3, max_operands = has_cell ? 8 : 6, results = has_cell ? 3 : 2, main_operand = 0;
  static constexpr dtype operand_type(int k, dtype main) { return k == max_operands - 1 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    for (dims& d : o.more) d = o.out;
    if (std::is_constant_evaluated() || s.any()) return o;
    return recurrent_shape(Cell, at, s);
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const bool lengths = t.size() == max_operands;
    type_outcome o = one_type(domain::floats, {t.v, t.size() - lengths});
    for (dtype& d : o.more) d = o.out;
    if (o.ok && lengths && !in_domain(domain::integers, t[max_operands - 1]))
      o.refuse() << "lengths of " << tenon::name(t[max_operands - 1]);
    return o;
  }
};
/// state = f(w x + r state). ONNX RNN.
struct rnn_op : recurrent_over<recurrent_cell::rnn> {
  static constexpr const char* name = "rnn";
};
/// Gates z and r; the new value is g(w x + r (reset * state)), the state moves towards it by 1 - z. ONNX GRU.
struct gru_op : recurrent_over<recurrent_cell::gru> {
  static constexpr const char* name = "gru";
};
/// Gates i, o, f and the new value; behind the first state comes the first cell, then peepholes [directions, 3 *
/// hidden] of i, o, f. A third result holds the last cells. ONNX LSTM.
struct lstm_op : recurrent_over<recurrent_cell::lstm> {
  static constexpr const char* name = "lstm";
};

}  // namespace ops

/// auto [y, last] = rnn(x, w, r), rnn(x, w, r, b, state, {.batch_first = true}).
inline constexpr detail::attr_fn<ops::rnn_op> rnn{};
inline constexpr detail::attr_fn<ops::gru_op> gru{};
/// auto [y, last, cell] = lstm(x, w, r, b).
inline constexpr detail::attr_fn<ops::lstm_op> lstm{};

}  // namespace tenon
