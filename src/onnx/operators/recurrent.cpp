// RNN, GRU and LSTM: one step after another, as many as the sequence is long. x is [length, batch, inputs] (with
// layout 1 [batch, length, inputs]), weights w [directions, gates * hidden, inputs], r [directions, gates * hidden,
// hidden], b [directions, 2 * gates * hidden].
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// Longest sequence whose steps are written out.
constexpr extent_t max_steps = 512;

using activation = any_tensor (*)(const any_tensor&, double alpha, double beta);
struct named_activation {
  std::string_view name;
  activation apply;
  float alpha, beta;
};
// Their names in ONNX, with its defaults.
constexpr named_activation activations[] = {
    {"Affine", [](const any_tensor& x, double a, double b) -> any_tensor { return x * a + b; }, 1, 0},
    {"Elu", [](const any_tensor& x, double a, double) -> any_tensor { return elu(x, {.alpha = a}); }, 1, 0},
    {"HardSigmoid",
     [](const any_tensor& x, double a, double b) -> any_tensor { return hard_sigmoid(x, {.alpha = a, .beta = b}); },
     0.2f, 0.5f},
    {"LeakyRelu", [](const any_tensor& x, double a, double) -> any_tensor { return leaky_relu(x, {.alpha = a}); },
     0.01f, 0},
    {"Relu", [](const any_tensor& x, double, double) -> any_tensor { return relu(x); }, 0, 0},
    {"ScaledTanh", [](const any_tensor& x, double a, double b) -> any_tensor { return tanh(x * b) * a; }, 1, 1},
    {"Sigmoid", [](const any_tensor& x, double, double) -> any_tensor { return sigmoid(x); }, 0, 0},
    {"Softplus", [](const any_tensor& x, double, double) -> any_tensor { return softplus(x); }, 0, 0},
    {"Softsign", [](const any_tensor& x, double, double) -> any_tensor { return softsign(x); }, 0, 0},
    {"Tanh", [](const any_tensor& x, double, double) -> any_tensor { return tanh(x); }, 0, 0},
    {"ThresholdedRelu", [](const any_tensor& x, double a, double) -> any_tensor { return threshold(x, {.at = a}); }, 1,
     0},
};
struct gate_function {
  const named_activation* kind = nullptr;
  double alpha = 0, beta = 0;
  any_tensor operator()(const any_tensor& x) const { return kind->apply(x, alpha, beta); }
};

/// What the three cells share.
struct recurrent {
  node_call& n;
  int gates, functions;  ///< functions: activations for a direction
  int hidden = 0, directions = 1;
  bool batch_first = false, reversed = false;
  double clip_at = 0;
  std::vector<gate_function> all;

  recurrent(node_call& call, int gate_count, std::vector<std::string_view> usual)
      : n(call), gates(gate_count), functions(static_cast<int>(usual.size())) {
    const std::string_view direction = n.text("direction", "forward");
    if (direction == "bidirectional")
      directions = 2;
    else if (direction == "reverse")
      reversed = true;
    else if (direction != "forward")
      n.refuse("direction '" + std::string(direction) + "' is not known");
    batch_first = n.integer("layout", 0) != 0;
    clip_at = n.real("clip", 0);
    const dims r = n.shape(2);
    if (r.rank != 3 || r[2] < 1) n.refuse("the recurrent weights are no [directions, gates * hidden, hidden]");
    hidden = n.few(r[2], "hidden_size");
    if (n.integer("hidden_size", hidden) != hidden) n.refuse("hidden_size is not that of the weights");
    read_activations(std::move(usual));
  }
  void read_activations(std::vector<std::string_view> usual) {
    std::vector<std::string_view> names;
    if (const attribute* a = n.find("activations")) names = a->texts();
    if (names.empty())
      for (int d = 0; d < directions; ++d) names.insert(names.end(), usual.begin(), usual.end());
    if (names.size() != static_cast<std::size_t>(functions * directions))
      n.refuse(std::to_string(names.size()) + " activations, " + std::to_string(functions * directions) +
               " are needed");
    const attribute *alpha = n.find("activation_alpha"), *beta = n.find("activation_beta");
    const std::vector<float> alphas = alpha ? alpha->reals() : std::vector<float>{},
                             betas = beta ? beta->reals() : std::vector<float>{};
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto* k = std::ranges::find(activations, names[i], &named_activation::name);
      if (k == std::end(activations)) n.refuse("activation '" + std::string(names[i]) + "' is not known");
      all.push_back({k, i < alphas.size() ? alphas[i] : k->alpha, i < betas.size() ? betas[i] : k->beta});
    }
  }
  const gate_function& function(int direction, int i) const {
    return all[static_cast<std::size_t>(direction * functions + i)];
  }
  /// Entry `direction` of operand i, of which the first axis is dropped; nothing when there is none.
  any_tensor of_direction(int i, int direction) const {
    if (!n.has(i)) return {};
    return squeeze(slice(n.in(i), {.start = {direction}, .stop = {direction + 1}, .step = {}, .axes = {0}}), {0});
  }
  static any_tensor part(const any_tensor& x, int axis, int first, int last) {
    return slice(x, {.start = {first}, .stop = {last}, .step = {}, .axes = {axis}});
  }
  /// Gate g of a step's sums [batch, gates * hidden].
  any_tensor gate(const any_tensor& sums, int g) const { return part(sums, 1, g * hidden, (g + 1) * hidden); }
  any_tensor bias(const any_tensor& b, int which) const {  // 0: of the input, 1: of the state
    return part(b, 0, which * gates * hidden, (which + 1) * gates * hidden);
  }
  any_tensor clipped(const any_tensor& x) const {
    return clip_at > 0 ? any_tensor(clip(x, {.low = -clip_at, .high = clip_at})) : x;
  }

  /// step(direction, x sums of the input [batch, gates * hidden], state) changes the state, of which [0] is the output.
  template <class Step>
  void run(int states, Step step) {
    any_tensor x = n.in(0);
    if (n.rank(0) != 3) n.refuse("the input is no [length, batch, inputs]");
    if (batch_first) x = transpose(x, {1, 0, 2});
    const dims d = x.node()->type.shape;
    const extent_t length = d[0];
    if (length < 0) n.refuse("the length of the sequence is not known: give it in onnx_options::extents");
    if (length > max_steps || length < 1)
      n.refuse("a sequence of " + std::to_string(length) + " steps, 1 to " + std::to_string(max_steps) +
               " are supported");
    const int steps = static_cast<int>(length);
    any_tensor lengths;
    if (n.has(4)) lengths = unsqueeze(cast(n.in(4), i64), {1});
    std::vector<any_tensor> outputs;
    std::vector<std::vector<any_tensor>> last(static_cast<std::size_t>(states));
    for (int k = 0; k < directions; ++k) {
      const bool backwards = reversed || k == 1;
      const any_tensor w = transpose(of_direction(1, k)), b = of_direction(3, k);
      any_tensor sums = matmul(x, w);
      if (b.node()) sums = sums + bias(b, 0);
      std::vector<any_tensor> state;
      for (int s = 0; s < states; ++s) {
        const int operand = 5 + s;
        any_tensor first;
        if (n.has(operand)) {
          first = batch_first ? any_tensor(transpose(n.in(operand), {1, 0, 2})) : n.in(operand);
          first = squeeze(part(first, 0, k, k + 1), {0});
        } else {
          first = broadcast_to(n.scalar(n.type(0), 0), extents(dims{d[1], hidden}));
        }
        state.push_back(first);
      }
      std::vector<any_tensor> made(static_cast<std::size_t>(steps));
      for (int t = 0; t < steps; ++t) {
        const int at = backwards ? steps - 1 - t : t;
        const std::vector<any_tensor> before = state;
        step(k, any_tensor(squeeze(part(sums, 0, at, at + 1), {0})), state);
        any_tensor y = state[0];
        if (lengths.node()) {  // behind its end a sequence keeps its state and gives 0
          const any_tensor inside = less(n.scalar(i64, at), lengths);
          for (std::size_t s = 0; s < state.size(); ++s) state[s] = select(inside, state[s], before[s]);
          y = select(inside, y, n.scalar(n.type(0), 0));
        }
        made[static_cast<std::size_t>(at)] = unsqueeze(y, {0, 1});
      }
      outputs.push_back(made.size() == 1 ? made[0] : any_tensor(concat(made, {.axis = 0})));
      for (int s = 0; s < states; ++s)
        last[static_cast<std::size_t>(s)].push_back(unsqueeze(state[static_cast<std::size_t>(s)], {0}));
    }
    // y [length, directions, batch, hidden]; the last states [directions, batch, hidden].
    const any_tensor y = directions == 1 ? outputs[0] : any_tensor(concat(outputs, {.axis = 1}));
    n.out(0, batch_first ? any_tensor(transpose(y, {2, 0, 1, 3})) : y);
    for (int s = 0; s < states; ++s) {
      const auto& parts = last[static_cast<std::size_t>(s)];
      const any_tensor h = directions == 1 ? parts[0] : any_tensor(concat(parts, {.axis = 0}));
      n.out(1 + s, batch_first ? any_tensor(transpose(h, {1, 0, 2})) : h);
    }
  }
};

void rnn(node_call& n) {
  recurrent c(n, 1, {"Tanh"});
  c.run(1, [&](int k, const any_tensor& x, std::vector<any_tensor>& state) {
    any_tensor sums = x + matmul(state[0], transpose(c.of_direction(2, k)));
    if (n.has(3)) sums = sums + c.bias(c.of_direction(3, k), 1);
    state[0] = c.function(k, 0)(c.clipped(sums));
  });
}
// Gates z, r, h. z and r are sigmoid(w x + r h); the new value is tanh(w x + r (reset * h)), or with
// linear_before_reset tanh(w x + reset * (r h)); the state moves towards it by 1 - z.
void gru(node_call& n) {
  recurrent c(n, 3, {"Sigmoid", "Tanh"});
  const bool linear = n.integer("linear_before_reset", 0) != 0;
  c.run(1, [&](int k, const any_tensor& x, std::vector<any_tensor>& state) {
    const any_tensor r = c.of_direction(2, k), h = state[0];
    const int hidden = c.hidden;
    const any_tensor b = n.has(3) ? c.bias(c.of_direction(3, k), 1) : any_tensor();
    const auto biased = [&](const any_tensor& v, int first, int last) {
      return b.node() ? any_tensor(v + recurrent::part(b, 0, first * hidden, last * hidden)) : v;
    };
    const any_tensor both =
        recurrent::part(x, 1, 0, 2 * hidden) + biased(matmul(h, transpose(recurrent::part(r, 0, 0, 2 * hidden))), 0, 2);
    const any_tensor gates = c.function(k, 0)(c.clipped(both));
    const any_tensor z = c.gate(gates, 0), reset = c.gate(gates, 1);
    const any_tensor rh = transpose(recurrent::part(r, 0, 2 * hidden, 3 * hidden));
    const any_tensor recurrence =
        linear ? any_tensor(reset * biased(matmul(h, rh), 2, 3)) : biased(matmul(any_tensor(reset * h), rh), 2, 3);
    const any_tensor fresh = c.function(k, 1)(c.clipped(c.gate(x, 2) + recurrence));
    state[0] = (1 - z) * fresh + z * h;
  });
}
// Gates i, o, f, c, with peepholes p [directions, 3 * hidden] of i, o, f.
void lstm(node_call& n) {
  recurrent c(n, 4, {"Sigmoid", "Tanh", "Tanh"});
  const bool coupled = n.integer("input_forget", 0) != 0;
  c.run(2, [&](int k, const any_tensor& x, std::vector<any_tensor>& state) {
    any_tensor sums = x + matmul(state[0], transpose(c.of_direction(2, k)));
    if (n.has(3)) sums = sums + c.bias(c.of_direction(3, k), 1);
    const auto peep = [&](const any_tensor& v, int gate, const any_tensor& cell) {
      return n.has(7) ? any_tensor(
                            v + recurrent::part(c.of_direction(7, k), 0, gate * c.hidden, (gate + 1) * c.hidden) * cell)
                      : v;
    };
    const any_tensor i = c.function(k, 0)(c.clipped(peep(c.gate(sums, 0), 0, state[1])));
    const any_tensor f = coupled ? any_tensor(1 - i) : c.function(k, 0)(c.clipped(peep(c.gate(sums, 2), 2, state[1])));
    const any_tensor cell = f * state[1] + i * c.function(k, 1)(c.clipped(c.gate(sums, 3)));
    const any_tensor o = c.function(k, 0)(c.clipped(peep(c.gate(sums, 1), 1, cell)));
    state[0] = o * c.function(k, 2)(cell);
    state[1] = cell;
  });
}

constexpr mapping table[] = {
    {"GRU", gru},
    {"LSTM", lstm},
    {"RNN", rnn},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> recurrent_operators() { return table; }

}  // namespace tenon::onnx
