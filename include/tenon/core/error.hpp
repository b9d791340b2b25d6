// Errors: the type says who is to blame, the text says operator, reason with the numbers, operand shapes and place.
#pragma once
#include <exception>
#include <source_location>
#include <string>

namespace tenon {

/// Base of everything that tenon throws. The text is complete: it names what, where and the values.
class error : public std::exception {
 public:
  explicit error(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};
// clang-format off
/// Extents or ranks that do not fit together.
class shape_error : public error { using error::error; };
/// Element types that do not fit together.
class type_error : public error { using error::error; };
/// A value that is no valid attribute, option, name or pointer.
class argument_error : public error { using error::error; };
/// A step that would change what a loop nest computes.
class schedule_error : public error { using error::error; };
/// A target that cannot be had, or does not know what is asked of it.
class target_error : public error { using error::error; };
/// A file or module that cannot be read or used.
class load_error : public error { using error::error; };
/// A text form (graph, loop nest, attributes) that does not parse.
class parse_error : public error { using error::error; };
/// A pass, option or IR that breaks an invariant of the compiler: the user's pass, or our bug.
class compile_error : public error { using error::error; };
/// Work that was handed to the user's executor or memory resource and failed there.
class resource_error : public error { using error::error; };
// clang-format on

/// A place in the user's source. Not default-constructible: else `{}` could mean it, and `sum(x, {})` would be
/// ambiguous.
struct loc {
  std::source_location at;
  constexpr loc(std::source_location a) : at(a) {}
  constexpr unsigned line() const { return at.line(); }
  constexpr const char* file() const { return at.file_name(); }
};

}  // namespace tenon
