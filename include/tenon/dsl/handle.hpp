// The handle of a graph node, and the few non-template functions that every DSL call ends in.
#pragma once
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "tenon/core/dtype.hpp"
#include "tenon/core/error.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/core/outcome.hpp"

namespace tenon {
namespace ir {
struct node;
struct op_def;
}  // namespace ir

namespace detail {

/// A counted reference to an immutable graph node: one pointer.
class node_ref {
 public:
  node_ref() = default;
  /// Adopts a new reference to `p`.
  explicit node_ref(const ir::node* p) : p_(p) {
    if (p_) retain(p_);
  }
  node_ref(const node_ref& o) : node_ref(o.p_) {}
  node_ref(node_ref&& o) noexcept : p_(o.p_) { o.p_ = nullptr; }
  node_ref& operator=(node_ref o) noexcept {
    const ir::node* t = p_;
    p_ = o.p_;
    o.p_ = t;
    return *this;
  }
  ~node_ref() {
    if (p_) release(p_);
  }
  const ir::node* get() const { return p_; }
  const ir::node* operator->() const { return p_; }
  const ir::node& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const node_ref&, const node_ref&) = default;

 private:
  static void retain(const ir::node*);
  static void release(const ir::node*);
  const ir::node* p_ = nullptr;
};
static_assert(sizeof(node_ref) == sizeof(void*));

template <class T>
concept arithmetic = std::is_arithmetic_v<T>;

/// The operator's definition, compiled into the library: one symbol an operator.
template <class Op>
const ir::op_def& definition();

}  // namespace detail

/// A C++ number as an operand; it takes the element type of the tensors beside it. One class and no template: a
/// constrained friend template made each tensor type 4 ms dearer to compile.
struct number {
  double real;
  std::int64_t integer;  ///< exact where the number was an integer
  bool is_integer;
  template <detail::arithmetic A>
  constexpr number(A a) : real(static_cast<double>(a)), integer(0), is_integer(std::is_integral_v<A>) {
    if constexpr (std::is_integral_v<A>) integer = static_cast<std::int64_t>(a);
  }
};

namespace detail {

/// A handle with the place where the user wrote the operator.
template <class T>
struct located {
  const T& value;
  loc where;
  located(const T& v, loc w = std::source_location::current()) : value(v), where(w) {}
};

/// An operand of a call: a node (null: an empty tensor handle, which is refused), or a number.
struct argument {
  const ir::node* node = nullptr;
  number value = 0;
  bool is_number = false;
};

// Every operator's call ends here: infers shapes and types with the operator's own rules, and throws shape_error or
// type_error with operator, reason, operand shapes and names, file and line.
node_ref emit(const ir::op_def&, const void* attrs, const argument* operands, int n, const loc&);
/// Result `i` of a node with several.
node_ref emit_result(const node_ref&, int i, const loc&);
node_ref emit_input(std::string_view name, dtype, const dims&, const loc&);
node_ref emit_param(std::string_view name, dtype, const dims&, const loc&);
/// The same value with its type as stated: the checked way back from any_shape. Throws as emit does.
node_ref emit_as(const node_ref&, dtype, const dims&, const loc&);
dtype type_of(const node_ref&);
const dims& shape_of(const node_ref&);

}  // namespace detail
}  // namespace tenon
