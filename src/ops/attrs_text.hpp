// Attributes as text and hashes, one overload a field type: what `fields` of an attribute struct is visited with.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/core/hash.hpp"
#include "tenon/ops/image.hpp"
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/relabel.hpp"
#include "tenon/ops/selection.hpp"

namespace tenon::ir {

class constant_value;

/// An enum whose values have words.
template <class E>
concept named_enum = std::is_enum_v<E> && requires(E e) {
  { names_of(e) } -> std::same_as<value_names>;
};

/// Appends a field's text.
template <named_enum E>
void print_field(std::string& s, E v) {
  s += names_of(v).v[static_cast<int>(v)];
}
void print_field(std::string&, const reals&);
void print_field(std::string&, bool);
void print_field(std::string&, int);
void print_field(std::string&, double);
void print_field(std::string&, dtype);
void print_field(std::string&, const ints&);
void print_field(std::string&, const dims&);
/// Extents that a reshape or broadcast asks for: one that follows from the operand is -1, as users write it.
void print_wanted(std::string&, const dims&);
void print_field(std::string&, const std::string&);
void print_field(std::string&, const einsum_attrs&);
/// Up to 32 elements in full, else their hash.
void print_field(std::string&, const constant_value&);

template <named_enum E>
std::uint64_t hash_field(E v) {
  return static_cast<std::uint64_t>(v);
}
std::uint64_t hash_field(const reals&);
std::uint64_t hash_field(bool);
std::uint64_t hash_field(int);
std::uint64_t hash_field(double);
std::uint64_t hash_field(dtype);
std::uint64_t hash_field(const ints&);
std::uint64_t hash_field(const dims&);
std::uint64_t hash_field(const std::string&);
std::uint64_t hash_field(const einsum_attrs&);
std::uint64_t hash_field(const constant_value&);

/// Reads "{.name = value, ...}"; parse_error says what was expected, and shows the text with the place.
class attrs_reader {
 public:
  explicit attrs_reader(std::string_view text) : text_(text) {}
  /// The name of the next field; empty at the end of the list.
  std::string_view next_field();
  /// After the last field.
  void finish();
  void read(bool&);
  void read(int&);
  void read(double&);
  void read(dtype&);
  void read(reals&);
  template <named_enum E>
  void read(E& v) {
    v = static_cast<E>(one_of(names_of(v)));
  }
  void read(ints&);
  void read(dims&);
  void read(std::string&);
  void read(einsum_attrs&);
  void read(constant_value&);
  [[noreturn]] void fail(std::string_view expected) const;
  [[noreturn]] void unknown(std::string_view field, const std::vector<std::string_view>& known) const;

 private:
  void space();
  bool accept(char);
  void expect(char);
  std::string_view word();
  extent_t extent();
  extent_t integer();
  int one_of(value_names);

  std::string_view text_;
  std::size_t at_ = 0;
  bool started_ = false;
};

}  // namespace tenon::ir
