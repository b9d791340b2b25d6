#include "tenon/runtime/param_set.hpp"

#include <algorithm>
#include <span>

#include "core/text.hpp"
#include "runtime/shared_block.hpp"
#include "tenon/core/error.hpp"

namespace tenon {
namespace detail {
namespace {

struct array_block : shared_block {
  explicit array_block(array_storage&& s) : storage(std::move(s)) {}
  array_storage storage;
};

/// The tensors of a set, sorted by name. Changed only while there is one reference.
struct values_block : shared_block {
  std::vector<param_value> values;
};

std::span<const param_value> values_of(const shared_ref& r) {
  if (!r.get()) return {};
  return static_cast<const values_block*>(r.get())->values;
}

/// Makes `r` the only reference to its block.
std::vector<param_value>& writable(shared_ref& r) {
  if (!r.get() || r.get()->references.load(std::memory_order_acquire) != 1) {
    auto copy = std::make_unique<values_block>();
    const auto values = values_of(r);
    copy->values.assign(values.begin(), values.end());
    r = shared_ref(copy.release());
  }
  return static_cast<values_block*>(r.get())->values;
}

struct by_name {
  bool operator()(const param_value& v, std::string_view name) const { return v.name() < name; }
};

}  // namespace

void retain(shared_block* b) noexcept { b->references.fetch_add(1, std::memory_order_relaxed); }
void release(shared_block* b) noexcept {
  if (b->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete b;
}

param_value own(std::string name, array_storage&& s) {
  auto block = std::make_unique<array_block>(std::move(s));
  const any_view v = block->storage.get();
  return {std::move(name), v, shared_ref(block.release())};
}

void throw_param_type(std::string_view name, dtype has, dtype asked) {
  throw type_error(cat("parameter ", quoted{name}, ": the elements are ", has, ", not ", asked));
}

}  // namespace detail

std::size_t param_set::size() const { return detail::values_of(values_).size(); }
const param_value* param_set::begin() const { return detail::values_of(values_).data(); }

const param_value* param_set::find(std::string_view name) const {
  const auto* const at = std::lower_bound(begin(), end(), name, detail::by_name{});
  return at != end() && at->name() == name ? at : nullptr;
}

const param_value& param_set::operator[](std::string_view name) const {
  if (const param_value* v = find(name)) return *v;
  std::string known;
  for (const param_value& v : *this) {
    if (known.size() > 500) {
      known += ", ...";
      break;
    }
    detail::append(known, known.empty() ? "" : ", ");
    detail::append(known, detail::quoted{v.name()});
  }
  throw argument_error(detail::cat("no parameter ", detail::quoted{name}, " among ", size(), ": ", known));
}

std::vector<std::string> param_set::names() const {
  std::vector<std::string> names;
  for (const param_value& v : *this) names.push_back(v.name());
  return names;
}

param_set& param_set::set(param_value v) {
  if (v.name().empty()) throw argument_error("param_set: a name is empty");
  auto& values = detail::writable(values_);
  const auto at = std::lower_bound(values.begin(), values.end(), v.name(), detail::by_name{});
  if (at != values.end() && at->name() == v.name())
    *at = std::move(v);
  else
    values.insert(at, std::move(v));
  return *this;
}

param_set& param_set::set_storage(std::string_view name, detail::array_storage s) {
  return set(detail::own(std::string(name), std::move(s)));
}

bool param_set::erase(std::string_view name) {
  if (!contains(name)) return false;
  auto& values = detail::writable(values_);
  values.erase(std::lower_bound(values.begin(), values.end(), name, detail::by_name{}));
  return true;
}

}  // namespace tenon
