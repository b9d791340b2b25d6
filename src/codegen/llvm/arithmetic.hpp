// The scalar operations of the loop IR as LLVM instructions, on scalars and on vectors alike.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <span>

#include "codegen/codegen.hpp"
#include "loop/prim.hpp"

namespace tenon::codegen {

/// Values in registers: integers as iN, b8 as i1, f16 and bf16 as their bits (i16), f32 and f64 as themselves; the same
/// in the elements of vectors. In memory a b8 is an i8.
class arithmetic {
 public:
  /// `table` is the runtime_table as a pointer, for functions that are called.
  arithmetic(llvm::IRBuilder<>& builder, const machine& m, llvm::Value* table)
      : b_(builder), machine_(m), table_(table) {}

  llvm::Type* type(dtype, int lanes = 0) const;
  llvm::Type* memory_type(dtype, int lanes = 0) const;
  /// `lanes` 0: a scalar.
  llvm::Value* constant(dtype, std::int64_t bits, int lanes = 0) const;
  llvm::Value* to_memory(dtype, llvm::Value*);
  llvm::Value* from_memory(dtype, llvm::Value*);

  /// `from` is the type of the first operand of casts and comparisons, else of all operands but select's first.
  llvm::Value* apply(ir::prim, dtype from, dtype to, std::span<llvm::Value* const>);
  llvm::Value* cast(llvm::Value*, dtype from, dtype to);
  /// What leaves every value as it is, bit for bit: -0 for sums of floats.
  llvm::Value* identity(ir::reducer, dtype, int lanes = 0) const;
  llvm::Value* combine(ir::reducer, dtype, llvm::Value* a, llvm::Value* b);
  /// Whether argmax or argmin prefers `a` at position `at` to `b` at `bt`.
  llvm::Value* better(ir::reducer, dtype, llvm::Value* a, llvm::Value* at, llvm::Value* b, llvm::Value* bt);
  /// The same where `a` comes after `b`.
  llvm::Value* better_later(ir::reducer, dtype, llvm::Value* a, llvm::Value* b);
  /// a * b + c with one rounding where the machine has it, with two where it has not: for contractions only.
  llvm::Value* multiply_add(dtype, llvm::Value* a, llvm::Value* b, llvm::Value* c);
  /// Of operands that are known not to be negative.
  llvm::Value* index_division(bool modulo, llvm::Value* a, llvm::Value* b) {
    return integer_division(modulo, u64, a, b);
  }

  static int lanes_of(const llvm::Value* v);
  llvm::Value* splat(llvm::Value* v, int lanes) { return b_.CreateVectorSplat(static_cast<unsigned>(lanes), v); }

 private:
  llvm::Value* integer(ir::prim, dtype, std::span<llvm::Value* const>);
  llvm::Value* integer_division(bool modulo, dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* integer_power(dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* shift(ir::prim, dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* floating(ir::prim, dtype, std::span<llvm::Value* const>);
  llvm::Value* boolean(ir::prim, std::span<llvm::Value* const>);
  llvm::Value* comparison(ir::prim, dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* extremum(bool maximum, dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* rounding(ir::prim, llvm::Value*);
  llvm::Value* scaled(llvm::Value* x, llvm::Value* n);
  llvm::Value* fused(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  llvm::Value* fused_f32(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  llvm::Value* fused_f64(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  llvm::Value* call(ir::prim, dtype, std::span<llvm::Value* const>);
  llvm::Value* half_to_float(llvm::Value*);
  llvm::Value* saturated(llvm::Value* x, dtype to);
  llvm::Value* before_16_bits(llvm::Value*, dtype from);
  llvm::Value* float_to_half(llvm::Value*);
  llvm::Value* float_to_bfloat(llvm::Value*);

  llvm::Value* unary(llvm::Intrinsic::ID id, llvm::Value* x) { return b_.CreateUnaryIntrinsic(id, x); }
  llvm::Value* number(llvm::Value* like, std::int64_t v) const;
  llvm::Value* real(llvm::Value* like, double v) const;
  llvm::Type* shaped(llvm::Value* like, llvm::Type* element) const;
  bool has(std::string_view feature) const;

  llvm::IRBuilder<>& b_;
  const machine& machine_;
  llvm::Value* table_;
};

}  // namespace tenon::codegen
