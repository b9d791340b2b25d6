// Another version of LLVM in the process, its symbols open to everybody, opened before ours and after: both live on.
#include <dlfcn.h>

#include <cstring>
#include <tenon/tenon.hpp>

#include "callable/children.hpp"

using namespace tenon;

namespace {

constexpr const char* others[] = {"libLLVM-14.so.1", "libLLVM-15.so.1", "libLLVM-16.so.1",
                                  "libLLVM-17.so.1", "libLLVM-18.so.1", "libLLVM.so.19.1"};

// LLVM's C interface, looked up in the library: it makes a context, a module in it, and prints that.
bool works(void* library) {
  const auto make_context = reinterpret_cast<void* (*)()>(::dlsym(library, "LLVMContextCreate"));
  const auto drop_context = reinterpret_cast<void (*)(void*)>(::dlsym(library, "LLVMContextDispose"));
  const auto make_module =
      reinterpret_cast<void* (*)(const char*, void*)>(::dlsym(library, "LLVMModuleCreateWithNameInContext"));
  const auto print = reinterpret_cast<char* (*)(void*)>(::dlsym(library, "LLVMPrintModuleToString"));
  const auto drop_text = reinterpret_cast<void (*)(char*)>(::dlsym(library, "LLVMDisposeMessage"));
  const auto drop_module = reinterpret_cast<void (*)(void*)>(::dlsym(library, "LLVMDisposeModule"));
  if (!make_context || !drop_context || !make_module || !print || !drop_text || !drop_module) return false;
  void* context = make_context();
  void* module = make_module("another", context);
  char* text = print(module);
  const bool good = std::strstr(text, "ModuleID = 'another'") != nullptr;
  drop_text(text);
  drop_module(module);
  drop_context(context);
  return good;
}

bool compiles_and_runs(float by) {
  const auto f = jit([by](tensor<f32, shape<dyn, 8>> x) { return matmul(tanh(x), transpose(x)) * by; },
                     {.target = "llvm", .cache = false});
  const auto g =
      jit([by](tensor<f32, shape<dyn, 8>> x) { return matmul(tanh(x), transpose(x)) * by; }, {.target = "native"});
  const array<f32> x = array<f32>::uniform({5, 8}, 1), y = f(x), z = g(x);
  bool good = f.stats().compilations > 0;
  for (int i = 0; i < 25; ++i) good = good && std::abs(y.data()[i] - z.data()[i]) < 1e-4f;
  return good;
}

int child(const std::string& order, const char* other) {
  test::checks check;
  if (order == "after") check(compiles_and_runs(2), "ours, alone");
  void* library = ::dlopen(other, RTLD_NOW | RTLD_GLOBAL);
  check(library != nullptr, "the other one opens");
  if (!library) return check.failed;
  check(works(library), "the other one, first");
  check(compiles_and_runs(3), "ours, with the other one");
  check(works(library), "the other one, with ours");
  check(compiles_and_runs(4), "ours, again");
  check(test::is_mapped("libtenon-llvm"), "ours is a library of its own");
  check(test::is_mapped("libLLVM"), "the other one is there");
  return check.failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return child(argv[1], argv[2]);
  test::checks check;
  int found = 0;
  for (const char* other : others) {
    void* library = ::dlopen(other, RTLD_LAZY | RTLD_LOCAL);  // only to see whether it is installed
    if (!library) continue;
    ::dlclose(library);
    ++found;
    for (const char* order : {"before", "after"}) {
      const test::ended e = test::run_again({order, other}, {});
      check(e.status == 0,
            std::string(other) + " " + order + " ours: status " + std::to_string(e.status) + "\n" + e.output);
      if (e.status == 0) std::printf("%s opened %s ours: both work\n", other, order);
    }
  }
  if (!found) std::printf("skipped: none of Debian's packages libllvm14, libllvm15, ... is installed\n");
  return check.failed;
}
