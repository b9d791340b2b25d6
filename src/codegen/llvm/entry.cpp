// The one thing that libtenon-llvm shows: a generator.
#include <elf.h>
#include <fmt/format.h>
#include <link.h>
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

#include <map>
#include <mutex>

#include "codegen/llvm/emitter.hpp"
#include "codegen/llvm/legality.hpp"
#include "codegen/llvm/link.hpp"
#include "codegen/llvm/machine.hpp"
#include "codegen/llvm/pipeline.hpp"
#include "codegen/plugin_abi.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

/// LLVM would end the process after this; instead our caller gets an error. Its frames have no destructors to run, so what
/// it was working on is abandoned, not destroyed (see `work`).
[[noreturn]] void fatal(void*, const char* reason, bool) {
  throw compile_error(fmt::format("llvm gave up: {}", reason));
}

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
 public:
  llvm_generator() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    llvm::install_fatal_error_handler(fatal);
    identity_ = fmt::format("llvm {} build {}", LLVM_VERSION_STRING, build_id());
  }
  std::string identity() const override { return identity_; }
  machine resolve(std::string_view cpu) const override { return resolve_machine(cpu); }

  runtime::image compile(const ir::kernel& k, const machine& m, const detail::hash128& key) const override {
    return with_module(k, m, [&](work& w) {
      run_passes(w.module, *w.target);
      check_legal(w.module, m, k.name);
      llvm::orc::SimpleCompiler compiler(*w.target);
      auto object = compiler(w.module);
      if (!object)
        throw compile_error(fmt::format("code generation of {}: {}", k.name, llvm::toString(object.takeError())));
      if (!w.errors.empty()) throw compile_error(fmt::format("code generation of {}: {}", k.name, w.errors));
      const auto bytes = std::as_bytes(std::span((*object)->getBufferStart(), (*object)->getBufferSize()));
      runtime::image image = link_object(bytes, kernel_symbol, k.name);
      image.key = key;
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
  template <class F>
  auto with_module(const ir::kernel& k, const machine& m, F f) const {
    const std::string text = m.text();
    auto w = std::make_unique<work>(take(m, text));
    try {
      emitter(w->module, k, m).run();
      auto result = f(*w);
      give(text, std::move(w->target));
      return result;
    } catch (const error&) {
      static_cast<void>(w.release());
      throw;
    }
  }
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

  /// The linker's build id of this library: two builds of it never share kernels.
  static std::string build_id() {
    std::string id;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* out) {
          const auto here = reinterpret_cast<std::uintptr_t>(&fatal);
          bool ours = false;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& p = info->dlpi_phdr[i];
            ours = ours || (p.p_type == PT_LOAD && here - info->dlpi_addr - p.p_vaddr < p.p_memsz);
          }
          if (!ours) return 0;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& p = info->dlpi_phdr[i];
            if (p.p_type != PT_NOTE) continue;
            const auto* at = reinterpret_cast<const unsigned char*>(info->dlpi_addr + p.p_vaddr);
            const auto* end = at + p.p_memsz;
            while (at + sizeof(Elf64_Nhdr) <= end) {
              Elf64_Nhdr note;
              std::memcpy(&note, at, sizeof note);
              const unsigned char* name = at + sizeof note;
              const unsigned char* bytes = name + (note.n_namesz + 3) / 4 * 4;
              if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
                for (unsigned k = 0; k < note.n_descsz; ++k)
                  *static_cast<std::string*>(out) += fmt::format("{:02x}", bytes[k]);
              at = bytes + (note.n_descsz + 3) / 4 * 4;
            }
          }
          return 1;
        },
        &id);
    return id.empty() ? "unknown" : id;
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
