#include "codegen/llvm/steps.hpp"

#include <algorithm>

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;
using ir::prim;

namespace {

template <class T>
using memo = std::unordered_map<expr_ref, T>;

bool mentions(expr_ref e, std::span<const expr_ref> variables, memo<bool>& known) {
  if (std::ranges::find(variables, e) != variables.end()) return true;
  if (e->operands.empty()) return false;
  if (auto i = known.find(e); i != known.end()) return i->second;
  const bool r = std::ranges::any_of(e->operands, [&](expr_ref o) { return mentions(o, variables, known); });
  return known[e] = r;
}

std::optional<std::int64_t> step(expr_ref e, expr_ref variable, memo<bool>& free_of,
                                 memo<std::optional<std::int64_t>>& known) {
  if (e == variable) return 1;
  if (!mentions(e, std::span(&variable, 1), free_of)) return 0;
  if (e->kind != expr_kind::apply || e->type != i64) return {};
  if (auto i = known.find(e); i != known.end()) return i->second;
  const auto of = [&](int i) { return step(e->operands[static_cast<std::size_t>(i)], variable, free_of, known); };
  std::optional<std::int64_t> r;
  switch (e->op) {
    case prim::add:
    case prim::sub: {
      const auto a = of(0), b = of(1);
      std::int64_t v;
      if (a && b && !(e->op == prim::add ? __builtin_add_overflow(*a, *b, &v) : __builtin_sub_overflow(*a, *b, &v)))
        r = v;
      break;
    }
    case prim::mul: {
      for (int side = 0; side < 2; ++side) {
        const expr_ref c = e->operands[static_cast<std::size_t>(1 - side)];
        if (c->kind != expr_kind::constant) continue;
        const auto a = of(side);
        std::int64_t v;
        if (a && !__builtin_mul_overflow(*a, c->payload, &v)) r = v;
      }
      break;
    }
    case prim::neg:
      if (const auto a = of(0)) r = -*a;
      break;
    default:
      break;
  }
  return known[e] = r;
}

bool affine(expr_ref e, std::span<const expr_ref> variables, memo<bool>& free_of, memo<bool>& known) {
  if (!mentions(e, variables, free_of)) return true;
  if (e->kind == expr_kind::variable) return true;
  if (e->kind != expr_kind::apply || e->type != i64) return false;
  if (auto i = known.find(e); i != known.end()) return i->second;
  const auto of = [&](int i) { return affine(e->operands[static_cast<std::size_t>(i)], variables, free_of, known); };
  bool r = false;
  if (e->op == prim::add || e->op == prim::sub)
    r = of(0) && of(1);
  else if (e->op == prim::neg)
    r = of(0);
  else if (e->op == prim::mul)
    r = (!mentions(e->operands[0], variables, free_of) && of(1)) ||
        (!mentions(e->operands[1], variables, free_of) && of(0));
  return known[e] = r;
}

}  // namespace

std::optional<std::int64_t> step_of(expr_ref e, expr_ref variable) {
  memo<bool> free_of;
  memo<std::optional<std::int64_t>> known;
  return step(e, variable, free_of, known);
}
bool affine_in(expr_ref e, std::span<const expr_ref> variables) {
  memo<bool> free_of, known;
  return affine(e, variables, free_of, known);
}
bool mentions(expr_ref e, std::span<const expr_ref> variables) {
  memo<bool> known;
  return mentions(e, variables, known);
}

}  // namespace tenon::codegen
