#include "compile_claims.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace tenon {
namespace {

// All that is global: no constructors, no destructors.
constinit std::mutex lock;
constinit compile_claims* first = nullptr;  // they lie on the stacks of the threads that compile
constinit std::atomic<unsigned> changes{0};

}  // namespace

compile_claims::compile_claims() : process_(::getpid()) {
  const std::lock_guard hold(lock);
  next_ = first;
  first = this;
}

compile_claims::~compile_claims() {
  release();
  const std::lock_guard hold(lock);
  for (compile_claims** link = &first; *link; link = &(*link)->next_)
    if (*link == this) {
      *link = next_;
      break;
    }
}

bool compile_claims::is_taken(const detail::hash128& key) {
  const pid_t here = ::getpid();
  for (const compile_claims* c = first; c; c = c->next_)
    if (c->process_ == here && std::ranges::find(c->keys_, key) != c->keys_.end()) return true;
  return false;
}

bool compile_claims::take(const detail::hash128& key) {
  const std::lock_guard hold(lock);
  if (is_taken(key)) return false;
  keys_.push_back(key);
  return true;
}

void compile_claims::release() {
  {
    const std::lock_guard hold(lock);
    if (keys_.empty()) return;
    keys_.clear();
  }
  changes.fetch_add(1);
  changes.notify_all();
}

void compile_claims::wait(const detail::hash128& key) {
  for (;;) {
    const unsigned seen = changes.load();
    {
      const std::lock_guard hold(lock);
      if (!is_taken(key)) return;
    }
    changes.wait(seen);
  }
}

}  // namespace tenon
