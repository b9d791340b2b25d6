#include <cstring>
#include <optional>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "loop/evaluate.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/math.hpp"

namespace tenon::ir {
namespace {

using detail::definition;

std::optional<double> number_of(const node& n) {
  if (n.op != &constant_definition() || n.type.shape.count() != 1 || !is_float(n.type.element)) return {};
  std::int64_t bits = 0;
  std::memcpy(&bits, constant_of(n).data(), static_cast<std::size_t>(size_of(n.type.element)));
  return value_of(n.type.element, bits);
}

struct rewriter {
  node_table& table;
  const node_ref& n;

  node_ref apply(const op_def& op, std::vector<node_ref> operands) const {
    return table.make(op, std::make_shared<const no_attrs>(), std::move(operands), n->where);
  }
  node_ref constant(double v) const { return make_scalar(n->type.element, v, n->where); }
  const node_ref& x(int i) const { return n->operands[static_cast<std::size_t>(i)]; }

  // (x + a) + b of constants a and b, the same for products.
  node_ref regrouped(const op_def& op) const {
    if (n->op != &op) return {};
    for (int side = 0; side < 2; ++side) {
      const node_ref &inner = x(side), &b = x(1 - side);
      if (b->op != &constant_definition() || inner->op != &op) continue;
      for (int k = 0; k < 2; ++k) {
        const node_ref &a = inner->operands[static_cast<std::size_t>(k)],
                       &y = inner->operands[static_cast<std::size_t>(1 - k)];
        if (a->op != &constant_definition() || y->op == &constant_definition()) continue;
        node_ref r = apply(op, {y, apply(op, {a, b})});
        if (r->type == n->type) return r;
      }
    }
    return {};
  }

  node_ref run() const {
    const op_def &mul = definition<ops::mul_op>(), &div = definition<ops::div_op>(), &add = definition<ops::add_op>();
    if (node_ref r = regrouped(mul)) return r;
    if (node_ref r = regrouped(add)) return r;
    if (n->op == &add)
      for (int side = 0; side < 2; ++side)
        if (number_of(*x(side)) == 0.0 && x(1 - side)->type == n->type) return x(1 - side);
    if (n->op == &div) {
      if (x(1)->op == &constant_definition() && x(0)->op != &constant_definition())
        return apply(mul, {x(0), apply(definition<ops::reciprocal_op>(), {x(1)})});
      if (x(1)->op == &definition<ops::sqrt_op>())
        return apply(mul, {x(0), apply(definition<ops::rsqrt_op>(), {x(1)->operands[0]})});
    }
    if (n->op == &definition<ops::reciprocal_op>() && x(0)->op == &definition<ops::sqrt_op>())
      return apply(definition<ops::rsqrt_op>(), {x(0)->operands[0]});
    if (n->op == &definition<ops::pow_op>() && x(0)->type == n->type) {
      if (number_of(*x(1)) == 0.5) return apply(definition<ops::sqrt_op>(), {x(0)});
      if (number_of(*x(1)) == -0.5) return apply(definition<ops::rsqrt_op>(), {x(0)});
      if (number_of(*x(1)) == 3.0) return apply(mul, {apply(mul, {x(0), x(0)}), x(0)});
    }
    if (n->op == &definition<ops::log_op>() && x(0)->op == &definition<ops::exp_op>()) return x(0)->operands[0];
    return {};
  }
};

}  // namespace

//   (x * 2) * 3            -> x * 6                   also +
//   x + 0                  -> x
//   x / c, x / sqrt(y)     -> x * (1 / c), x * rsqrt(y)
//   1 / sqrt(x)            -> rsqrt(x)
//   pow(x, 0.5), -0.5, 3   -> sqrt(x), rsqrt(x), x * x * x
//   log(exp(x))            -> x
graph fast_math(const graph& g, const pass_settings&) {
  return rewrite(g, [](node_table& t, const node_ref& n) -> node_ref {
    if (n->op->kind != op_kind::map || !is_float(n->type.element)) return {};
    return rewriter{t, n}.run();
  });
}

}  // namespace tenon::ir
