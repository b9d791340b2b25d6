// What a process found once stays for its life (the code generator, the number of threads): programs that look at it
// run themselves again with other arguments and another environment.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tenon::test {

struct ended {
  int status = -1;  // of exit; -signal when it was killed
  std::string output;
};

/// Runs this program again. An empty value removes the variable. Output and errors come back together.
inline ended run_again(const std::vector<std::string>& arguments,
                       std::initializer_list<std::pair<const char*, std::string>> environment) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    ::close(ends[0]);
    ::close(ends[1]);
    for (const auto& [name, value] : environment) {
      if (value.empty())
        ::unsetenv(name);
      else
        ::setenv(name, value.c_str(), 1);
    }
    std::vector<std::string> all{"again"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(126);
  }
  ::close(ends[1]);
  ended e;
  char part[4096];
  for (ssize_t n; (n = ::read(ends[0], part, sizeof(part))) > 0;) e.output.append(part, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  if (child > 0 && ::waitpid(child, &status, 0) == child)
    e.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return e;
}

/// The lines of a file of /proc about this process.
inline std::vector<std::string> lines_of(const char* path) {
  std::ifstream f(path);
  std::vector<std::string> all;
  for (std::string line; std::getline(f, line);) all.push_back(line);
  return all;
}
inline bool is_mapped(const std::string& file) {
  for (const std::string& line : lines_of("/proc/self/maps"))
    if (line.find(file) != line.npos) return true;
  return false;
}
/// In KiB, as /proc/self/status has it: "VmRSS", "Threads" (a plain number).
inline long status_of(const std::string& name) {
  for (const std::string& line : lines_of("/proc/self/status"))
    if (line.starts_with(name + ":")) return std::atol(line.c_str() + name.size() + 1);
  return -1;
}

/// Prints what failed and counts it: a program of its own returns the count.
struct checks {
  int failed = 0;
  void operator()(bool good, const std::string& what) {
    if (good) return;
    ++failed;
    std::printf("failed: %s\n", what.c_str());
  }
  void equal(const std::string& have, const std::string& want, const std::string& what) {
    (*this)(have == want, what + "\n  have: " + have + "\n  want: " + want);
  }
};

}  // namespace tenon::test
