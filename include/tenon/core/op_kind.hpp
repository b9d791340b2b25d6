// Kinds of operators.
#pragma once

namespace tenon::ops {

/// How an operator takes part in fusion and scheduling; passes ask for this, never for names.
enum class op_kind : unsigned char {
  leaf,         ///< input, param, constant, iota: no operands
  map,          ///< one scalar function of broadcast operands
  movement,     ///< each result element is one operand element (or padding)
  reduction,    ///< reduces axes by index expressions; also contractions, windows: what `compute` says with reduce
  contraction,  ///< a sum of products: matmul, einsum, convolution
  program,      ///< loops and conditions of its own: never fused
  library,      ///< written in other operators: expanded before lowering
  projection,   ///< one result of a node with several
};

}  // namespace tenon::ops
