// Errors of the C++ compiler: a type that is declared only, whose template arguments are the words.
#pragma once
#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/core/outcome.hpp"

namespace tenon {

namespace detail {
/// Text as a template argument. The last zero is stored on purpose: Clang prints numbers without it.
template <int N>
struct message {
  char text[N]{};
  constexpr message() = default;
  constexpr message(const char (&s)[N]) {
    for (int i = 0; i < N; ++i) text[i] = s[i];
  }
};
}  // namespace detail

/// Declared only: naming an object of it is an error of the C++ compiler that prints its words: operator, reason,
/// operands. Clang shortens a word of more than 32 characters, so a reason stays below that.
template <detail::message... Words>
struct tensor_error;

namespace detail {

// Functions and no lambdas: GCC 12 loses a pack that is named inside one.
template <text T>
constexpr auto words() {
  message<T.size + 1> m;
  for (int i = 0; i < T.size; ++i) m.text[i] = T.buffer[i];
  m.text[T.size] = 0;
  return m;
}
constexpr text written(std::string_view s) {
  text t;
  t << s;
  return t;
}
constexpr text written(dtype d) { return written(name(d)); }
constexpr text written(const dims& d) {
  text t;
  t << d;
  return t;
}

}  // namespace detail
}  // namespace tenon
