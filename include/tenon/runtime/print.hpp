// Values as text.
#pragma once
#include <string>
#include <string_view>

#include "tenon/runtime/param_set.hpp"

namespace tenon {

namespace detail {
std::string format_tensor(const any_view&);
/// Writes the text and a newline to standard output, together.
void print_text(std::string_view);
}  // namespace detail

/// As NumPy prints arrays: nested brackets, aligned columns, shortest digits that tell neighbours apart and at most 8
/// after the point; more than 1000 elements are summarised by the first and last three of each axis. argument_error
/// when a view's memory cannot be read.
template <dtype D>
std::string to_string(const view<D>& v) {
  return detail::format_tensor(v);
}
template <dtype D>
std::string to_string(const mutable_view<D>& v) {
  return detail::format_tensor(v);
}
template <dtype D>
std::string to_string(const array<D>& a) {
  return detail::format_tensor(a);
}
/// The elements, as an array's.
std::string to_string(const param_value&);
/// A line for each tensor: name, element type and extents.
std::string to_string(const param_set&);
/// "[2,3]".
std::string to_string(const dims&);

inline void print(std::string_view text) { detail::print_text(text); }
/// Prints, with a newline, whatever has a `to_string`: arrays, graphs, loop nests, schedules, plans.
template <class T>
  requires requires(const T& x) { std::string_view(to_string(x)); }
void print(const T& x) {
  detail::print_text(to_string(x));
}

}  // namespace tenon
