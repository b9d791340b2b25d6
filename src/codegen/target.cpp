#include "codegen/target.hpp"

#include <cpuid.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "codegen/codegen.hpp"
#include "codegen/features.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {

target_spec parse_target(std::string_view text) {
  target_spec t;
  bool first = true;
  auto refuse = [&](std::string_view word, std::string_view known) {
    throw target_error(fmt::format("target '{}': '{}' is not understood; {}", text, word, known));
  };
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && text[at] == ' ') ++at;
    std::size_t end = text.find(' ', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(at, end - at);
    at = end;
    if (word.empty()) continue;
    if (first) {
      first = false;
      if (word == "llvm")
        t.what = target_spec::kind::llvm;
      else if (word == "native")
        t.what = target_spec::kind::native;
      else
        refuse(word, "known targets: llvm, native");
    } else if (word.starts_with("-mcpu=") && t.what == target_spec::kind::llvm && word.size() > 6) {
      t.cpu = word.substr(6);
    } else if (word.starts_with("-num-threads=")) {
      const std::string_view n = word.substr(13);
      const auto [rest, bad] = std::from_chars(n.data(), n.data() + n.size(), t.threads);
      if (bad != std::errc() || rest != n.data() + n.size() || t.threads < 1 || t.threads > 1024)
        refuse(word, "-num-threads takes 1 to 1024");
    } else {
      refuse(word, t.what == target_spec::kind::llvm ? "known options: -mcpu=NAME, -num-threads=N"
                                                     : "known options: -num-threads=N");
    }
  }
  if (first) throw target_error("target '': it is empty; known targets: llvm, native");
  return t;
}

namespace {

// What the processor and the system support, as the levels of the x86-64 psABI and the words that make up its identity.
struct processor {
  int level = 1;
  std::string identity;
  bool halves_512 = false;  ///< works on 512 bits in two halves
  bool intel = false;       ///< whose (Emerald Rapids') vdpbf16ps takes as long as four multiply-adds
};

processor this_processor() {
  processor p;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v2 =
      __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("ssse3");
  const bool v3 =
      v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512cd");
  p.level = v4 ? 4 : v3 ? 3 : v2 ? 2 : 1;
  // Family, model, stepping and the feature words: two processors that differ in any of them do not share kernels.
  unsigned a = 0, b = 0, c = 0, d = 0;
  auto leaf = [&](unsigned number, unsigned sub) {
    a = b = c = d = 0;
    __get_cpuid_count(number, sub, &a, &b, &c, &d);
  };
  leaf(1, 0);
  // Not b: it names the core that answers.
  p.identity = fmt::format("x86:{:x}.{:x}.{:x}", a, c, d);
  p.intel = __builtin_cpu_is("intel");
  // AMD's family 0x19: Zen 4, the only one of it with AVX-512.
  p.halves_512 = __builtin_cpu_is("amd") && (a >> 8 & 0xf) + (a >> 20 & 0xff) == 0x19;
  leaf(7, 0);
  p.identity += fmt::format(".{:x}.{:x}.{:x}", b, c, d);
  leaf(7, 1);
  p.identity += fmt::format(".{:x}:v{}", a, p.level);
#else
  p.identity = "generic";
#endif
  return p;
}

// Of one core, as the system tells it; what cannot be, is taken for the guess in machine_model.
void find_caches(scheduling::machine_model& m) {
  const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (l1 >= 8 << 10 && l1 <= 1 << 20) m.l1_bytes = l1;
  if (l2 >= 128 << 10 && l2 <= 64 << 20 && l2 > m.l1_bytes) m.l2_bytes = l2;
  const long ways1 = sysconf(_SC_LEVEL1_DCACHE_ASSOC), ways2 = sysconf(_SC_LEVEL2_CACHE_ASSOC);
  if (ways1 >= 2 && ways1 <= 32) m.l1_ways = static_cast<int>(ways1);
  if (ways2 >= 2 && ways2 <= 32) m.l2_ways = static_cast<int>(ways2);
}
scheduling::machine_model model_of(int vector_bits, bool fma, bool dot_bytes = false, bool dot_bf16 = false) {
  scheduling::machine_model m{.vector_bits = vector_bits,
                              .registers = vector_bits >= 512 ? 32 : 16,
                              .fma = fma,
                              .dot_bytes = dot_bytes,
                              .dot_bf16 = dot_bf16};
  find_caches(m);
  return m;
}
scheduling::machine_model model_of_level(int level) {
  return model_of(level >= 4 ? 512 : level >= 3 ? 256 : 128, level >= 3);
}

}  // namespace

machine_summary summarize(const std::string& cpu) {
  const processor here = this_processor();
  if (cpu == "native") {
    scheduling::machine_model model = model_of_level(here.level);
    model.dot_bytes = here.level >= 4 && host_has("avx512vnni");
    model.dot_bf16 = here.level >= 4 && host_has("avx512bf16") && !here.intel;
    if (here.level >= 4 && here.halves_512) model.products_a_cycle = 1;
    return {model, here.level >= 3, here.identity};
  }
  constexpr std::string_view levels[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  for (int i = 0; i < 4; ++i) {
    if (cpu != levels[i]) continue;
    if (i + 1 > here.level)
      throw target_error(fmt::format("target 'llvm -mcpu={}': this processor is {}, it lacks instructions of {}", cpu,
                                     levels[here.level - 1], cpu));
    return {model_of_level(i + 1), i + 1 >= 3, std::string(levels[i])};
  }
  const machine m = llvm().resolve(cpu);
  const bool dot_bf16 = m.has("+avx512bf16") && cpu.starts_with("znver");
  machine_summary s = {model_of(m.vector_bits, m.fma, m.has("+avx512vnni"), dot_bf16), m.fma, m.text()};
  if (cpu == "znver4") s.model.products_a_cycle = 1;
  return s;
}

}  // namespace tenon::codegen
