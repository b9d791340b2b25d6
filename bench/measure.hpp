// How the benchmarks time: every side of a comparison runs in turn, round by round, in one process, and the medians are
// compared (so that what slows the machine for a while slows all sides).
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace tenon::bench {

struct side {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds{};  ///< of one call, a round each
};

inline double quantile(std::vector<double> v, double q) {
  std::sort(v.begin(), v.end());
  return v[static_cast<std::size_t>(q * static_cast<double>(v.size() - 1) + 0.5)];
}

inline double seconds_of(const std::function<void()>& f, int calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / calls;
}

/// Times all sides in turn. Each gets warm calls, then `rounds` samples of at least `least` seconds; before each sample
/// stands one untimed call, which brings its data back into the caches and its threads awake.
inline void measure(std::vector<side>& sides, int rounds = 15, double least = 2e-3) {
  std::vector<int> calls;
  for (side& s : sides) {
    s.run();
    const double once = std::min(seconds_of(s.run, 1), seconds_of(s.run, 2));
    calls.push_back(std::clamp(static_cast<int>(least / std::max(once, 1e-9)) + 1, 1, 1'000'000));
    s.seconds.clear();
  }
  for (int r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < sides.size(); ++i) {
      sides[i].run();
      sides[i].seconds.push_back(seconds_of(sides[i].run, calls[i]));
    }
}

/// One line a side, for bench/report.py: table, row, side, work (flops or bytes of a call), quartiles in seconds.
inline void print(const char* table, const std::string& row, const std::vector<side>& sides, double work) {
  for (const side& s : sides)
    std::printf("%s\t%s\t%s\t%.17g\t%.6g\t%.6g\t%.6g\n", table, row.c_str(), s.name.c_str(), work,
                quantile(s.seconds, 0.25), quantile(s.seconds, 0.5), quantile(s.seconds, 0.75));
  std::fflush(stdout);
}

/// Lines of a .csv of bench/shapes, its header left out: a name, then numbers.
struct shape_line {
  std::string name;
  std::vector<long> numbers;
};
inline std::vector<shape_line> read_shapes(const std::string& path) {
  std::ifstream in(path);
  if (!in) std::fprintf(stderr, "%s: cannot be read\n", path.c_str()), std::exit(1);
  std::vector<shape_line> lines;
  std::string text;
  std::getline(in, text);
  while (std::getline(in, text)) {
    std::stringstream fields(text);
    shape_line line;
    std::getline(fields, line.name, ',');
    for (std::string n; std::getline(fields, n, ',');) line.numbers.push_back(std::stol(n));
    if (!line.numbers.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

/// What every benchmark beside peers takes: --threads N, --only NAME, --mcpu NAME, and words of its own, which `more`
/// answers.
struct arguments {
  int threads = 1;
  std::string only, mcpu;  // the processor to compile for, this one if empty
  arguments(int count, char** words,
            const std::function<bool(const std::string&, const std::function<long()>&)>& more) {
    for (int i = 1; i < count; ++i) {
      const std::string word = words[i];
      const auto number = [&] {
        if (++i == count) std::fprintf(stderr, "%s wants a number\n", word.c_str()), std::exit(2);
        return std::atol(words[i]);
      };
      if (word == "--threads")
        threads = static_cast<int>(number());
      else if (word == "--only" && i + 1 < count)
        only = words[++i];
      else if (word == "--mcpu" && i + 1 < count)
        mcpu = words[++i];
      else if (!more(word, number))
        std::fprintf(stderr, "%s: not understood\n", word.c_str()), std::exit(2);
    }
  }
  bool wanted(const std::string& name) const { return only.empty() || name == only; }
  /// "sgemm, 2 threads"
  std::string table(const std::string& what) const {
    return what + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
  }
  std::string target() const {
    return "llvm -num-threads=" + std::to_string(threads) + (mcpu.empty() ? "" : " -mcpu=" + mcpu);
  }
};

}  // namespace tenon::bench
