// Dot products of short groups, as the machine has them: 4 bytes of either sign into i32, 2 bf16 into f32.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include "codegen/codegen.hpp"

namespace tenon::codegen {

/// Each 32-bit lane of an operand is a group; a step adds to each lane of the sums the products of its pairs.
/// Bytes are exact: by vpdpbusd where the machine has it, else as 16-bit numbers by pmaddwd, which cannot overflow
/// here. bf16 is exact in each product; the sums are rounded to f32 by vdpbf16ps (which takes subnormal numbers for 0)
/// where the machine has it, else by one multiply-add after the other, the first of the pair first.
class dot_product {
 public:
  /// What a vector of groups is for `step`.
  struct operand {
    llvm::Value *first = nullptr, *second = nullptr;
  };
  dot_product(llvm::IRBuilder<>&, const machine&, dtype a, dtype b);
  /// Elements of a group; 0: there is no dot product of these types.
  static int group(dtype a, dtype b, dtype sum);
  int size() const { return size_; }
  operand prepare_a(llvm::Value* groups);
  operand prepare_b(llvm::Value* groups);
  llvm::Value* step(const operand& a, const operand& b, llvm::Value* sum);
  /// Whether the sums contain something that does not belong there: what `excess_of` as an operand a makes of b.
  bool excess() const { return how_ == way::shifted; }
  llvm::Value* excess_of(int lanes);

 private:
  /// bytes: a without a sign times b with one, or the other way round, or a moved by 128; or split into 16-bit numbers.
  /// bf16: pairs, or split into f32.
  enum class way { a_unsigned, b_unsigned, shifted, split_bytes, pairs, split_pairs };
  operand prepare(llvm::Value* groups, dtype);
  llvm::Value* multiply_pairs(llvm::Value*, llvm::Value*);

  llvm::IRBuilder<>& b_;
  const machine& machine_;
  dtype type_a_, type_b_;
  int size_;
  way how_;
};

}  // namespace tenon::codegen
