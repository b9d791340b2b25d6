// A target's members, which cost every user's compiler much when they are inline.
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

}  // namespace tenon
