#include "codegen/llvm/machine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/X86TargetParser.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <vector>

#include "codegen/features.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";
constexpr const char* known_features[] = {
#define X(n) n,
    TENON_CPU_FEATURES(X)
#undef X
};

/// The five names that differ least from what was asked for.
std::vector<std::string> near_names(llvm::StringRef wanted, llvm::ArrayRef<llvm::StringRef> all) {
  std::vector<std::pair<unsigned, std::string>> ranked;
  for (llvm::StringRef n : all) ranked.emplace_back(n.edit_distance_insensitive(wanted), n.str());
  std::ranges::sort(ranked);
  std::vector<std::string> names;
  for (const auto& [distance, n] : ranked)
    if (names.size() < 5) names.push_back(n);
  return names;
}

std::int64_t cache_bytes(int name, std::int64_t low, std::int64_t otherwise, std::int64_t high) {
  const long v = sysconf(name);
  return v <= 0 ? otherwise : std::clamp<std::int64_t>(v, low, high);
}

std::set<std::string> features_of(llvm::StringRef cpu) {
  llvm::SmallVector<llvm::StringRef, 64> features;
  llvm::X86::getFeaturesForCPU(cpu, features);
  llvm::StringMap<bool> all;
  for (llvm::StringRef f : features) {
    all[f] = true;
    // The list leaves out what others imply.
    llvm::X86::updateImpliedFeatures(f, true, all);
  }
  std::set<std::string> r;
  for (const char* f : known_features)
    if (all.lookup(f)) r.insert(f);
  return r;
}

}  // namespace

machine resolve_machine(std::string_view cpu) {
  machine m;
  std::set<std::string> features;
  if (cpu == "native") {
    m.cpu = llvm::sys::getHostCPUName().str();
    for (const char* f : known_features)
      if (host_has(f)) features.insert(f);
    m.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 16 << 10, m.l1_bytes, 128 << 10);
    m.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 128 << 10, m.l2_bytes, 4 << 20);
  } else {
    llvm::SmallVector<llvm::StringRef, 128> names;
    llvm::X86::fillValidCPUArchList(names, true);
    if (std::ranges::find(names, llvm::StringRef(cpu)) == names.end())
      throw target_error(fmt::format("llvm: there is no processor \"{}\"; near names: {}", cpu,
                                     fmt::join(near_names(llvm::StringRef(cpu), names), ", ")));
    m.cpu = cpu;
    features = features_of(m.cpu);
  }
  // 512-bit code wants all four parts; with fewer of them (Xeon Phi) none is used.
  const bool wide = features.contains("avx512f") && features.contains("avx512vl") && features.contains("avx512bw") &&
                    features.contains("avx512dq");
  if (!wide) std::erase_if(features, [](const std::string& f) { return f.starts_with("avx512"); });
  // Likewise 256-bit code wants AVX2.
  if (!features.contains("avx2"))
    std::erase_if(features, [](const std::string& f) { return f.starts_with("avx") || f == "fma" || f == "f16c"; });
  m.vector_bits = wide ? 512 : features.contains("avx2") ? 256 : 128;
  m.fma = features.contains("fma");
  for (const std::string& f : features) m.features += (m.features.empty() ? "+" : ",+") + f;
  return m;
}

std::unique_ptr<llvm::TargetMachine> make_target_machine(const machine& m) {
  std::string problem;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!target) throw target_error("llvm: " + problem);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  // The processor's name decides tuning alone: features are exactly those of the list, on every function.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(triple, "x86-64", m.features, options,
                                                                          llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                                          llvm::CodeGenOptLevel::Default, true));
}

}  // namespace tenon::codegen
