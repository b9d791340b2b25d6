// What each stage of a compilation took: TENON_TIME=1 prints it.
#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tenon {

/// Sums of seconds by stage, in the order in which stages first end. Threads may add at once.
class stage_times {
 public:
  void add(std::string_view stage, double seconds);
  /// A line a stage, and their sum.
  std::string table(std::string_view title) const;

 private:
  struct line {
    std::string stage;
    double seconds = 0;
    int times = 0;
  };
  mutable std::mutex mutex_;
  std::vector<line> lines_;
};

/// Seconds since it was made.
class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Adds the time of its own life.
class timed {
 public:
  timed(stage_times& t, std::string_view stage) : times_(t), stage_(stage) {}
  timed(const timed&) = delete;
  timed& operator=(const timed&) = delete;
  ~timed() { times_.add(stage_, watch_.seconds()); }

 private:
  stage_times& times_;
  std::string_view stage_;
  stopwatch watch_;
};

}  // namespace tenon
