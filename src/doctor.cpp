#include "tenon/dsl/doctor.hpp"

#include <fmt/format.h>

#include "codegen/codegen.hpp"
#include "codegen/identity.hpp"
#include "codegen/target.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/environment.hpp"
#include "runtime/image.hpp"
#include "runtime/thread_pool.hpp"

namespace tenon {

void warm_up() { codegen::llvm().resolve("native"); }

explanation doctor() {
  std::string s = "tenon\n";
  auto line = [&](std::string_view what, const std::string& found) { s += fmt::format("  {:<16} {}\n", what, found); };
  // Every look may fail for a reason of the user's environment; the reason is what is printed.
  auto look = [&](std::string_view what, auto find) {
    try {
      line(what, find());
    } catch (const error& e) {
      line(what, std::string("cannot be used: ") + e.what());
    }
  };
  look("processor", [] {
    const codegen::machine_summary m = codegen::summarize("native");
    return fmt::format("vectors of {} bits, {} registers, fma {}", m.model.vector_bits, m.model.registers,
                       m.fma ? "yes" : "no");
  });
  look("threads", [] {
    const runtime::thread_limits t = runtime::read_thread_limits();
    return fmt::format("{} used (affinity {}, control group {}, TENON_NUM_THREADS {})", t.threads, t.affinity,
                       t.cgroup ? std::to_string(t.cgroup) : "no limit",
                       t.environment ? std::to_string(t.environment) : "not set");
  });
  std::string why;
  if (codegen::llvm_available(&why)) {
    look("code generator", [] {
      const codegen::generator& g = codegen::llvm();
      const codegen::machine m = g.resolve("native");
      return fmt::format("{}; compiles for {}, L1 {} KiB, L2 {} KiB", g.identity(), m.cpu, m.l1_bytes >> 10,
                         m.l2_bytes >> 10);
    });
  } else {
    line("code generator", "not found: " + why + "; kernels come from the disk cache, or use the target 'native'");
  }
  line("compiler", codegen::identity().substr(0, 16));
  look("disk cache", [] {
    const runtime::disk_cache c = runtime::disk_cache::from_environment();
    if (c.folder().empty()) return "off: " + c.defect();
    const std::string defect = c.defect();
    return fmt::format("{}, at most {} MiB{}", c.folder(), c.max_bytes() >> 20,
                       defect.empty() ? "" : ", not used: " + defect);
  });
  const runtime::loader_statistics l = runtime::loaded();
  line("loaded kernels", fmt::format("{}, {} bytes in {} slabs", l.images, l.bytes, l.slabs));
  line("targets", "llvm, native");
  for (const char* name : {"TENON_CACHE_DIR", "TENON_CACHE_SIZE", "TENON_NUM_THREADS", "TENON_SPIN_US",
                           "TENON_LLVM_LIBRARY", "TENON_PERF", "TENON_DUMP", "TENON_TIME"})
    if (const auto value = runtime::environment_text(name)) line(name, std::string(*value));
  return explanation(s);
}

}  // namespace tenon
