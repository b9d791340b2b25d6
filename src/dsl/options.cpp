// Members of options, which cost every user's compiler much when they are inline.
#include "tenon/dsl/options.hpp"

namespace tenon {

target::target() : text_("llvm") {}
target::target(const char* text) : text_(text) {}
target::target(std::string text) : text_(std::move(text)) {}
target::target(std::string_view text) : text_(text) {}
target::target(std::initializer_list<std::pair<const char*, const char*>> devices) {
  for (const auto& [device, text] : devices) devices_.emplace_back(device, text);
}
target::target(const target&) = default;
target::target(target&&) noexcept = default;
target& target::operator=(const target&) = default;
target& target::operator=(target&&) noexcept = default;
target::~target() = default;
bool operator==(const target& a, const target& b) { return a.text_ == b.text_ && a.devices_ == b.devices_; }

pass_names::pass_names() noexcept = default;
pass_names::pass_names(std::initializer_list<std::string_view> l) : v(l.begin(), l.end()) {}
pass_names::pass_names(std::vector<std::string> l) noexcept : v(std::move(l)) {}
pass_names::pass_names(const pass_names&) = default;
pass_names::pass_names(pass_names&&) noexcept = default;
pass_names& pass_names::operator=(const pass_names&) = default;
pass_names& pass_names::operator=(pass_names&&) noexcept = default;
pass_names::~pass_names() = default;

pass_options::value::value(const char* word) : text(word) {}
pass_options::value::value(std::int64_t number) : text(std::to_string(number)) {}
pass_options::value::value(int number) : text(std::to_string(number)) {}
pass_options::pass_options() noexcept = default;
pass_options::pass_options(std::initializer_list<std::pair<const char*, value>> l) {
  for (const auto& [key, given] : l) v.emplace_back(key, given.text);
}
pass_options::pass_options(const pass_options&) = default;
pass_options::pass_options(pass_options&&) noexcept = default;
pass_options& pass_options::operator=(const pass_options&) = default;
pass_options& pass_options::operator=(pass_options&&) noexcept = default;
pass_options::~pass_options() = default;

}  // namespace tenon
