// Before: y[i0] = x[i0] * a + b
// After:  y[i0] = fma(x[i0], a, b)
#include "loop/passes.hpp"

namespace tenon::ir {
namespace {

//   x * y + z, z + x * y   -> fma(x, y, z)
//   x * y - z              -> fma(x, y, -z)
//   z - x * y              -> fma(-x, y, z)
expr_ref contracted(expr_arena& a, expr_ref e) {
  const bool minus = e->is(prim::sub);
  if ((!e->is(prim::add) && !minus) || (e->type != f32 && e->type != f64)) return nullptr;
  for (int k = 0; k < 2; ++k) {
    const expr_ref product = e->operands[k], z = e->operands[1 - k];
    // A product less itself is 0, not what its rounding cut off.
    if (!product->is(prim::mul) || product == z) continue;
    const expr_ref x = product->operands[0], y = product->operands[1];
    const expr_ref fma[] = {minus && k == 1 ? a.apply(prim::neg, x) : x, y,
                            minus && k == 0 ? a.apply(prim::neg, z) : z};
    return a.apply(prim::fma, fma);
  }
  return nullptr;
}

}  // namespace

void contract_products(kernel& k) {
  k.body = map_all_operands(k.body, [&](expr_ref e) {
    return k.make().rewrite(e, [&](expr_ref x) { return x->is(expr_kind::apply) ? contracted(k.make(), x) : nullptr; });
  });
}

}  // namespace tenon::ir
