// What an error says.
#pragma once
#include <string>
#include <string_view>

#include "tenon/core/error.hpp"

namespace tenon::test {

/// The text of the error of type E that `f` throws; "no error" if it throws none.
template <class E = error, class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no error";
}
inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace tenon::test
