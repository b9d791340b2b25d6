// What the environment says and the machine lacks: absurd values and a missing code generator are errors with the
// values where they are first needed; the process goes on, and a value that is put right is taken.
#include <cstdlib>
#include <tenon/tenon.hpp>

#include "callable/children.hpp"

using namespace tenon;
using tenon::test::run_again;

namespace {

constexpr extent_t rows = 512, columns = 1024;
auto heavy(const char* target) {
  return jit([](tensor<f32, shape<dyn, columns>> x) { return sum.with<{.axes = {-1}}>(exp(x)); }, {.target = target});
}

template <class E>
void print_error(const char* type, const E& e) {
  std::printf("%s: %s\n", type, e.what());
}
// Makes the callable and calls it; prints the error's type and text, or "fine".
void try_call(const char* target) {
  try {
    const auto f = heavy(target);
    const array<f32> x = array<f32>::uniform({rows, columns}, 1);
    array<f32> r = array<f32>::full({rows}, -77.0f);
    try {
      f.into(r, x);
    } catch (...) {
      for (float e : r)
        if (e != -77.0f) std::printf("a result was touched\n");
      throw;
    }
    std::printf("fine\n");
  } catch (const argument_error& e) {
    print_error("argument_error", e);
  } catch (const target_error& e) {
    print_error("target_error", e);
  } catch (const std::exception& e) {
    print_error("another error", e);
  }
}

int child(const std::string& target, const std::string& variable) {
  try_call(target.c_str());
  ::unsetenv(variable.c_str());
  try_call(target.c_str());  // put right
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return child(argv[1], argv[2]);
  test::checks check;
  auto expect = [&](const char* target, const char* name, const char* value, const std::string& text) {
    const test::ended e =
        run_again({target, name}, {{"TENON_CACHE_DIR", "off"}, {"TENON_NUM_THREADS", "2"}, {name, value}});
    check.equal(e.output, text + "fine\n", std::string(target) + " with " + name + "=" + value);
    check(e.status == 0, std::string(name) + "=" + value + ": status " + std::to_string(e.status));
  };
  const std::string threads = ": expected an integer from 1 to 1024\n";
  for (const char* value : {"0", "-1", "many", "99999999999999999999", "2.5", "1025", " 2"})
    expect("llvm", "TENON_NUM_THREADS", value,
           "argument_error: environment variable TENON_NUM_THREADS='" + std::string(value) + "'" + threads);
  expect("llvm", "TENON_SPIN_US", "soon",
         "argument_error: environment variable TENON_SPIN_US='soon': expected an integer from 0 to 1000000\n");
  const std::string bytes = ": expected bytes: an integer from 0, optionally with K, M, G or T\n";
  for (const char* target : {"llvm", "native"})
    for (const char* value : {"-5", "99999999999T", "big", "5X"})
      expect(target, "TENON_CACHE_SIZE", value,
             "argument_error: environment variable TENON_CACHE_SIZE='" + std::string(value) + "'" + bytes);
  expect("llvm", "TENON_PERF", "perhaps",
         "argument_error: environment variable TENON_PERF='perhaps': expected 1, on, yes, true or 0, off, no, false\n");
  expect("llvm", "TENON_LLVM_LIBRARY", "/nonexistent",
         "target_error: llvm: the code generator cannot be opened: /nonexistent: cannot open shared object "
         "file: No such file or directory\n");
  expect("llvm", "TENON_LLVM_LIBRARY", "libz.so.1",
         "target_error: llvm: the code generator cannot be opened: libz.so.1: has no tenon_llvm_generator\n");
  expect("native", "TENON_LLVM_LIBRARY", "/nonexistent", "fine\n");
  std::printf("environment: %s\n",
              check.failed ? "failed" : "every value is refused with its text, and the next one is taken");
  return check.failed;
}
