// Opens libtenon-llvm when code is first wanted.
#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <mutex>
#include <string_view>
#include <vector>

#include "codegen/plugin_abi.hpp"
#include "runtime/environment.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

constexpr const char* file_name = "libtenon-llvm.so";

struct opened {
  const generator* ready = nullptr;
  std::string problem;
};

std::vector<std::string> places() {
  // What the user names is what is opened, nothing else.
  if (const auto named = runtime::environment_text("TENON_LLVM_LIBRARY"); named && !named->empty())
    return {std::string(*named)};
  std::vector<std::string> r;
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&places), &here) && here.dli_fname) {
    std::error_code ignored;
    const auto beside = std::filesystem::path(here.dli_fname).parent_path() / file_name;
    if (std::filesystem::exists(beside, ignored)) r.push_back(beside.string());
  }
  r.emplace_back(file_name);
  return r;
}

opened open_library() {
  opened result;
  for (const std::string& path : places()) {
    const auto failed = [&](std::string_view why) {
      if (why.starts_with(path + ": ")) why.remove_prefix(path.size() + 2);  // the system's words may begin with it
      result.problem += fmt::format("{}{}: {}", result.problem.empty() ? "" : "; ", path, why);
    };
    // Hidden from the rest of the process: another LLVM may live there.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* why = dlerror();
      failed(why ? why : "cannot be opened");
      continue;
    }
    const auto* plugin = static_cast<const llvm_plugin*>(dlsym(library, llvm_plugin_symbol));
    if (!plugin) {
      failed(fmt::format("has no {}", llvm_plugin_symbol));
    } else if (plugin->abi != llvm_plugin_abi) {
      failed(fmt::format("is of another version (interface {}, wanted {})", plugin->abi, llvm_plugin_abi));
    } else {
      try {
        result.ready = &plugin->get();
        return result;
      } catch (const error& e) {
        failed(e.what());
      }
    }
  }
  result.problem = "llvm: the code generator cannot be opened: " + result.problem;
  return result;
}

/// One attempt that succeeds lasts; one that fails is made again, since the user may have set the variable meanwhile.
opened find() {
  static std::mutex mutex;
  static const generator* ready = nullptr;
  std::lock_guard lock(mutex);
  if (ready) return {ready, {}};
  opened o = open_library();
  ready = o.ready;
  return o;
}

}  // namespace

const generator& llvm() {
  const opened o = find();
  if (!o.ready) throw target_error(o.problem);
  return *o.ready;
}

bool llvm_available(std::string* why) {
  opened o = find();
  if (why) *why = std::move(o.problem);
  return o.ready != nullptr;
}

}  // namespace tenon::codegen
