#include "packed_constants.hpp"

#include <mutex>
#include <new>

namespace tenon {
namespace {

constexpr std::align_val_t alignment{64};

// All that is global: no constructors, no destructors. Blocks that live, each in the list until its last holder goes.
struct packed_block;
constinit std::mutex lock;
constinit packed_block* first = nullptr;

struct packed_block : std::enable_shared_from_this<packed_block> {
  detail::hash128 value;
  scheduling::constant_packing how;
  std::int64_t bytes;
  void* data;
  packed_block *previous = nullptr, *next = nullptr;

  packed_block(const ir::constant_value& v, const scheduling::constant_packing& p)
      : value(v.hash()),
        how(p),
        bytes(p.elements() * size_of(v.type())),
        data(::operator new(static_cast<std::size_t>(bytes), alignment)) {
    p.pack(v.data(), data, size_of(v.type()));
  }
  packed_block(const packed_block&) = delete;
  ~packed_block() {
    {
      const std::lock_guard hold(lock);
      if (previous)
        previous->next = next;
      else if (first == this)
        first = next;
      if (next) next->previous = previous;
    }
    ::operator delete(data, alignment);
  }
};

std::shared_ptr<packed_block> find_locked(const detail::hash128& value, const scheduling::constant_packing& how) {
  for (packed_block* b = first; b; b = b->next)
    if (b->value == value && b->how == how)
      if (auto alive = b->weak_from_this().lock()) return alive;
  return nullptr;
}

}  // namespace

runtime::constant packed(const ir::constant_value& v, const scheduling::constant_packing& how) {
  scheduling::constant_packing key = how;
  key.parameter = 0;  // which one it is of its kernel does not matter here
  std::shared_ptr<packed_block> found;
  {
    const std::lock_guard hold(lock);
    found = find_locked(v.hash(), key);
  }
  if (!found) {
    auto made = std::make_shared<packed_block>(v, key);
    const std::lock_guard hold(lock);
    found = find_locked(v.hash(), key);  // somebody else may have been faster
    if (!found) {
      made->next = first;
      if (first) first->previous = made.get();
      first = made.get();
      found = made;
    }
  }
  return {found, found->data, found->bytes};
}

}  // namespace tenon
