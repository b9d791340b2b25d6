// The table operator x element type x case, as data: for each operator which types it takes and, for a type, the calls
// that fill its cases, each with operands, attributes as text and a reference.
#pragma once
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "values.hpp"

namespace conformance {

enum class column : std::uint8_t { random, empty, rank_0, size_1, odd, strided, nan, infinities, negative_axis };
inline constexpr int columns = 9;
inline constexpr std::string_view column_names[columns] = {"random",  "empty", "rank 0",     "size 1",       "odd",
                                                           "strided", "NaN",   "infinities", "negative axis"};
inline constexpr std::array<dtype, 8> types = {f32, f64, f16, bf16, i32, i64, u8, b8};

/// From the operands to the results. Its shapes are its own.
using reference = std::function<std::vector<values>(const std::vector<values>&)>;

/// One call of an operator.
struct call {
  column where{};
  std::string attrs;
  std::vector<values> in;
  reference expected;
  int layout = 0;  ///< 0: operands are contiguous; else they are strided, each in another way, beginning with this one
};
/// A case that the operator must refuse, or that does not exist for it.
struct hole {
  column where{};
  std::string reason;
  bool refused = false;  ///< the operator must throw for `in`
  std::string attrs;
  std::vector<values> in;
};
struct cases {
  std::vector<call> calls;
  std::vector<hole> holes;

  void add(column where, std::string attrs, std::vector<values> in, reference expected, int layout = 0) {
    calls.push_back({where, std::move(attrs), std::move(in), std::move(expected), layout});
  }
  void missing(column where, std::string reason) { holes.push_back({where, std::move(reason), false, {}, {}}); }
  void refused(column where, std::string reason, std::string attrs, std::vector<values> in) {
    holes.push_back({where, std::move(reason), true, std::move(attrs), std::move(in)});
  }
};

struct entry {
  std::string op;
  std::function<bool(dtype)> takes;
  std::function<cases(dtype)> make;
  /// Operands and attributes that a type that is not taken must be refused with.
  std::function<call(dtype)> other{};
};
using table = std::vector<entry>;

void add_maps(table&);
void add_movement(table&);
void add_reductions(table&);
void add_norms(table&);
void add_products(table&);
void add_indexing(table&);
void add_placing(table&);
void add_images(table&);
void add_quantized(table&);
void add_losses(table&);
void add_attention(table&);
void add_order(table&);
void add_random(table&);
void add_boxes(table&);
void add_linear(table&);
void add_factors(table&);
void add_recurrent(table&);
void add_rare_pooling(table&);

inline bool any_type(dtype) { return true; }
inline bool numbers(dtype t) { return t != b8; }
inline bool floats(dtype t) { return tenon::is_float(t); }
inline bool integers(dtype t) { return tenon::is_integer(t); }
inline bool booleans(dtype t) { return t == b8; }

/// "{1,2}", "[3,4]"
std::string text(const std::vector<int>&);
std::string text(const shape_t&);
inline std::vector<values> one(values v) {
  std::vector<values> r;
  r.push_back(std::move(v));
  return r;
}
inline int normal(int axis, std::size_t rank) { return axis < 0 ? axis + static_cast<int>(rank) : axis; }

}  // namespace conformance
