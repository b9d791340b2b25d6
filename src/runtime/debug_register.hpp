// Names of loaded kernels for gdb and perf.
#pragma once
#include <cstddef>
#include <string>

struct jit_code_entry;

namespace tenon::runtime {

/// Tells gdb about one function for as long as this object lives. Calls take turns (the loader's lock).
class debug_registration {
 public:
  debug_registration() = default;
  debug_registration(const std::string& name, const std::byte* function, std::size_t bytes);
  ~debug_registration();
  debug_registration(const debug_registration&) = delete;
  debug_registration& operator=(const debug_registration&) = delete;

 private:
  jit_code_entry* entry_ = nullptr;
};

/// Adds a line to /tmp/perf-<pid>.map, which perf reads for addresses that belong to no file. What fails is left out.
void append_perf_map(const std::string& name, const std::byte* function, std::size_t bytes) noexcept;

}  // namespace tenon::runtime
