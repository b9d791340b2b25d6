// RNN, GRU and LSTM. x is [length, batch, inputs] (with layout 1 [batch, length, inputs]), weights w [directions, gates
// * hidden, inputs], r [directions, gates * hidden, hidden], b [directions, 2 * gates * hidden].
#include "tenon/ops/recurrent.hpp"

#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

struct named_function {
  std::string_view name;
  gate_function function;
  float alpha, beta;
};
// Their names in ONNX, with its defaults.
constexpr named_function functions[] = {
    {"Affine", gate_function::affine, 1, 0},
    {"Elu", gate_function::elu, 1, 0},
    {"HardSigmoid", gate_function::hard_sigmoid, 0.2f, 0.5f},
    {"LeakyRelu", gate_function::leaky_relu, 0.01f, 0},
    {"Relu", gate_function::relu, 0, 0},
    {"ScaledTanh", gate_function::scaled_tanh, 1, 1},
    {"Sigmoid", gate_function::sigmoid, 0, 0},
    {"Softplus", gate_function::softplus, 0, 0},
    {"Softsign", gate_function::softsign, 0, 0},
    {"Tanh", gate_function::tanh, 0, 0},
    {"ThresholdedRelu", gate_function::thresholded_relu, 1, 0},
};

recurrent_attrs attributes_of(node_call& n) {
  recurrent_attrs at;
  const std::string_view direction = n.text("direction", "forward");
  const value_names known = names_of(at.direction);
  const auto* found = std::find(known.v, known.v + known.n, direction);
  if (found == known.v + known.n) n.refuse("direction '" + std::string(direction) + "' is not known");
  at.direction = static_cast<recurrent_direction>(found - known.v);
  at.batch_first = n.integer("layout", 0) != 0;
  at.clip = n.real("clip", 0);
  const dims r = n.shape(2);
  if (r.rank != 3) n.refuse("the recurrent weights are no [directions, gates * hidden, hidden]");
  if (r[2] >= 0 && n.integer("hidden_size", r[2]) != r[2]) n.refuse("hidden_size is not that of the weights");
  n.ignore({"hidden_size"});
  const attribute *alpha = n.find("activation_alpha"), *beta = n.find("activation_beta");
  const std::vector<float> alphas = alpha ? alpha->reals() : std::vector<float>{},
                           betas = beta ? beta->reals() : std::vector<float>{};
  const attribute* given = n.find("activations");
  for (const std::string_view name : given ? given->texts() : std::vector<std::string_view>{}) {
    const auto* f = std::ranges::find(functions, name, &named_function::name);
    if (f == std::end(functions)) n.refuse("activation '" + std::string(name) + "' is not known");
    if (at.functions.size == ints::capacity) n.refuse("too many activations");
    const auto i = static_cast<std::size_t>(at.functions.size);
    at.functions.v[at.functions.size++] = static_cast<int>(f->function);
    at.alpha.v[at.alpha.size++] = i < alphas.size() ? alphas[i] : f->alpha;
    at.beta.v[at.beta.size++] = i < betas.size() ? betas[i] : f->beta;
  }
  return at;
}

/// Ours has no gaps among its operands: what is missing before a given one is filled in. `order` says which operand of
/// ONNX each of ours is: 4 are the lengths, which come last.
template <class Op>
void layer(node_call& n, const recurrent_attrs& at, std::initializer_list<int> order) {
  const dims x = n.shape(0), w = n.shape(1), r = n.shape(2);
  int last = 2;
  for (int k = 0; const int i : order) {
    if (n.has(i)) last = k;
    ++k;
  }
  const auto zeros = [&](const dims& d) -> any_tensor {
    if (!d.is_static()) n.refuse("an operand is missing whose extents are not known");
    return broadcast_to(n.scalar(n.type(0), 0), extents(d));
  };
  const extent_t batch = x[at.batch_first ? 0 : 1], directions = w[0], hidden = r[2];
  std::vector<any_tensor> operands;
  for (int k = 0; const int i : order) {
    if (k++ > last) break;
    if (n.has(i))
      operands.push_back(n.in(i));
    else if (i == 3)
      operands.push_back(zeros({directions, 2 * r[1]}));
    else if (i == 7)
      operands.push_back(zeros({directions, 3 * hidden}));
    else if (at.batch_first)
      operands.push_back(zeros({batch, directions, hidden}));
    else
      operands.push_back(zeros({directions, batch, hidden}));
  }
  n.make_all<Op>(at, operands);
}

void rnn(node_call& n) { layer<ops::rnn_op>(n, attributes_of(n), {0, 1, 2, 3, 5, 4}); }
void gru(node_call& n) {
  recurrent_attrs at = attributes_of(n);
  at.linear_before_reset = n.integer("linear_before_reset", 0) != 0;
  layer<ops::gru_op>(n, at, {0, 1, 2, 3, 5, 4});
}
void lstm(node_call& n) {
  recurrent_attrs at = attributes_of(n);
  at.input_forget = n.integer("input_forget", 0) != 0;
  layer<ops::lstm_op>(n, at, {0, 1, 2, 3, 5, 6, 7, 4});
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
