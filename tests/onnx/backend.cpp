// ONNX's own operator tests (Debian's libonnx-testdata) through import_onnx, on every target: each case passes within
// the suite's tolerances, or stands in uncovered.txt with the reason and does not. A case that is not what the list
// says is a failure.
//
//   onnx_backend [PART]           only cases whose name holds PART, each with its time
//   onnx_backend --uncovered      what cannot be imported, with the importer's words
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "onnx/proto.hpp"
#include "runtime/mapped_file.hpp"
#include "targets.hpp"
#include "tenon/onnx/onnx.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace tenon;
namespace fs = std::filesystem;

const fs::path data = "/usr/share/libonnx-testdata/data";
constexpr const char* suites[] = {"node", "simple", "pytorch-converted", "pytorch-operator"};
// Of the suite's runner.
constexpr double relative = 1e-3, absolute = 1e-7;

struct values {
  dtype type = any_dtype;
  dims shape;
  ir::constant_value held;
  const void* data() const { return held.data(); }
};
values read_values(const fs::path& file) {
  std::unique_ptr<detail::mapped_file> mapped = detail::mapped_file::open(file.string());
  onnx::source s;
  s.bytes = {reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()};
  s.owner = std::make_shared<detail::shared_ref>(mapped.release());
  const onnx::named_constant c = onnx::read_tensor(s.bytes, s);
  return {c.value.type(), c.value.extents(), c.value};
}
std::vector<values> read_all(const fs::path& folder, const char* kind) {
  std::vector<values> r;
  for (int i = 0;; ++i) {
    const fs::path file = folder / fmt::format("{}_{}.pb", kind, i);
    if (!fs::exists(file)) return r;
    r.push_back(read_values(file));
  }
}

template <class T>
double number(const void* p, std::int64_t i) {
  return static_cast<double>(static_cast<const T*>(p)[i]);
}
double element(dtype d, const void* p, std::int64_t i) {
  switch (d) {
    case f64:
      return number<double>(p, i);
    case f32:
      return number<float>(p, i);
    case f16:
      return double{static_cast<float>(static_cast<const float16*>(p)[i])};
    case bf16:
      return double{static_cast<float>(static_cast<const bfloat16*>(p)[i])};
    case i64:
      return number<std::int64_t>(p, i);
    case i32:
      return number<std::int32_t>(p, i);
    case i16:
      return number<std::int16_t>(p, i);
    case i8:
      return number<std::int8_t>(p, i);
    case u64:
      return number<std::uint64_t>(p, i);
    case u32:
      return number<std::uint32_t>(p, i);
    case u16:
      return number<std::uint16_t>(p, i);
    default:
      return number<std::uint8_t>(p, i);
  }
}
/// The files hold the bits of bf16 as u16.
dtype meant(dtype in_file, dtype in_model) { return in_file == u16 && in_model == bf16 ? bf16 : in_file; }

/// What differs; empty when nothing does.
std::string difference(values want, const param_value& have) {
  want.type = meant(want.type, have.type());
  if (have.type() != want.type) return fmt::format("{} instead of {}", name(have.type()), name(want.type));
  if (have.dims() != want.shape) {
    detail::text t;
    t << have.dims();
    t << " instead of ";
    t << want.shape;
    return std::string(t.view());
  }
  for (std::int64_t i = 0; i < have.size(); ++i) {
    const double a = element(have.type(), have.data(), i), b = element(want.type, want.data(), i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b) continue;
    if (is_float(want.type) && std::abs(a - b) <= absolute + relative * std::abs(b)) continue;
    return fmt::format("element {}: {} instead of {}", i, a, b);
  }
  return {};
}

/// The graph's inputs that the files give, in order: those that no initializer makes.
std::vector<std::string> input_names(const fs::path& model) {
  std::unique_ptr<detail::mapped_file> mapped = detail::mapped_file::open(model.string());
  const std::string_view bytes(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size());
  const onnx::graph g = onnx::read_graph(onnx::read_model(bytes).graph);
  const std::vector<std::string_view> made = onnx::initializer_names(g);
  std::vector<std::string> names;
  for (std::string_view message : g.inputs) {
    const std::string_view n = onnx::read_value_info(message).name;
    if (std::ranges::find(made, n) == made.end()) names.emplace_back(n);
  }
  return names;
}

/// Imports; inputs whose values decide extents are given theirs.
onnx_model import_case(const fs::path& folder, const std::vector<std::string>& names) {
  onnx_options options;
  for (;;) try {
      return import_onnx((folder / "model.onnx").string(), options);
    } catch (const onnx_error& e) {
      bool more = false;
      for (const std::string& wanted : e.wanted_inputs()) {
        const auto at = std::ranges::find(names, wanted);
        if (at == names.end() || options.values.contains(wanted)) continue;
        const values v = read_values(folder / fmt::format("test_data_set_0/input_{}.pb", at - names.begin()));
        options.values.set(
            param_value(wanted, detail::checked_view(v.data(), v.type, v.shape, "input"), detail::shared_ref()));
        more = true;
        // The importer copies what it is given.
        static std::mutex m;
        static std::vector<values> keep;
        const std::lock_guard lock(m);
        keep.push_back(v);
      }
      if (!more) throw;
    }
}

/// "" or what went wrong. Throws onnx_error for what cannot be imported.
std::string run_case(const fs::path& folder) {
  const std::vector<std::string> names = input_names(folder / "model.onnx");
  const onnx_model model = import_case(folder, names);
  for (const char* target : test::targets) {
    const untyped_function f = build(model, {.target = target});
    for (int set = 0; fs::exists(folder / fmt::format("test_data_set_{}", set)); ++set) {
      const fs::path here = folder / fmt::format("test_data_set_{}", set);
      const std::vector<values> in = read_all(here, "input"), out = read_all(here, "output");
      std::vector<detail::any_view> views;
      std::vector<const detail::any_view*> arguments;
      views.reserve(in.size());
      for (std::size_t i = 0; i < model.inputs().size(); ++i) {
        const auto at = static_cast<std::size_t>(std::ranges::find(names, model.inputs()[i]) - names.begin());
        if (at >= in.size()) return fmt::format("no file for input '{}'", model.inputs()[i]);
        const dtype type = meant(in[at].type, detail::type_of(model.graph().inputs[i]));
        views.push_back(detail::checked_view(in[at].data(), type, in[at].shape, "input"));
      }
      for (const detail::any_view& v : views) arguments.push_back(&v);
      const std::vector<param_value> results = f.call(arguments.data(), arguments.size());
      if (results.size() != out.size()) return fmt::format("{} results instead of {}", results.size(), out.size());
      for (std::size_t i = 0; i < out.size(); ++i)
        if (const std::string d = difference(out[i], results[i]); !d.empty())
          return fmt::format("{}: {}: {}", target, results[i].name(), d);
    }
  }
  return {};
}

/// Lines "suite/case  reason".
std::map<std::string, std::string> read_list(const char* file) {
  std::map<std::string, std::string> r;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t end = line.find(' ');
    const std::size_t reason = end == std::string::npos ? end : line.find_first_not_of(' ', end);
    r[line.substr(0, end)] = reason == std::string::npos ? "" : line.substr(reason);
  }
  return r;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string part = argc > 1 ? argv[1] : "";
  const bool show = part == "--uncovered";
  if (!fs::exists(data)) {
    std::printf("%s is missing: apt-get install libonnx-testdata\n", data.c_str());
    return 1;
  }
  const std::map<std::string, std::string> uncovered = read_list(TENON_SOURCE_DIR "/tests/onnx/uncovered.txt");
  std::vector<std::string> cases;
  for (const char* s : suites)
    for (const auto& e : fs::directory_iterator(data / s)) {
      const std::string id = fmt::format("{}/{}", s, e.path().filename().string());
      if (show || id.find(part) != std::string::npos) cases.push_back(id);
    }
  std::ranges::sort(cases);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  int passed = 0, listed = 0, failed = 0;
  auto work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < cases.size();) {
      const std::string& id = cases[i];
      std::string wrong, refused;
      try {
        wrong = run_case(data / id);
      } catch (const onnx_error& e) {
        refused = e.what();
      } catch (const load_error& e) {
        refused = e.what();
      } catch (const std::exception& e) {
        wrong = e.what();
      }
      const bool expected = uncovered.contains(id);
      const std::lock_guard lock(mutex);
      if (show) {
        if (!refused.empty()) std::printf("%s  %s\n", id.c_str(), refused.substr(refused.find('\n') + 1).c_str());
        if (!wrong.empty()) std::printf("%s  WRONG %s\n", id.c_str(), wrong.c_str());
      }
      if (wrong.empty() && refused.empty() && !expected) {
        ++passed;
      } else if (expected && !uncovered.at(id).empty() && !(wrong.empty() && refused.empty())) {
        ++listed;
      } else {
        ++failed;
        if (!show)
          std::printf("%s: %s\n", id.c_str(),
                      !wrong.empty()     ? wrong.c_str()
                      : !refused.empty() ? refused.c_str()
                                         : "passes, but stands in uncovered.txt");
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < std::max(1u, std::thread::hardware_concurrency()); ++t) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  if (part.empty())
    for (const auto& [id, reason] : uncovered)
      if (!std::ranges::binary_search(cases, id)) {
        std::printf("%s stands in uncovered.txt, and is no case\n", id.c_str());
        ++failed;
      }
  if (passed + listed == 0) ++failed;
  std::printf("%d passed, %d not covered (tests/onnx/uncovered.txt), %d failed\n", passed, listed, failed);
  return failed == 0 ? 0 : 1;
}
