#include "inner_loop.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <unordered_map>
#include <vector>

namespace tenon {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}
// Its label, or nothing.
std::string_view label_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  return line.starts_with('.') && colon != std::string_view::npos ? line.substr(0, colon) : std::string_view();
}
// The instruction and its operands, comments cut off.
std::string_view instruction_of(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string_view::npos || at == 0 || line[at] == '.' || line[at] == '#') return {};
  line.remove_prefix(at);
  return line.substr(0, line.find('#'));
}
bool is_vector_arithmetic(std::string_view instruction) {
  for (const char* word : {"vfm",  "vfnm", "vadd", "vsub", "vmul", "vdiv", "vmax", "vmin", "vpadd", "vpsub", "vpmul",
                           "vpdp", "vdp",  "addp", "subp", "mulp", "divp", "maxp", "minp", "padd",  "psub",  "pmul"})
    if (instruction.starts_with(word)) return true;
  return false;
}

// A program on the PATH, or an empty name.
std::filesystem::path find_program(const char* name) {
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path ? path : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::filesystem::path p = std::filesystem::path(rest.substr(0, end)) / name;
    if (access(p.c_str(), X_OK) == 0) return p;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

}  // namespace

std::string busiest_loop(std::string_view assembly) {
  const std::vector<std::string_view> lines = lines_of(assembly);
  std::unordered_map<std::string_view, std::size_t> labels;
  std::size_t first = 0, last = 0, most = 0, newest = 0;  // newest: where the last loop that was seen begins
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (const std::string_view l = label_of(lines[i]); !l.empty()) labels[l] = i;
    const std::string_view x = instruction_of(lines[i]);
    if (!x.starts_with('j')) continue;
    const std::size_t target = x.find('.');
    if (target == std::string_view::npos) continue;
    const auto at = labels.find(x.substr(target, x.find_last_not_of(" \t") + 1 - target));
    // A jump back; a loop around one that was seen is not innermost.
    if (at == labels.end() || (newest && at->second <= newest)) continue;
    newest = at->second;
    std::size_t count = 0;
    for (std::size_t k = newest; k <= i; ++k) count += is_vector_arithmetic(instruction_of(lines[k]));
    if (last && count <= most) continue;
    first = newest;
    last = i;
    most = count;
  }
  std::string text;
  for (std::size_t k = first; last && k <= last; ++k) {
    if (const std::string_view l = label_of(lines[k]); !l.empty()) text += fmt::format("{}:\n", l);
    if (const std::string_view x = instruction_of(lines[k]); !x.empty()) text += fmt::format("  {}\n", x);
  }
  return text;
}

std::string predicted_throughput(const std::string& loop, const std::string& cpu) {
  std::filesystem::path tool = find_program("llvm-mca-19");
  if (tool.empty()) tool = find_program("llvm-mca");
  if (tool.empty() || loop.empty()) return {};
  std::error_code ignored;
  std::string name = (std::filesystem::temp_directory_path(ignored) / "tenon-loop-XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file < 0) return {};
  const bool written = write(file, loop.data(), loop.size()) == static_cast<ssize_t>(loop.size());
  close(file);
  std::string said;
  if (written)
    if (FILE* out = popen(fmt::format("'{}' -mcpu={} '{}' 2>/dev/null", tool.string(), cpu, name).c_str(), "r")) {
      std::array<char, 4096> part;
      for (std::size_t n; (n = fread(part.data(), 1, part.size(), out)) > 0;) said.append(part.data(), n);
      pclose(out);
    }
  unlink(name.c_str());
  const auto number = [&](std::string_view what) {
    const std::size_t at = said.find(what);
    return at == std::string::npos ? 0.0 : std::strtod(said.c_str() + at + what.size(), nullptr);
  };
  const double cycles = number("Total Cycles:"), trips = number("Iterations:"), bound = number("Block RThroughput:");
  if (cycles <= 0 || trips <= 0) return {};
  return fmt::format("llvm-mca: {:.1f} cycles a trip, {:.1f} by its busiest resource", cycles / trips, bound);
}

}  // namespace tenon
