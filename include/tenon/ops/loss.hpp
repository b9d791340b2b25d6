// Losses. Not part of tenon.hpp: include it beside. They are written in other operators, in src/ops/loss.cpp.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {

/// What becomes of the losses of the elements: each by itself, their sum, their mean.
enum class loss_reduction : unsigned char { mean, sum, none };
inline constexpr std::string_view loss_reduction_names[] = {"mean", "sum", "none"};
constexpr value_names names_of(loss_reduction) { return {loss_reduction_names, 3}; }

/// Of `nll_loss` and `cross_entropy`: the reduction, and whether a class does not count, and which.
struct class_loss_attrs {
  loss_reduction reduction = loss_reduction::mean;
  bool ignores = false;
  int ignore = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("reduction", s.reduction);
    v("ignores", s.ignores);
    v("ignore", s.ignore);
  }
  friend constexpr bool operator==(const class_loss_attrs&, const class_loss_attrs&) = default;
};
/// Of `mse_loss`.
struct loss_attrs {
  loss_reduction reduction = loss_reduction::mean;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("reduction", s.reduction);
  }
  friend constexpr bool operator==(const loss_attrs&, const loss_attrs&) = default;
};
/// Of `huber_loss`: the distance up to which it is a square.
struct huber_attrs {
  loss_reduction reduction = loss_reduction::mean;
  double delta = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("reduction", s.reduction);
    v("delta", s.delta);
  }
  friend constexpr bool operator==(const huber_attrs&, const huber_attrs&) = default;
};
/// Of `kl_div`: whether the target is a logarithm too.
struct kl_div_attrs {
  loss_reduction reduction = loss_reduction::mean;
  bool log_target = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("reduction", s.reduction);
    v("log_target", s.log_target);
  }
  friend constexpr bool operator==(const kl_div_attrs&, const kl_div_attrs&) = default;
};

namespace ops {

/// `weight` may be null.
/// Operands x [n, classes, ...], target [n, ...] of classes, and a weight of each class if they have some.
struct class_loss_op : unary_over<domain::floats> {
  using attrs = class_loss_attrs;
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 3;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = at.reduction == loss_reduction::none ? s[1] : dims{};
    if (s.any()) return o;
    if (s[0].rank < 2 || s[1].rank != s[0].rank - 1) {
      o.refuse() << "ranks " << s[0].rank << " and " << s[1].rank;
      return o;
    }
    for (int d = 0; d < s[1].rank && o.ok; ++d) {
      const extent_t e = s[0][d == 0 ? 0 : d + 1];
      if (e >= 0 && s[1][d] >= 0 && e != s[1][d]) o.refuse() << "extents " << e << " != " << s[1][d];
    }
    if (o.ok && s.n > 2 && (s[2].rank != 1 || (s[2][0] >= 0 && s[0][1] >= 0 && s[2][0] != s[0][1])))
      o.refuse() << "weights " << s[2] << " of " << s[0][1] << " classes";
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype floats[] = {t[0], t.n > 2 ? t[2] : t[0]};
    type_outcome o = one_type(domain::floats, {floats, 2});
    if (o.ok && !in_domain(domain::integers, t[1])) o.refuse() << "classes of " << tenon::name(t[1]);
    return o;
  }
};
/// -x[target] weight[target]; the mean is over the weights. x holds logarithms. ONNX NegativeLogLikelihoodLoss.
struct nll_loss_op : class_loss_op {
  static constexpr const char* name = "nll_loss";
};
/// nll_loss of log_softmax(x) along the classes. ONNX SoftmaxCrossEntropyLoss.
struct cross_entropy_op : class_loss_op {
  static constexpr const char* name = "cross_entropy";
};

/// Of two values of one shape.
struct pair_loss_op : unary_over<domain::floats> {
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = at.reduction == loss_reduction::none ? s[0] : dims{};
    if (s.any()) return o;
    bool same = s[0].rank == s[1].rank;
    for (int d = 0; same && d < s[0].rank; ++d) same = s[0][d] < 0 || s[1][d] < 0 || s[0][d] == s[1][d];
    if (!same) o.refuse() << "shapes " << s[0] << " and " << s[1];
    return o;
  }
};
/// (x - y)^2. PyTorch mse_loss.
struct mse_loss_op : pair_loss_op {
  using attrs = loss_attrs;
  static constexpr const char* name = "mse_loss";
};
/// With d = |x - y|: d^2 / 2 up to delta, then delta (d - delta / 2). PyTorch huber_loss.
struct huber_loss_op : pair_loss_op {
  using attrs = huber_attrs;
  static constexpr const char* name = "huber_loss";
};
/// y (log y - x) of x = log p and y, 0 where y is 0; with log_target e^y (y - x). PyTorch kl_div.
struct kl_div_op : pair_loss_op {
  using attrs = kl_div_attrs;
  static constexpr const char* name = "kl_div";
};

}  // namespace ops

/// nll_loss(log_p, target), nll_loss(log_p, target, weight, {.reduction = loss_reduction::sum}).
inline constexpr detail::attr_fn<ops::nll_loss_op> nll_loss{};
inline constexpr detail::attr_fn<ops::cross_entropy_op> cross_entropy{};
inline constexpr detail::attr_fn<ops::mse_loss_op> mse_loss{};
inline constexpr detail::attr_fn<ops::huber_loss_op> huber_loss{};
inline constexpr detail::attr_fn<ops::kl_div_op> kl_div{};

}  // namespace tenon
