// Losses of classes: x is [n, classes, spatial...], the target [n, spatial...].
#include "tenon/ops/loss.hpp"

#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

class_loss_attrs loss_of(node_call& n) {
  class_loss_attrs at;
  const std::string_view word = n.text("reduction", "mean");
  const value_names known = names_of(at.reduction);
  const auto* found = std::find(known.v, known.v + known.n, word);
  if (found == known.v + known.n) n.refuse("reduction '" + std::string(word) + "' is not known");
  at.reduction = static_cast<loss_reduction>(found - known.v);
  if (const attribute* ignore = n.find("ignore_index")) {
    at.ignores = true;
    at.ignore = n.few(ignore->integer, "ignore_index");
  }
  return at;
}
void nll(node_call& n) {
  const class_loss_attrs at = loss_of(n);
  n.out(n.has(2) ? any_tensor(nll_loss(n.in(0), n.in(1), n.in(2), at)) : any_tensor(nll_loss(n.in(0), n.in(1), at)));
}
void softmax_cross_entropy(node_call& n) {
  const class_loss_attrs at = loss_of(n);
  n.out(0, n.has(2) ? any_tensor(cross_entropy(n.in(0), n.in(1), n.in(2), at))
                    : any_tensor(cross_entropy(n.in(0), n.in(1), at)));
  n.out(1, log_softmax(n.in(0), {.axis = 1}));
}

constexpr mapping table[] = {
    {"NegativeLogLikelihoodLoss", nll},
    {"SoftmaxCrossEntropyLoss", softmax_cross_entropy},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> loss_operators() { return table; }

}  // namespace tenon::onnx
