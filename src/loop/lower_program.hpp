// The symbolic builder of an operator's `program`: what it says becomes statements of the loop IR.
#pragma once
#include "loop/kernel.hpp"
#include "loop/lower_context.hpp"

namespace tenon::ir {

class lower_program : public lower_context {
 public:
  /// A local variable of the program.
  class variable {
   public:
    sym get() const;
    void set(sym) const;

   private:
    friend lower_program;
    variable(lower_program* p, std::int64_t buffer) : program_(p), buffer_(buffer) {}
    lower_program* program_;
    std::int64_t buffer_;
  };

  /// `out_buffers`: the kernel's buffers that hold the results.
  lower_program(kernel& k, std::vector<lower_operand> in, std::vector<lower_operand> out, int main_operand,
                std::vector<std::int64_t> out_buffers);

  void outer(const indices& extents, const std::function<void(const indices&)>& f);
  void loop(sym begin, sym end, const std::function<void(sym)>& f);
  void lanes(sym begin, sym end, const std::function<void(sym)>& f);
  void branch(sym condition, const std::function<void()>& then, const std::function<void()>& otherwise = {});
  variable local(sym value);
  variable local_index(sym value) { return local(value); }
  void store(int result, const indices& i, sym value);
  sym load_result(int result, const indices& i);
  /// Of a result of integers, as an index.
  sym load_result_index(int result, const indices& i) { return load_result(result, i); }
  /// All statements made so far.
  stmt_ref finish();

 private:
  sym now(dtype, std::int64_t buffer, std::span<const expr_ref> at);
  void add_loop(sym begin, sym end, loop_kind, int width, const std::function<void(sym)>& f);
  void add(stmt_ref s) { open_.back().push_back(std::move(s)); }
  kernel& kernel_;
  std::vector<std::int64_t> out_buffers_;
  std::vector<std::vector<stmt_ref>> open_{1};  // blocks under construction, innermost last
};

}  // namespace tenon::ir
