#include <cstring>
#include <string>

#include "codegen/codegen.hpp"
#include "codegen/features.hpp"

namespace tenon::codegen {

bool host_has(const char* feature) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#define X(n) \
  if (std::strcmp(feature, n) == 0) return __builtin_cpu_supports(n) != 0;
  TENON_CPU_FEATURES(X)
#undef X
#endif
  (void)feature;
  return false;
}

bool runs_here(const machine& m) {
  const std::string& all = m.features;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(',', at), all.size());
    if (all[at] == '+' && !host_has(all.substr(at + 1, end - at - 1).c_str())) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace tenon::codegen
