// Arithmetic and mathematics: maps of broadcast operands.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// Mod: of integers with the sign of the divisor, with fmod = 1 with that of the dividend; of floats C's fmod, as ours.
void modulo(node_call& n) {
  const any_tensor x = n.in(0), y = n.in(1), m = mod(x, y);
  if (n.integer("fmod", 0) == 0 || !is_signed_integer(n.type(0))) return n.out(m);
  const any_tensor zero = n.scalar(n.type(0), 0);
  n.out(select(logical_and(not_equal(m, zero), logical_xor(less(x, zero), less(m, zero))), m - y, m));
}
/// Pow: the exponent may have another type.
void power(node_call& n) {
  const auto [x, y] = binary_operands(n);
  const dtype base = x.node()->type.element, exponent = y.node()->type.element;
  if (base == exponent) return n.out(pow(x, y));
  if (is_float(base) || !is_float(exponent)) return n.out(pow(x, cast(y, base)));
  n.out(cast(pow(cast(x, f64), cast(y, f64)), base));
}
/// Folds the operands with f: Max, Min, Sum, Mean of any number.
template <class F>
any_tensor over_all(node_call& n, F f) {
  any_tensor r = n.in(0);
  for (int i = 1; i < n.inputs(); ++i) r = f(r, n.in(i));
  return r;
}
void clip_between(node_call& n) {
  any_tensor x = n.in(0);
  if (n.version() < 11) {
    const attribute *low = n.find("min"), *high = n.find("max");
    if (low) x = maximum(x, n.scalar(n.type(0), low->real));
    if (high) x = minimum(x, n.scalar(n.type(0), high->real));
  } else {
    if (n.has(1)) x = maximum(x, n.in(1));
    if (n.has(2)) x = minimum(x, n.in(2));
  }
  n.out(any_tensor(x));
}
void shift(node_call& n) {
  const std::string_view d = n.text("direction", "");
  if (d != "LEFT" && d != "RIGHT") n.refuse("the direction is neither LEFT nor RIGHT");
  n.out(d == "LEFT" ? any_tensor(shift_left(n.in(0), n.in(1))) : any_tensor(shift_right(n.in(0), n.in(1))));
}
void cast_to(node_call& n) {
  const std::int64_t to = n.integer("to", 0);
  n.ignore({"saturate"});
  const dtype d = element_type(to);
  if (d == any_dtype) n.refuse("a cast to " + element_name(to));
  n.out(cast(n.in(0), d));
}
void cast_like(node_call& n) {
  n.ignore({"saturate"});
  n.out(cast(n.in(0), n.type(1)));
}

constexpr mapping table[] = {
    {"Abs", unary<ops::abs_op>},
    {"Acos", unary<ops::acos_op>},
    {"Acosh", unary<ops::acosh_op>},
    {"Add", binary<ops::add_op>},
    {"Asin", unary<ops::asin_op>},
    {"Asinh", unary<ops::asinh_op>},
    {"Atan", unary<ops::atan_op>},
    {"Atanh", unary<ops::atanh_op>},
    {"BitShift", shift},
    {"BitwiseAnd", binary<ops::bit_and_op>},
    {"BitwiseNot", unary<ops::bit_not_op>},
    {"BitwiseOr", binary<ops::bit_or_op>},
    {"BitwiseXor", binary<ops::bit_xor_op>},
    {"Cast", cast_to},
    {"CastLike", cast_like},
    {"Ceil", unary<ops::ceil_op>},
    {"Clip", clip_between},
    {"Cos", unary<ops::cos_op>},
    {"Cosh", unary<ops::cosh_op>},
    {"Div", binary<ops::div_op>},
    {"Erf", unary<ops::erf_op>},
    {"Exp", unary<ops::exp_op>},
    {"Floor", unary<ops::floor_op>},
    {"Log", unary<ops::log_op>},
    {"Max", [](node_call& n) { n.out(over_all(n, [](auto a, auto b) -> any_tensor { return maximum(a, b); })); }},
    {"Mean",
     [](node_call& n) {
       const any_tensor all = over_all(n, [](auto a, auto b) -> any_tensor { return a + b; });
       n.out(all / n.inputs());
     }},
    {"Min", [](node_call& n) { n.out(over_all(n, [](auto a, auto b) -> any_tensor { return minimum(a, b); })); }},
    {"Mod", modulo},
    {"Mul", binary<ops::mul_op>},
    {"Neg", unary<ops::neg_op>},
    {"Pow", power},
    {"Reciprocal", unary<ops::reciprocal_op>},
    {"Round", unary<ops::round_op>},
    {"Sign", unary<ops::sign_op>},
    {"Sin", unary<ops::sin_op>},
    {"Sinh", unary<ops::sinh_op>},
    {"Sqrt", unary<ops::sqrt_op>},
    {"Sub", binary<ops::sub_op>},
    {"Sum", [](node_call& n) { n.out(over_all(n, [](auto a, auto b) -> any_tensor { return a + b; })); }},
    {"Tan", unary<ops::tan_op>},
    {"Tanh", unary<ops::tanh_op>},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> elementwise_operators() { return table; }

}  // namespace tenon::onnx
