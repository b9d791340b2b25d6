// Tests over a range of seeds: a few by default, many by command, one to look at again.
//   TEST [--from SEED] [--to SEED] [--target TEXT]... [--show yes]
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "targets.hpp"

namespace tenon::test {

struct seed_range {
  std::uint64_t from = 0, to = 0;
  std::vector<std::uint64_t> kept{};   ///< that once failed: run first where no others are asked for
  std::vector<std::string> targets{};  ///< each level of instructions that runs here, unless some are given
  bool show = false;                   ///< print a case before it runs
  bool all = false;                    ///< also under sanitizers, where else a quarter of them runs
};

/// Ends the program with 2 where a word is not understood.
inline seed_range read_seeds(int argc, char** argv, seed_range otherwise) {
  seed_range r = otherwise;
#ifdef TENON_FEWER_SEEDS
  if (!r.all) r.to = r.from + (r.to - r.from) / 4;
#endif
  if (argc > 1) r.kept.clear();
  for (int i = 1; i < argc; i += 2) {
    const std::string word = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--from" && !value.empty())
      r.from = std::strtoull(value.c_str(), nullptr, 10);
    else if (word == "--to" && !value.empty())
      r.to = std::strtoull(value.c_str(), nullptr, 10);
    else if (word == "--target" && !value.empty())
      r.targets.push_back(value);
    else if (word == "--show" && !value.empty())
      r.show = value == "yes";
    else {
      std::fprintf(stderr, "%s %s: not understood\n", word.c_str(), value.c_str());
      std::exit(2);
    }
  }
  if (r.targets.empty()) r.targets = instruction_levels();
  return r;
}

/// How many seeds fail: `check(seed)` is false, having said why, or throws.
template <class F>
int count_failures(const seed_range& r, F check) {
  int failures = 0;
  const auto run = [&](std::uint64_t seed) {
    try {
      failures += !check(seed);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), e.what());
      ++failures;
    }
  };
  for (const std::uint64_t seed : r.kept) run(seed);
  for (std::uint64_t seed = r.from; seed < r.to; ++seed) {
    run(seed);
    if ((seed + 1 - r.from) % 500 == 0) {
      std::printf("%llu seeds, %d failures\n", static_cast<unsigned long long>(seed + 1 - r.from), failures);
      std::fflush(stdout);
    }
  }
  std::printf("seeds %llu to %llu: %d failures\n", static_cast<unsigned long long>(r.from),
              static_cast<unsigned long long>(r.to), failures);
  return failures;
}

}  // namespace tenon::test
