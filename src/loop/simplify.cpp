#include "loop/simplify.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "loop/evaluate.hpp"

namespace tenon::ir {
namespace {

constexpr std::int64_t unbounded = INT64_MAX;

/// Integers: the value if it is a constant.
bool known(expr_ref e, std::int64_t& v) {
  if (!e->is(expr_kind::constant)) return false;
  v = e->payload;
  return true;
}
bool is_constant(expr_ref e) { return e->is(expr_kind::constant); }
bool is_false(expr_ref e) { return is_constant(e) && e->type == b8 && e->payload == 0; }
/// x + c or x * c, with the constant where the canonical order puts it.
bool with_constant(expr_ref e, prim p, std::int64_t& c) { return e->is(p) && known(e->operands[1], c); }
/// x * c, where a plain x is x * 1 and c * 1 is not split.
expr_ref term(expr_ref e, std::int64_t& c) {
  if (with_constant(e, prim::mul, c)) return e->operands[0];
  c = 1;
  return e;
}

/// c op d, wrapping.
std::int64_t wrap(std::int64_t c, char op, std::int64_t d) {
  const std::uint64_t a = static_cast<std::uint64_t>(c), b = static_cast<std::uint64_t>(d);
  return static_cast<std::int64_t>(op == '+' ? a + b : op == '-' ? a - b : a * b);
}
bool product_fits(std::int64_t a, std::int64_t b, std::int64_t& r) { return !__builtin_mul_overflow(a, b, &r); }

bool commutes(prim p) {
  switch (p) {
    case prim::add:
    case prim::mul:
    case prim::min:
    case prim::max:
    case prim::equal:
    case prim::not_equal:
    case prim::logical_and:
    case prim::logical_or:
    case prim::logical_xor:
    case prim::bit_and:
    case prim::bit_or:
    case prim::bit_xor:
      return true;
    default:
      return false;
  }
}

/// Operations before variables before symbols before constants; then by structure, so that the order does not depend
/// on who was made first.
bool before(expr_ref a, expr_ref b) {
  const auto rank = [](expr_ref e) {
    switch (e->kind) {
      case expr_kind::load:
        return 0;
      case expr_kind::reduce:
        return 1;
      case expr_kind::apply:
        return 2;
      case expr_kind::variable:
        return 3;
      case expr_kind::symbol:
        return 4;
      default:
        return 5;
    }
  };
  const auto key = [&](expr_ref e) { return std::tuple(rank(e), e->op, e->payload, e->operands.size()); };
  for (int depth = 0; depth < 16; ++depth) {
    if (a == b) return false;
    if (key(a) != key(b)) return key(a) < key(b);
    std::size_t i = 0;
    while (i < a->operands.size() && a->operands[i] == b->operands[i]) ++i;
    if (i == a->operands.size()) break;
    a = a->operands[i];
    b = b->operands[i];
  }
  return a->hash < b->hash;
}

expr_ref add(expr_arena& m, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0;
  const dtype t = a->type;
  if (known(b, d)) {
    if (d == 0) return a;
    if (with_constant(a, prim::add, c)) return m.add(a->operands[0], m.integer(t, wrap(c, '+', d)));
    if (a->is(prim::sub) && known(a->operands[0], c)) return m.sub(m.integer(t, wrap(c, '+', d)), a->operands[1]);
    return nullptr;
  }
  // Constants float outwards.
  if (with_constant(a, prim::add, c)) return m.add(m.add(a->operands[0], b), a->operands[1]);
  if (with_constant(b, prim::add, c)) return m.add(m.add(a, b->operands[0]), b->operands[1]);
  // x * c + x * d, and (y - x) + x.
  expr_ref x = term(a, c), y = term(b, d);
  if (x == y) return m.mul(x, m.integer(t, wrap(c, '+', d)));
  if (a->is(prim::sub) && a->operands[1] == b) return a->operands[0];
  if (b->is(prim::sub) && b->operands[1] == a) return b->operands[0];
  if (a->is(prim::neg)) return m.sub(b, a->operands[0]);
  if (b->is(prim::neg)) return m.sub(a, b->operands[0]);
  return nullptr;
}

expr_ref sub(expr_arena& m, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0;
  const dtype t = a->type;
  if (a == b) return m.integer(t, 0);
  if (known(b, d)) return m.add(a, m.integer(t, wrap(0, '-', d)));
  if (known(a, c) && c == 0) return m.apply(prim::neg, b);
  if (known(a, c) && b->is(prim::sub) && known(b->operands[0], d))
    return m.add(b->operands[1], m.integer(t, wrap(c, '-', d)));
  if (b->is(prim::neg)) return m.add(a, b->operands[0]);
  if (with_constant(a, prim::add, c)) return m.add(m.sub(a->operands[0], b), a->operands[1]);
  if (with_constant(b, prim::add, d) && known(a, c)) return m.sub(m.integer(t, wrap(c, '-', d)), b->operands[0]);
  if (with_constant(b, prim::add, c)) return m.add(m.sub(a, b->operands[0]), m.integer(t, wrap(0, '-', c)));
  if (a->is(prim::add)) {
    if (a->operands[1] == b) return a->operands[0];
    if (a->operands[0] == b) return a->operands[1];
  }
  if (b->is(prim::add)) {
    if (b->operands[1] == a) return m.apply(prim::neg, b->operands[0]);
    if (b->operands[0] == a) return m.apply(prim::neg, b->operands[1]);
  }
  expr_ref x = term(a, c), y = term(b, d);
  if (x == y) return m.mul(x, m.integer(t, wrap(c, '-', d)));
  return nullptr;
}

expr_ref mul(expr_arena& m, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0;
  const dtype t = a->type;
  if (!known(b, d)) {
    if (with_constant(a, prim::mul, c)) return m.mul(m.mul(a->operands[0], b), a->operands[1]);
    if (with_constant(b, prim::mul, c)) return m.mul(m.mul(a, b->operands[0]), b->operands[1]);
    return nullptr;
  }
  if (d == 0) return b;
  if (d == 1) return a;
  if (with_constant(a, prim::mul, c)) return m.mul(a->operands[0], m.integer(t, wrap(c, '*', d)));
  if (a->is_index && with_constant(a, prim::add, c))
    return m.add(m.mul(a->operands[0], b), m.integer(t, wrap(c, '*', d)));
  return nullptr;
}

/// Truncating division by a constant, of anything; `d` is not 0.
expr_ref div(expr_arena& m, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0, e = 0;
  const dtype t = a->type;
  if (!known(b, d)) {
    // Index arithmetic does not overflow; a divisor of 0 gives 0 on either side only if x is 0, so extents (at least
    // 1 where they divide) are what this is for.
    if (a->is_index && a->is(prim::mul) && b->is(expr_kind::symbol)) {
      if (a->operands[1] == b) return a->operands[0];
      if (a->operands[0] == b) return a->operands[1];
    }
    return nullptr;
  }
  if (d == 0) return b;
  if (d == 1) return a;
  if (!a->is_index || d < 0) return nullptr;
  if (a->nonnegative && a->upper < d) return m.integer(t, 0);
  if (with_constant(a, prim::mul, c)) {
    if (c % d == 0) return m.mul(a->operands[0], m.index(c / d));
    if (c > 0 && d % c == 0) return m.div(a->operands[0], m.index(d / c));
  }
  if (with_constant(a, prim::div, c) && c > 0 && product_fits(c, d, e)) return m.div(a->operands[0], m.index(e));
  if (a->is(prim::add) && a->nonnegative) {
    // (x * c + y) / d = x * (c / d) + y / d when d divides c and both terms are at least 0.
    for (int i = 0; i < 2; ++i) {
      expr_ref x = a->operands[i], y = a->operands[1 - i];
      if (!x->nonnegative || !y->nonnegative) continue;
      if (known(x, e) ? e >= d && e % d == 0 : with_constant(x, prim::mul, c) && c % d == 0)
        return m.add(m.div(x, b), m.div(y, b));
    }
  }
  return nullptr;
}

/// The remainder with the divisor's sign.
expr_ref mod(expr_arena& m, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0;
  const dtype t = a->type;
  if (!known(b, d)) {
    if (a->is_index && a->is(prim::mul) && (a->operands[0] == b || a->operands[1] == b)) return m.integer(t, 0);
    if (a == b) return m.integer(t, 0);
    return nullptr;
  }
  if (d == 0 || d == 1) return m.integer(t, 0);
  if (!a->is_index || d < 0) return nullptr;
  if (a->nonnegative && a->upper < d) return a;
  if (with_constant(a, prim::mul, c) && c % d == 0) return m.integer(t, 0);
  if (with_constant(a, prim::mod, c) && c > 0 && c % d == 0) return m.mod(a->operands[0], b);
  if (a->is(prim::add))
    for (int i = 0; i < 2; ++i) {
      expr_ref x = a->operands[i], y = a->operands[1 - i];
      if (known(x, c)) {
        const std::int64_t r = ((c % d) + d) % d;
        if (r != c) return m.mod(m.add(y, m.index(r)), b);
      } else if (with_constant(x, prim::mul, c) && c % d == 0) {
        return m.mod(y, b);
      }
    }
  return nullptr;
}

expr_ref min_max(expr_arena& m, prim p, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0;
  if (a == b) return a;
  if (is_float(a->type)) return nullptr;
  if (known(b, d)) {
    if (with_constant(a, p, c)) return m.apply(p, a->operands[0], m.apply(p, a->operands[1], b));
    if (a->nonnegative && d <= 0) return p == prim::max ? a : b;
    if (a->nonnegative && a->upper <= d) return p == prim::max ? b : a;
  }
  // min(x + c, x + d); only where nothing overflows.
  if (a->is_index && b->is_index) {
    expr_ref x = with_constant(a, prim::add, c) ? a->operands[0] : (c = 0, a);
    expr_ref y = with_constant(b, prim::add, d) ? b->operands[0] : (d = 0, b);
    if (x == y) return (c < d) == (p == prim::min) ? a : b;
  }
  const prim other = p == prim::min ? prim::max : prim::min;
  for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (x->is(p) && (x->operands[0] == y || x->operands[1] == y)) return x;
    if (x->is(other) && (x->operands[0] == y || x->operands[1] == y)) return y;
  }
  return nullptr;
}

/// equal, not_equal, less, less_equal of integers or b8.
expr_ref compare(expr_arena& m, prim p, expr_ref a, expr_ref b) {
  std::int64_t c = 0, d = 0, e = 0;
  if (a == b) return m.boolean(p == prim::equal || p == prim::less_equal);
  if (a->type == b8) {
    if (!is_constant(b)) return nullptr;
    return b->is_true() == (p == prim::equal) ? a : m.apply(prim::logical_not, a);
  }
  if (!a->is_index || !b->is_index) return nullptr;
  const bool order = p == prim::less || p == prim::less_equal;
  // x + c < d, and the same on the other side: the constant moves to the constant.
  if (with_constant(a, prim::add, c) && known(b, d) && !__builtin_sub_overflow(d, c, &e))
    return m.apply(p, a->operands[0], m.index(e));
  if (with_constant(b, prim::add, c) && known(a, d) && !__builtin_sub_overflow(d, c, &e))
    return m.apply(p, m.index(e), b->operands[0]);
  // x + c < y + d. Equal parts give a constant.
  expr_ref x = with_constant(a, prim::add, c) ? a->operands[0] : (c = 0, a);
  expr_ref y = with_constant(b, prim::add, d) ? b->operands[0] : (d = 0, b);
  if (x == y) {
    const std::int64_t v[] = {c, d};
    return m.boolean(evaluate(p, b8, i64, v));
  }
  if (order && c != 0 && c == d) return m.apply(p, x, y);
  if (order && known(b, d) && a->nonnegative) {
    if (p == prim::less ? d <= 0 : d < 0) return m.boolean(false);
    if (a->upper != unbounded && (p == prim::less ? a->upper < d : a->upper <= d)) return m.boolean(true);
  }
  if (order && known(a, d) && b->nonnegative && (p == prim::less ? d < 0 : d <= 0)) return m.boolean(true);
  if (!order && known(b, d) && d < 0 && a->nonnegative) return m.boolean(p == prim::not_equal);
  return nullptr;
}

expr_ref logical(expr_arena& m, prim p, expr_ref a, expr_ref b) {
  const auto negated = [](expr_ref x, expr_ref y) { return x->is(prim::logical_not) && x->operands[0] == y; };
  if (p == prim::logical_xor) {
    if (a == b) return m.boolean(false);
    if (is_constant(b)) return b->is_true() ? m.apply(prim::logical_not, a) : a;
    return nullptr;
  }
  if (a == b) return a;
  if (is_constant(b)) return b->is_true() == (p == prim::logical_and) ? a : b;
  if (negated(a, b) || negated(b, a)) return m.boolean(p == prim::logical_or);
  // One level of absorption keeps masks built step by step free of repeats.
  const prim other = p == prim::logical_and ? prim::logical_or : prim::logical_and;
  for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (x->is(p) && (x->operands[0] == y || x->operands[1] == y)) return x;
    if (x->is(other) && (x->operands[0] == y || x->operands[1] == y)) return y;
  }
  return nullptr;
}

expr_ref logical_not(expr_arena& m, expr_ref a) {
  if (a->is(prim::logical_not)) return a->operands[0];
  if (a->is(prim::equal)) return m.apply(prim::not_equal, a->operands[0], a->operands[1]);
  if (a->is(prim::not_equal)) return m.apply(prim::equal, a->operands[0], a->operands[1]);
  // NaN makes both false, so only for integers.
  if (a->is(prim::less) && is_integer(a->operands[0]->type))
    return m.apply(prim::less_equal, a->operands[1], a->operands[0]);
  if (a->is(prim::less_equal) && is_integer(a->operands[0]->type))
    return m.apply(prim::less, a->operands[1], a->operands[0]);
  return nullptr;
}

expr_ref bits(expr_arena& m, prim p, expr_ref a, expr_ref b) {
  std::int64_t d = 0;
  const dtype t = a->type;
  if (a == b) {
    if (p == prim::bit_and || p == prim::bit_or) return a;
    if (p == prim::bit_xor) return m.integer(t, 0);
  }
  if (!known(b, d)) return nullptr;
  if (d == 0) return p == prim::bit_and ? b : a;
  if (p == prim::bit_and && b == m.integer(t, -1)) return a;
  if (p == prim::bit_or && b == m.integer(t, -1)) return b;
  return nullptr;
}

/// Rewrites of floats that keep every bit.
expr_ref floats(expr_arena& m, prim p, std::span<const expr_ref> x) {
  const dtype t = x[0]->type;
  const auto is = [&](expr_ref e, double v) { return e == m.constant(t, v); };
  switch (p) {
    case prim::add:
      if (is(x[1], -0.0)) return x[0];
      if (is(x[0], -0.0)) return x[1];
      break;
    case prim::sub:
      if (is(x[1], 0.0)) return x[0];
      break;
    case prim::mul:
      if (is(x[1], 1)) return x[0];
      if (is(x[0], 1)) return x[1];
      break;
    case prim::div:
      if (is(x[1], 1)) return x[0];
      if (is_constant(x[1])) {
        // A power of two has an exact reciprocal as long as neither is subnormal.
        int e = 0;
        const double d = value_of(t, x[1]->payload);
        if (std::isfinite(d) && std::abs(std::frexp(d, &e)) == 0.5 && std::abs(e) < (t == f32 ? 120 : 1000))
          return m.mul(x[0], m.constant(t, 1 / d));
      }
      break;
    case prim::pow:
      if (is(x[1], 1)) return x[0];
      if (is(x[1], 2)) return m.mul(x[0], x[0]);
      if (is(x[1], -1)) return m.apply(prim::reciprocal, x[0]);
      if (is(x[1], 0)) return m.constant(t, 1);
      break;
    case prim::neg:
      if (x[0]->is(prim::neg)) return x[0]->operands[0];
      break;
    case prim::abs:
      if (x[0]->is(prim::abs)) return x[0];
      if (x[0]->is(prim::neg)) return m.apply(prim::abs, x[0]->operands[0]);
      break;
    case prim::floor:
    case prim::ceil:
    case prim::round:
    case prim::trunc:
      if (x[0]->is(prim::floor) || x[0]->is(prim::ceil) || x[0]->is(prim::round) || x[0]->is(prim::trunc)) return x[0];
      break;
    default:
      break;
  }
  return nullptr;
}

expr_ref integers(expr_arena& m, prim p, std::span<const expr_ref> x) {
  switch (p) {
    case prim::add:
      return add(m, x[0], x[1]);
    case prim::sub:
      return sub(m, x[0], x[1]);
    case prim::mul:
      return mul(m, x[0], x[1]);
    case prim::div:
      return div(m, x[0], x[1]);
    case prim::mod:
      return mod(m, x[0], x[1]);
    case prim::bit_and:
    case prim::bit_or:
    case prim::bit_xor:
    case prim::shift_left:
    case prim::shift_right:
    case prim::shift_right_logical:
      return bits(m, p, x[0], x[1]);
    case prim::bit_not:
      if (x[0]->is(prim::bit_not)) return x[0]->operands[0];
      break;
    case prim::neg:
      if (x[0]->is(prim::neg)) return x[0]->operands[0];
      if (x[0]->is(prim::sub)) return m.sub(x[0]->operands[1], x[0]->operands[0]);
      break;
    case prim::abs:
      if (x[0]->nonnegative || is_unsigned_integer(x[0]->type)) return x[0];
      break;
    default:
      break;
  }
  return nullptr;
}

expr_ref select(expr_arena& m, expr_ref c, expr_ref a, expr_ref b) {
  if (is_constant(c)) return c->is_true() ? a : b;
  if (a == b) return a;
  if (c->is(prim::logical_not)) return m.select(c->operands[0], b, a);
  if (a->is_true() && is_false(b)) return c;
  if (is_false(a) && b->is_true()) return m.apply(prim::logical_not, c);
  if (a->is(prim::select) && a->operands[0] == c) return m.select(c, a->operands[1], b);
  if (b->is(prim::select) && b->operands[0] == c) return m.select(c, a, b->operands[2]);
  return nullptr;
}

/// Every value of `from` is one of `to`.
bool lossless(dtype to, dtype from) {
  if (to == from || from == b8) return true;
  const int ws = size_of(from) * 8, wt = size_of(to) * 8;
  if (is_float(from)) return is_float(to) && (to == f64 || (to == f32 && from != f64));
  if (to == f64) return ws <= 32;
  if (to == f32) return ws <= 16;
  if (is_float(to) || to == b8) return to == f16 && ws <= 8;
  if (is_unsigned_integer(from)) return is_unsigned_integer(to) ? wt >= ws : wt > ws;
  return is_signed_integer(to) && wt >= ws;
}

}  // namespace

bool cast_of_cast_is_cast(dtype to, dtype middle, dtype from) {
  if (is_integer(to) && is_integer(middle) && is_integer(from))
    return size_of(to) <= size_of(middle) || lossless(middle, from);
  if (!lossless(middle, from)) return false;
  // Through a float an integer saturates, alone it wraps.
  if (is_float(middle) && is_integer(from) && is_integer(to)) return lossless(to, from);
  return true;
}

void note_range(expr& e) {
  if (e.type != i64) return;
  std::int64_t u = unbounded;
  const auto operand = [&](int i) { return e.operands[i]; };
  switch (e.kind) {
    case expr_kind::constant:
      e.is_index = true;
      e.nonnegative = e.payload >= 0;
      if (e.nonnegative) e.upper = e.payload;
      return;
    case expr_kind::variable:
      e.is_index = e.nonnegative = e.payload >= 0;
      return;
    case expr_kind::symbol:
      e.is_index = e.nonnegative = true;
      return;
    case expr_kind::apply:
      break;
    default:
      return;
  }
  // A conversion of anything else is data.
  if (e.op == prim::cast || e.op == prim::bitcast) return;
  e.is_index = std::ranges::all_of(e.operands, [](expr_ref x) { return x->is_index || x->type == b8; });
  if (!e.is_index) return;
  switch (e.op) {
    case prim::add:
      e.nonnegative = operand(0)->nonnegative && operand(1)->nonnegative;
      if (e.nonnegative && !__builtin_add_overflow(operand(0)->upper, operand(1)->upper, &u)) e.upper = u;
      break;
    case prim::mul:
      e.nonnegative = operand(0)->nonnegative && operand(1)->nonnegative;
      if (e.nonnegative && operand(0)->upper != unbounded && operand(1)->upper != unbounded &&
          product_fits(operand(0)->upper, operand(1)->upper, u))
        e.upper = u;
      break;
    case prim::div:
      e.nonnegative = operand(0)->nonnegative && operand(1)->nonnegative;
      if (e.nonnegative && operand(0)->upper != unbounded)
        e.upper = is_constant(operand(1)) ? operand(0)->upper / std::max<std::int64_t>(operand(1)->upper, 1)
                                          : operand(0)->upper;
      break;
    case prim::mod:
      e.nonnegative = operand(1)->nonnegative;
      if (e.nonnegative && operand(1)->upper != unbounded) e.upper = std::max<std::int64_t>(operand(1)->upper - 1, 0);
      break;
    case prim::min:
      e.nonnegative = operand(0)->nonnegative && operand(1)->nonnegative;
      if (e.nonnegative) e.upper = std::min(operand(0)->upper, operand(1)->upper);
      break;
    case prim::max:
      e.nonnegative = operand(0)->nonnegative || operand(1)->nonnegative;
      if (operand(0)->nonnegative && operand(1)->nonnegative) e.upper = std::max(operand(0)->upper, operand(1)->upper);
      break;
    case prim::select:
      e.nonnegative = operand(1)->nonnegative && operand(2)->nonnegative;
      if (e.nonnegative) e.upper = std::max(operand(1)->upper, operand(2)->upper);
      break;
    case prim::abs:
      e.nonnegative = true;
      break;
    case prim::sub:
    case prim::neg:
      break;
    default:
      e.is_index = false;
      break;
  }
}

expr_ref simplify(expr_arena& m, prim p, std::span<const expr_ref> x) {
  const dtype t = x[0]->type;
  if (std::ranges::all_of(x, is_constant) && (p == prim::select || compute_type(t) == t)) {
    std::array<std::int64_t, 3> v{};
    for (std::size_t i = 0; i < x.size(); ++i) v[i] = x[i]->payload;
    const dtype type = result_type(p, t, x.size() > 1 ? x[1]->type : t);
    return m.constant_bits(type, evaluate(p, type, x.back()->type, std::span(v).first(x.size())));
  }
  if (p == prim::select) return select(m, x[0], x[1], x[2]);
  if (p == prim::greater) return m.apply(prim::less, x[1], x[0]);
  if (p == prim::greater_equal) return m.apply(prim::less_equal, x[1], x[0]);
  if (!is_float(t) && commutes(p) && before(x[1], x[0])) return m.apply(p, x[1], x[0]);
  if (p == prim::min || p == prim::max) return min_max(m, p, x[0], x[1]);
  if (p == prim::logical_not) return logical_not(m, x[0]);
  if (p == prim::logical_and || p == prim::logical_or || p == prim::logical_xor) return logical(m, p, x[0], x[1]);
  if (is_comparison(p)) return is_float(t) ? nullptr : compare(m, p, x[0], x[1]);
  return is_float(t) ? floats(m, p, x) : integers(m, p, x);
}

}  // namespace tenon::ir
