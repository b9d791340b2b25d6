// The passes over kernels, each in its file of src/loop/passes.
#pragma once
#include "loop/kernel.hpp"

namespace tenon::ir {

/// Replaces math functions by primitive operations, before code generation. f32: the polynomials of loop/math, without
/// one through f64; f64 functions stay (code calls the runtime's). Integer pow becomes multiplications. Without `fused`
/// (a machine that has no fma) an f32 fma is a product and a sum in f64, rounded once more; without `scales` (one that
/// has no AVX-512) 2^n is put together from its bits.
void expand_math(kernel&, bool fused = true, bool scales = true);

/// f32 and f64: a product and a sum of it become one fma, which rounds once. Not bit for bit what was written: for
/// fast_math, before math functions are expanded, whose steps are exact on purpose.
void contract_products(kernel&);

}  // namespace tenon::ir
