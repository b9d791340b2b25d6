// Members of options, which cost every user's compiler much when they are inline.
#include "tenon/dsl/options.hpp"

#include <algorithm>

namespace tenon {
namespace detail {

struct string_list::content {
  std::vector<std::string> v;
};
string_list::string_list() noexcept : content_(nullptr) {}
string_list::string_list(const string_list& o) : content_(o.content_ ? new content(*o.content_) : nullptr) {}
string_list::string_list(string_list&& o) noexcept : content_(std::exchange(o.content_, nullptr)) {}
string_list& string_list::operator=(string_list o) noexcept {
  std::swap(content_, o.content_);
  return *this;
}
string_list::~string_list() { delete content_; }
const std::string* string_list::begin() const { return content_ ? content_->v.data() : nullptr; }
const std::string* string_list::end() const { return content_ ? content_->v.data() + content_->v.size() : nullptr; }
void string_list::push_back(std::string_view s) {
  if (!content_) content_ = new content;
  content_->v.emplace_back(s);
}
bool operator==(const string_list& a, const string_list& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace detail

target::target() : text_("llvm") {}
target::target(const char* text) : text_(text) {}
target::target(std::string text) : text_(std::move(text)) {}
target::target(std::string_view text) : text_(text) {}
target::target(std::initializer_list<std::pair<const char*, const char*>> devices) {
  for (const auto& [device, text] : devices) {
    devices_.push_back(device);
    device_texts_.push_back(text);
  }
}
target::target(const target&) = default;
target::target(target&&) noexcept = default;
target& target::operator=(const target&) = default;
target& target::operator=(target&&) noexcept = default;
target::~target() = default;
bool operator==(const target& a, const target& b) {
  return a.text_ == b.text_ && a.devices_ == b.devices_ && a.device_texts_ == b.device_texts_;
}

pass_names::pass_names() noexcept = default;
pass_names::pass_names(std::initializer_list<std::string_view> l) {
  for (std::string_view name : l) push_back(name);
}
pass_names::pass_names(const std::vector<std::string>& l) {
  for (const std::string& name : l) push_back(name);
}

pass_options::value::value(const char* word) : text(word) {}
pass_options::value::value(std::int64_t number) : text(std::to_string(number)) {}
pass_options::value::value(int number) : text(std::to_string(number)) {}
pass_options::pass_options() noexcept = default;
pass_options::pass_options(std::initializer_list<std::pair<const char*, value>> l) {
  for (const auto& [key, given] : l) {
    keys.push_back(key);
    values.push_back(given.text);
  }
}

extent_bounds::extent_bounds() noexcept = default;
extent_bounds::extent_bounds(std::initializer_list<std::pair<const char*, std::int64_t>> l) {
  for (const auto& [name, most] : l) {
    names.push_back(name);
    values.push_back(std::to_string(most));
  }
}

}  // namespace tenon
