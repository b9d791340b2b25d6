#include "runtime/loader.hpp"

#include <pthread.h>

#include <cstring>
#include <mutex>

#include "core/text.hpp"
#include "runtime/debug_register.hpp"
#include "runtime/environment.hpp"
#include "runtime/image.hpp"
#include "runtime/slab.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {
namespace {

struct loaded_code;

// All that is global: no constructors, no destructors. Code may be dropped after the last static object is gone.
constexpr std::size_t table_size = 1024;
constinit std::mutex lock;
constinit loaded_code* table[table_size]{};  // by key; the links are in the objects
constinit std::int64_t live_images = 0, live_bytes = 0;
constinit bool fork_guarded = false;

loaded_code*& bucket(const detail::hash128& key) { return table[key.lo % table_size]; }

struct loaded_code final : code, std::enable_shared_from_this<loaded_code> {
  detail::hash128 key;
  loaded_code* next = nullptr;
  code_range range;
  std::unique_ptr<debug_registration> debug;

  ~loaded_code() override {
    std::lock_guard hold(lock);
    for (loaded_code** link = &bucket(key); *link; link = &(*link)->next)
      if (*link == this) {
        *link = next;
        live_images -= 1;
        live_bytes -= static_cast<std::int64_t>(range.bytes);
        break;
      }
    debug.reset();
    if (range.home) release_code(range);
  }
};

// An object in the table may be on its way out (its destructor waits for the lock): then `lock()` gives nothing.
std::shared_ptr<const code> find_locked(const detail::hash128& key) {
  if (key == detail::hash128{}) return nullptr;
  for (loaded_code* c = bucket(key); c; c = c->next)
    if (c->key == key)
      if (auto alive = c->weak_from_this().lock()) return alive;
  return nullptr;
}

// A fork while another thread holds the lock would leave it locked in the child for ever.
void guard_forks() {
  if (fork_guarded) return;
  fork_guarded = ::pthread_atfork([] { lock.lock(); }, [] { lock.unlock(); }, [] { lock.unlock(); }) == 0;
}

[[gnu::destructor]] void at_unload() { release_idle_code_memory(); }

}  // namespace

std::shared_ptr<const code> load_image(const image& i) {
  std::string defect = image_defect(i);
  if (defect.empty() && i.machine != host_machine)
    defect = detail::cat("it is for machine ", i.machine, " (ELF number), this one is ", host_machine);
  if (!defect.empty()) throw load_error(detail::cat("kernel ", detail::quoted{i.name}, " cannot be loaded: ", defect));
  const bool perf = environment_flag("TENON_PERF", false);

  auto made = std::make_shared<loaded_code>();  // outside of the lock: its destructor takes it
  made->key = i.key;
  made->name = i.name;
  std::lock_guard hold(lock);
  if (auto there = find_locked(i.key)) return there;
  guard_forks();
  try {
    made->range = place_code(i.code);
  } catch (const load_error& e) {
    throw load_error(detail::cat("kernel ", detail::quoted{i.name}, " cannot be loaded: ", e.what()));
  }
  const std::byte* function = made->range.code + i.entry;
  static_assert(sizeof(made->entry) == sizeof(function));
  std::memcpy(&made->entry, &function, sizeof(function));
  const std::size_t bytes = i.entry_size ? i.entry_size : i.code.size() - i.entry;
  made->debug = std::make_unique<debug_registration>(i.name, function, bytes);
  if (perf) append_perf_map(i.name, function, bytes);
  made->next = bucket(i.key);
  bucket(i.key) = made.get();
  live_images += 1;
  live_bytes += static_cast<std::int64_t>(made->range.bytes);
  return made;
}

std::shared_ptr<const code> find_loaded(const detail::hash128& key) {
  std::lock_guard hold(lock);
  return find_locked(key);
}

loader_statistics loaded() {
  std::lock_guard hold(lock);
  return {live_images, live_bytes, slabs_now().slabs};
}

void release_idle_code_memory() noexcept {
  std::lock_guard hold(lock);
  release_empty_slabs();
}

}  // namespace tenon::runtime
