// What a refusal says: the type and the whole text, without what differs between machines.
#pragma once
#include <doctest/doctest.h>

#include <regex>
#include <string>
#include <string_view>
#include <typeinfo>

#include "tenon/core/error.hpp"

namespace tenon::test {

/// `text` with folders, line numbers and addresses taken out: "f.cpp:LINE", "at ADDRESS".
inline std::string without_places(const std::string& text) {
  static const std::regex place("[^ ']*/([a-z_]+\\.[ch]pp):[0-9]+"), address("0x[0-9a-f]+");
  return std::regex_replace(std::regex_replace(text, place, "$1:LINE"), address, "ADDRESS");
}

/// The text of the error that `f` throws, without places. It is exactly an E, not something derived from it or another
/// error: those come back as their own text behind their type.
template <class E, class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const error& e) {
    return (typeid(e) == typeid(E) ? "" : std::string("another error: ") + typeid(e).name() + ": ") +
           without_places(e.what());
  } catch (const std::exception& e) {
    return std::string("no error of tenon: ") + e.what();
  }
  return "nothing was thrown";
}

}  // namespace tenon::test
