// Runs kernels: compiled for a machine, loaded, called on memory whose ends are guarded.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "codegen/codegen.hpp"
#include "loop/evaluate.hpp"
#include "loop/kernel.hpp"
#include "runtime/image.hpp"
#include "runtime/kernel_abi.hpp"

namespace tenon::test {

/// Elements that end where a page begins that nobody may touch: one read or write too far ends the test.
class guarded {
 public:
  guarded(dtype t, std::int64_t count) : type_(t), count_(count) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(count) * static_cast<std::size_t>(size_of(t));
    mapped_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + mapped_ - page, page, PROT_NONE);
    data_ = base_ + mapped_ - page - bytes;
  }
  ~guarded() { munmap(base_, mapped_); }
  guarded(const guarded&) = delete;
  void* data() const { return data_; }
  std::int64_t size() const { return count_; }
  dtype type() const { return type_; }
  /// In the form of expr_kind::constant.
  std::int64_t bits(std::int64_t i) const {
    std::int64_t v = 0;
    std::memcpy(&v, data_ + i * size_of(type_), static_cast<std::size_t>(size_of(type_)));
    return ir::canonical_bits(type_, v);
  }
  void set_bits(std::int64_t i, std::int64_t v) {
    std::memcpy(data_ + i * size_of(type_), &v, static_cast<std::size_t>(size_of(type_)));
  }
  void set(std::int64_t i, double v) { set_bits(i, ir::bits_of(type_, v)); }
  double get(std::int64_t i) const { return ir::value_of(type_, bits(i)); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  void fill_bytes(int v) { std::memset(data_, v, static_cast<std::size_t>(count_ * size_of(type_))); }

 private:
  dtype type_;
  std::int64_t count_;
  std::size_t mapped_ = 0;
  std::byte *base_ = nullptr, *data_ = nullptr;
};

/// The machines that this processor can run code for, from the least.
inline std::vector<codegen::machine> machines() {
  std::vector<codegen::machine> r;
  for (const char* n : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native"})
    if (auto m = codegen::llvm().resolve(n); codegen::runs_here(m)) r.push_back(std::move(m));
  return r;
}

class compiled {
 public:
  compiled(const ir::kernel& k, const codegen::machine& m) {
    ir::verify(k);
    code_ = runtime::load_image(codegen::llvm().compile(k, m, {}));
  }
  /// Runs on buffers in the order of the kernel's parameters; 0 is what every kernel returns.
  int operator()(std::vector<void*> buffers, std::vector<std::int64_t> values = {}, std::int64_t begin = 0,
                 std::int64_t end = 1) const {
    const runtime::kernel_call call{buffers.data(), values.data(), begin, end, nullptr, &runtime::host_table, nullptr};
    return code_->entry(&call);
  }

 private:
  std::shared_ptr<const runtime::code> code_;
};

/// Equal bits, any NaN being equal to any other.
inline bool same_value(dtype t, std::int64_t a, std::int64_t b) {
  return a == b || (is_float(t) && std::isnan(ir::value_of(t, a)) && std::isnan(ir::value_of(t, b)));
}
inline bool both_zero(dtype t, std::int64_t a, std::int64_t b) {
  return is_float(t) && ir::value_of(t, a) == 0 && ir::value_of(t, b) == 0;
}

inline constexpr dtype all_types[] = {f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, b8};

/// Edge values first, then random ones: small, large, and any bits.
inline std::int64_t sample(dtype t, std::int64_t i, std::mt19937_64& random) {
  if (t == b8) return static_cast<std::int64_t>(random() & 1);
  if (is_float(t)) {
    const double edges[] = {0.0,      -0.0,      1,     -1,    0.5,   -0.5,  1.5,    2.5,   -2.5,         3,
                            INFINITY, -INFINITY, NAN,   1e30,  -1e30, 1e-40, 5e9,    -5e9,  2147483648.0, 127.5,
                            -128.7,   255.9,     65504, 65520, 1e-7,  6e-8,  9.3e18, 1.8e19};
    constexpr std::int64_t n = sizeof edges / sizeof *edges;
    if (i % 3 == 0) return ir::bits_of(t, edges[(i / 3) % n]);
    if (i % 3 == 1) return ir::bits_of(t, std::uniform_real_distribution<double>(-4, 4)(random));
    return ir::canonical_bits(t, static_cast<std::int64_t>(random()));
  }
  const std::int64_t edges[] = {0,  1,  -1,  2,   -2,   3,         7,         8,         15,        16,  31,    32,
                                63, 64, 127, 128, -128, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 255, 32767, -32768};
  constexpr std::int64_t n = sizeof edges / sizeof *edges;
  if (i % 2 == 0) return ir::canonical_bits(t, edges[(i / 2) % n]);
  const std::int64_t any = static_cast<std::int64_t>(random());
  return ir::canonical_bits(t, i % 4 == 1 ? any : any % 10);
}

}  // namespace tenon::test
