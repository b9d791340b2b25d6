// The one thing that libtenon-llvm shows: a generator.
#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include <chrono>
#include <map>
#include <mutex>

#include "codegen/llvm/build_id.hpp"
#include "codegen/llvm/emitter.hpp"
#include "codegen/llvm/legality.hpp"
#include "codegen/llvm/link.hpp"
#include "codegen/llvm/machine.hpp"
#include "codegen/llvm/pipeline.hpp"
#include "codegen/plugin_abi.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

/// LLVM would end the process after this; instead our caller gets an error. Its frames have no destructors to run, so
/// what it was working on is abandoned, not destroyed (see `work`).
struct gave_up : compile_error {
  using compile_error::compile_error;
};
[[noreturn]] void fatal(void*, const char* reason, bool) { throw gave_up(fmt::format("llvm gave up: {}", reason)); }

struct diagnostics : llvm::DiagnosticHandler {
  std::string* errors;
  explicit diagnostics(std::string* e) : errors(e) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() != llvm::DS_Error) return true;
    llvm::raw_string_ostream out(*errors);
    llvm::DiagnosticPrinterRawOStream printer(out);
    info.print(printer);
    return true;  // handled: LLVM must not exit
  }
};

/// Everything of one compilation. After a fatal error it is left as it is: destroying what LLVM was in the middle of
/// could end the process after all.
struct work {
  std::string errors;
  llvm::LLVMContext context;
  llvm::Module module;
  std::unique_ptr<llvm::TargetMachine> target;
  explicit work(std::unique_ptr<llvm::TargetMachine> t) : module("kernel", context), target(std::move(t)) {
    context.setDiagnosticHandler(std::make_unique<diagnostics>(&errors));
    module.setDataLayout(target->createDataLayout());
    module.setTargetTriple(target->getTargetTriple().str());
  }
};

class llvm_generator final : public generator {
  /// Emits the kernel and calls `f` with the result.
  template <class F>
  auto with_module(const ir::kernel& k, const machine& m, F f) const {
    const std::string text = m.text();
    auto w = std::make_unique<work>(take(m, text));
    try {
      emitter(w->module, k, m).run();
      auto result = f(*w);
      give(text, std::move(w->target));
      return result;
    } catch (const gave_up&) {
      static_cast<void>(w.release());
      throw;
    }
  }

 public:
  llvm_generator() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    llvm::install_fatal_error_handler(fatal);
    // Loop strength reduction rewrites the few row pointers of a tile into long chains that spill. Options are global
    // in LLVM, but this is our own copy of it.
    const char* options[] = {"tenon", "-disable-lsr"};
    llvm::cl::ParseCommandLineOptions(2, options, "", &llvm::errs());
    identity_ = fmt::format("llvm {} build {}", LLVM_VERSION_STRING, build_id());
  }
  std::string identity() const override { return identity_; }
  machine resolve(std::string_view cpu) const override { return resolve_machine(cpu); }

  runtime::image compile(const ir::kernel& k, const machine& m, const detail::hash128& key,
                         compile_times* spent) const override {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    return with_module(k, m, [&](work& w) {
      run_passes(w.module, *w.target);
      check_legal(w.module, m, k.name);
      llvm::orc::SimpleCompiler compiler(*w.target);
      auto object = compiler(w.module);
      if (!object)
        throw compile_error(fmt::format("code generation of {}: {}", k.name, llvm::toString(object.takeError())));
      if (!w.errors.empty()) throw compile_error(fmt::format("code generation of {}: {}", k.name, w.errors));
      const auto bytes = std::as_bytes(std::span((*object)->getBufferStart(), (*object)->getBufferSize()));
      const auto linking = clock::now();
      runtime::image image = link_object(bytes, kernel_symbol, k.name);
      image.key = key;
      if (spent) {
        spent->code = std::chrono::duration<double>(linking - start).count();
        spent->linking = std::chrono::duration<double>(clock::now() - linking).count();
      }
      return image;
    });
  }

  std::string llvm_ir(const ir::kernel& k, const machine& m, bool optimized) const override {
    return with_module(k, m, [&](work& w) {
      if (optimized) run_passes(w.module, *w.target);
      std::string text;
      llvm::raw_string_ostream out(text);
      w.module.print(out, nullptr);
      return text;
    });
  }

  std::string assembly(const ir::kernel& k, const machine& m) const override {
    return with_module(k, m, [&](work& w) {
      run_passes(w.module, *w.target);
      check_legal(w.module, m, k.name);
      llvm::SmallString<4096> text;
      llvm::raw_svector_ostream out(text);
      llvm::legacy::PassManager passes;
      if (w.target->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
        throw compile_error("code generation: this LLVM prints no assembly");
      passes.run(w.module);
      return text.str().str();
    });
  }

 private:
  /// Target machines are costly to make and serve one thread at a time.
  std::unique_ptr<llvm::TargetMachine> take(const machine& m, const std::string& text) const {
    {
      std::lock_guard lock(mutex_);
      auto& idle = idle_[text];
      if (!idle.empty()) {
        auto t = std::move(idle.back());
        idle.pop_back();
        return t;
      }
    }
    return make_target_machine(m);
  }
  void give(const std::string& text, std::unique_ptr<llvm::TargetMachine> t) const {
    std::lock_guard lock(mutex_);
    auto& idle = idle_[text];
    if (idle.size() < 8) idle.push_back(std::move(t));
  }

  std::string identity_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<std::unique_ptr<llvm::TargetMachine>>> idle_;
};

/// Never destroyed: nothing of it may run when the process ends or threads still compile.
const generator& the_generator() {
  static const auto* g = new llvm_generator;
  return *g;
}

}  // namespace
}  // namespace tenon::codegen

extern "C" __attribute__((visibility("default"))) const tenon::codegen::llvm_plugin tenon_llvm_generator = {
    tenon::codegen::llvm_plugin_abi, &tenon::codegen::the_generator};
