#include "obtain_kernels.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "codegen/codegen.hpp"
#include "compile_claims.hpp"
#include "loop/passes.hpp"

namespace tenon {
namespace {

using namespace ir;

class obtainer {
 public:
  obtainer(const compile_settings& s, compile_report& r, stage_times& t) : settings_(s), report_(r), times_(t) {}

  // From the process, from disk, else compiled. What another thread compiles now is waited for, when all of our own is
  // done.
  void obtain(std::vector<wanted_kernel>& kernels) {
    std::vector<wanted_kernel*> open;
    for (wanted_kernel& w : kernels) open.push_back(&w);
    while (!open.empty()) {
      compile_claims claims;
      std::vector<wanted_kernel*> missing, others;
      for (wanted_kernel* w : open) {
        if (find_loaded(*w)) continue;
        if (!claims.take(w->key)) {
          others.push_back(w);
        } else if (find_loaded(*w)) {  // done between the look and the claim
        } else if (auto image = settings_.disk.find(w->key)) {
          w->code = runtime::load_image(*image);
          ++report_.disk_hits;
        } else {
          missing.push_back(w);
        }
      }
      if (!missing.empty()) compile_all(missing);
      claims.release();
      for (const wanted_kernel* w : others) compile_claims::wait(w->key);
      open = std::move(others);
    }
  }

 private:
  bool find_loaded(wanted_kernel& w) {
    if (!(w.code = runtime::find_loaded(w.key))) return false;
    ++report_.memory_hits;
    return true;
  }

  // In parallel.
  void compile_all(const std::vector<wanted_kernel*>& missing) {
    const codegen::generator& generator = codegen::llvm();
    const codegen::machine machine = generator.resolve(settings_.target.cpu);
    std::mutex failure_mutex;
    std::exception_ptr failure;
    std::atomic<std::size_t> next{0};
    auto work = [&] {
      for (std::size_t i; (i = next.fetch_add(1)) < missing.size();) try {
          compile_one(*missing[i], generator, machine);
        } catch (...) {
          const std::lock_guard lock(failure_mutex);
          failure = std::current_exception();
        }
    };
    const std::size_t helpers =
        std::min<std::size_t>(missing.size(), std::max(1u, std::thread::hardware_concurrency())) - 1;
    std::vector<std::thread> threads;
    try {
      for (std::size_t i = 0; i < helpers; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {  // no more threads to be had: those that there are do it
    }
    work();
    for (std::thread& t : threads) t.join();
    if (failure) std::rethrow_exception(failure);
    report_.compilations += static_cast<std::int64_t>(missing.size());
  }
  void compile_one(wanted_kernel& w, const codegen::generator& generator, const codegen::machine& machine) {
    using when = dump_words::when;
    dump_loops(w.k, when::before, "expand_math");
    {
      const timed t(times_, "expand_math");
      expand_math(w.k, machine.fma, machine.scales());
      verify(w.k);
    }
    dump_loops(w.k, when::after, "expand_math");
    for (const when at : {when::before, when::after})
      if (dumps().wants("llvm", at, w.k.name))
        dump_words::write("llvm", at, w.k.name, generator.llvm_ir(w.k, machine, at == when::after));
    if (dumps().wants("asm", when::after, w.k.name))
      dump_words::write("asm", when::after, w.k.name, generator.assembly(w.k, machine));
    codegen::compile_times spent;
    const runtime::image image = generator.compile(w.k, machine, w.key, &spent);
    times_.add("llvm", spent.code);
    times_.add("linking", spent.linking);
    {
      const timed t(times_, "disk cache");
      settings_.disk.store(image);
    }
    const timed t(times_, "loading");
    w.code = runtime::load_image(image);
  }
  const dump_words& dumps() const { return settings_.passes.dumps(); }
  void dump_loops(const kernel& k, dump_words::when at, std::string_view pass) const {
    if (dumps().wants("loop", at, pass)) dump_words::write("loop", at, pass, to_string(k));
  }

  const compile_settings& settings_;
  compile_report& report_;
  stage_times& times_;
};

}  // namespace

void obtain(std::vector<wanted_kernel>& kernels, const compile_settings& s, compile_report& r, stage_times& times) {
  obtainer(s, r, times).obtain(kernels);
}

}  // namespace tenon
