#include "tenon/ops/loss.hpp"

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {
using ir::any_tensor;

any_tensor reduced(loss_reduction how, const any_tensor& loss) {
  return how == loss_reduction::none  ? loss
         : how == loss_reduction::sum ? any_tensor(sum(loss))
                                      : any_tensor(mean(loss));
}

detail::node_ref expand_nll_loss(const class_loss_attrs& at, const detail::node_ref& node,
                                 const detail::node_ref& target_node, const detail::node_ref& weight_node) {
  const any_tensor x(node), wide = widened(x), target = cast(any_tensor(target_node), i64);
  const any_tensor counts = not_equal(target, at.ignore);
  const any_tensor safe = at.ignores ? any_tensor(select(counts, target, 0)) : target;
  const any_tensor chosen = squeeze(gather_elements(wide, unsqueeze(safe, {1}), {.axis = 1}), {1});
  any_tensor weight;
  if (weight_node) weight = widened(any_tensor(gather(any_tensor(weight_node), safe, {.axis = 0})));
  if (at.ignores)
    weight =
        weight.node() ? any_tensor(select(counts, weight, 0)) : any_tensor(cast(counts, detail::type_of(wide.node())));
  any_tensor loss = -chosen;
  if (!weight.node()) return any_tensor(narrowed(reduced(at.reduction, loss), x)).node();
  loss = loss * weight;
  const any_tensor y =
      at.reduction == loss_reduction::mean ? any_tensor(sum(loss) / sum(weight)) : reduced(at.reduction, loss);
  return any_tensor(narrowed(y, x)).node();
}
detail::node_ref expand_cross_entropy(const class_loss_attrs& at, const detail::node_ref& node,
                                      const detail::node_ref& target, const detail::node_ref& weight) {
  const any_tensor x(node), log_p = log_softmax(widened(x), {.axis = 1});
  any_tensor wide_weight;
  if (weight) wide_weight = widened(any_tensor(weight));
  return any_tensor(narrowed(any_tensor(expand_nll_loss(at, log_p.node(), target, wide_weight.node())), x)).node();
}
detail::node_ref expand_mse_loss(const loss_attrs& at, const detail::node_ref& node, const detail::node_ref& other) {
  const any_tensor x(node), d = widened(x) - widened(any_tensor(other));
  return any_tensor(narrowed(reduced(at.reduction, d * d), x)).node();
}
detail::node_ref expand_huber_loss(const huber_attrs& at, const detail::node_ref& node, const detail::node_ref& other) {
  const any_tensor x(node), d = abs(widened(x) - widened(any_tensor(other)));
  const any_tensor loss = select(d <= at.delta, d * d * 0.5, (d - at.delta / 2) * at.delta);
  return any_tensor(narrowed(reduced(at.reduction, loss), x)).node();
}
detail::node_ref expand_kl_div(const kl_div_attrs& at, const detail::node_ref& node, const detail::node_ref& other) {
  const any_tensor x(node), wide = widened(x), y = widened(any_tensor(other));
  const any_tensor loss =
      at.log_target ? any_tensor(exp(y) * (y - wide)) : any_tensor(select(equal(y, 0), 0, y * (log(y) - wide)));
  return any_tensor(narrowed(reduced(at.reduction, loss), x)).node();
}

}  // namespace

template <>
struct meaning<nll_loss_op> : nll_loss_op {
  template <class X, class... Weight>
  static X expand(const attrs& at, const X& x, const X& target, const Weight&... weight) {
    const detail::node_ref w[] = {weight.node()..., {}};
    return X(expand_nll_loss(at, x.node(), target.node(), w[0]));
  }
};
template <>
struct meaning<cross_entropy_op> : cross_entropy_op {
  template <class X, class... Weight>
  static X expand(const attrs& at, const X& x, const X& target, const Weight&... weight) {
    const detail::node_ref w[] = {weight.node()..., {}};
    return X(expand_cross_entropy(at, x.node(), target.node(), w[0]));
  }
};
template <>
struct meaning<mse_loss_op> : mse_loss_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& y) {
    return X(expand_mse_loss(at, x.node(), y.node()));
  }
};
template <>
struct meaning<huber_loss_op> : huber_loss_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& y) {
    return X(expand_huber_loss(at, x.node(), y.node()));
  }
};
template <>
struct meaning<kl_div_op> : kl_div_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& y) {
    return X(expand_kl_div(at, x.node(), y.node()));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(nll_loss_op)
TENON_DEFINE(cross_entropy_op)
TENON_DEFINE(mse_loss_op)
TENON_DEFINE(huber_loss_op)
TENON_DEFINE(kl_div_op)
