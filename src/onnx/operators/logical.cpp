// Comparisons, logic and choice.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

void is_infinite(node_call& n) {
  const any_tensor x = n.in(0), inf = isinf(x), zero = n.scalar(n.type(0), 0);
  const bool negative = n.integer("detect_negative", 1) != 0, positive = n.integer("detect_positive", 1) != 0;
  if (negative && positive) return n.out(inf);
  const any_tensor side = negative ? any_tensor(less(x, zero)) : any_tensor(greater(x, zero));
  n.out(negative || positive ? any_tensor(logical_and(inf, side)) : any_tensor(logical_and(inf, logical_not(inf))));
}

constexpr mapping table[] = {
    {"And", binary<ops::logical_and_op>},
    {"Equal", binary<ops::equal_op>},
    {"Greater", binary<ops::greater_op>},
    {"GreaterOrEqual", binary<ops::greater_equal_op>},
    {"IsInf", is_infinite},
    {"IsNaN", unary<ops::isnan_op>},
    {"Less", binary<ops::less_op>},
    {"LessOrEqual", binary<ops::less_equal_op>},
    {"Not", unary<ops::logical_not_op>},
    {"Or", binary<ops::logical_or_op>},
    {"Where", [](node_call& n) { n.out(select(n.in(0), n.in(1), n.in(2))); }},
    {"Xor", binary<ops::logical_xor_op>},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> logical_operators() { return table; }

}  // namespace tenon::onnx
