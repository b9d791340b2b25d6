#include "codegen/llvm/dot_product.hpp"

#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/llvm/arithmetic.hpp"

namespace tenon::codegen {

using llvm::Value;
namespace intrinsic = llvm::Intrinsic;

namespace {
/// One of three, for 128, 256, 512 bits.
intrinsic::ID of_bits(const Value* v, intrinsic::ID small, intrinsic::ID middle, intrinsic::ID large) {
  const int bits = 32 * arithmetic::lanes_of(v);
  return bits == 512 ? large : bits == 256 ? middle : small;
}
bool is_byte(dtype d) { return d == i8 || d == u8; }
constexpr std::uint32_t sign_bits = 0x80808080;
}  // namespace

int dot_product::group(dtype a, dtype b, dtype sum) {
  if (is_byte(a) && is_byte(b) && sum == i32) return 4;
  return a == bf16 && b == bf16 && sum == f32 ? 2 : 0;
}

dot_product::dot_product(llvm::IRBuilder<>& builder, const machine& m, dtype a, dtype b)
    : b_(builder), machine_(m), type_a_(a), type_b_(b), size_(a == bf16 ? 2 : 4) {
  if (a == bf16)
    how_ = m.has("+avx512bf16") ? way::pairs : way::split_pairs;
  else if (!m.has("+avx512vnni") || (a == u8 && b == u8))
    how_ = way::split_bytes;
  else
    how_ = a == u8 ? way::a_unsigned : b == u8 ? way::b_unsigned : way::shifted;
}

dot_product::operand dot_product::prepare_a(Value* groups) {
  // Of signed bytes each is 128 more, as an unsigned one.
  if (how_ == way::shifted) return {b_.CreateXor(groups, excess_of(arithmetic::lanes_of(groups)))};
  return prepare(groups, type_a_);
}
dot_product::operand dot_product::prepare_b(Value* groups) { return prepare(groups, type_b_); }

dot_product::operand dot_product::prepare(Value* groups, dtype d) {
  const auto lanes = static_cast<unsigned>(arithmetic::lanes_of(groups));
  if (how_ == way::split_bytes) {
    // Even and odd bytes, each as 16 bits.
    Value* halves = b_.CreateBitCast(groups, llvm::FixedVectorType::get(b_.getInt16Ty(), 2 * lanes));
    if (d == u8) return {b_.CreateAnd(halves, 0xff), b_.CreateLShr(halves, 8)};
    return {b_.CreateAShr(b_.CreateShl(halves, 8), 8), b_.CreateAShr(halves, 8)};
  }
  if (how_ == way::split_pairs) {
    llvm::Type* floats = llvm::FixedVectorType::get(b_.getFloatTy(), lanes);
    return {b_.CreateBitCast(b_.CreateShl(groups, 16), floats),
            b_.CreateBitCast(b_.CreateAnd(groups, 0xffff0000), floats)};
  }
  if (how_ == way::pairs)
    return {b_.CreateBitCast(groups, llvm::FixedVectorType::get(llvm::Type::getBFloatTy(b_.getContext()), 2 * lanes))};
  return {groups};
}

/// Of 16-bit numbers, summed in pairs.
Value* dot_product::multiply_pairs(Value* x, Value* y) {
  const int bits = 16 * arithmetic::lanes_of(x);
  return b_.CreateIntrinsic(bits == 512   ? intrinsic::x86_avx512_pmaddw_d_512
                            : bits == 256 ? intrinsic::x86_avx2_pmadd_wd
                                          : intrinsic::x86_sse2_pmadd_wd,
                            {}, {x, y});
}

Value* dot_product::step(const operand& a, const operand& b, Value* sum) {
  const auto bytes = [&](Value* without_sign, Value* with_sign) {
    return b_.CreateIntrinsic(of_bits(sum, intrinsic::x86_avx512_vpdpbusd_128, intrinsic::x86_avx512_vpdpbusd_256,
                                      intrinsic::x86_avx512_vpdpbusd_512),
                              {}, {sum, without_sign, with_sign});
  };
  switch (how_) {
    case way::a_unsigned:
    case way::shifted:
      return bytes(a.first, b.first);
    case way::b_unsigned:
      return bytes(b.first, a.first);
    case way::split_bytes:
      return b_.CreateAdd(b_.CreateAdd(sum, multiply_pairs(a.first, b.first)), multiply_pairs(a.second, b.second));
    case way::pairs:
      return b_.CreateIntrinsic(of_bits(sum, intrinsic::x86_avx512bf16_dpbf16ps_128,
                                        intrinsic::x86_avx512bf16_dpbf16ps_256, intrinsic::x86_avx512bf16_dpbf16ps_512),
                                {}, {sum, a.first, b.first});
    case way::split_pairs:
      break;
  }
  arithmetic f(b_, machine_, nullptr);
  return f.multiply_add(f32, a.second, b.second, f.multiply_add(f32, a.first, b.first, sum));
}

Value* dot_product::excess_of(int lanes) {
  return b_.CreateVectorSplat(static_cast<unsigned>(lanes), b_.getInt32(sign_bits));
}

}  // namespace tenon::codegen
