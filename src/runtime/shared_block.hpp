// What several owners keep alive: the arrays and mapped files behind parameters.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tenon/runtime/param_set.hpp"

namespace tenon::detail {

/// Born with one reference; deleted with the last.
struct shared_block {
  std::atomic<std::int64_t> references{1};
  virtual ~shared_block() = default;
};

/// A parameter that owns its elements.
param_value own(std::string name, array_storage&&);

/// The same ownership as a shared_ptr.
inline std::shared_ptr<const void> share(const param_value& v) {
  auto owner = std::make_shared<shared_ref>(v.owner());
  return {std::move(owner), v.data()};
}

}  // namespace tenon::detail
