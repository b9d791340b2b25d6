// `compute` without a compiler: its expression as a tape of scalar operations, run for each element.
#include <cstring>
#include <unordered_map>

#include "dsl/body.hpp"
#include "loop/evaluate.hpp"
#include "loop/lower_context.hpp"

namespace tenon::ir {
namespace {

std::int64_t read_bits(const native_operand& o, extent_t offset) {
  const auto size = static_cast<std::size_t>(size_of(o.type));
  std::int64_t bits = 0;
  std::memcpy(&bits, static_cast<const std::byte*>(o.data) + offset * static_cast<extent_t>(size), size);
  return canonical_bits(o.type, bits);
}

struct block;
struct instruction {
  expr_ref e = nullptr;
  std::size_t result = 0;       ///< register
  std::vector<std::size_t> in;  ///< registers
  std::shared_ptr<block> body;  ///< of a reduction
};
/// What runs once for each element, or for each step of a reduction.
struct block {
  std::vector<instruction> code;
  std::vector<std::size_t> loops, extents;  ///< registers
  std::size_t value = 0;
};

class tape {
 public:
  tape(const native_call& call, expr_ref root, std::span<const expr_ref> variables) : call_(call) {
    for (expr_ref v : variables) (void)new_register(v);
    frames_.emplace_back();
    main_.value = compile(root, main_);
  }
  std::int64_t run(const extent_t* at, int rank) {
    for (int i = 0; i < rank; ++i) registers_[static_cast<std::size_t>(i)] = at[i];
    run(main_);
    return registers_[main_.value];
  }

 private:
  // The registers that an expression has inside the block being compiled; outer blocks' are visible.
  std::size_t new_register(expr_ref e) {
    if (frames_.empty()) frames_.emplace_back();
    registers_.push_back(0);
    return frames_.back()[e] = registers_.size() - 1;
  }
  const std::size_t* find(expr_ref e) const {
    for (auto f = frames_.rbegin(); f != frames_.rend(); ++f)
      if (auto it = f->find(e); it != f->end()) return &it->second;
    return nullptr;
  }
  std::size_t compile(expr_ref e, block& to) {
    if (const std::size_t* known = find(e)) return *known;
    instruction x;
    x.e = e;
    if (e->is(expr_kind::constant)) {
      const std::size_t r = new_register(e);
      registers_[r] = e->payload;
      return r;
    }
    if (e->is(expr_kind::reduce)) {
      x.body = std::make_shared<block>();
      for (int i = 0; i < e->loops(); ++i) x.body->extents.push_back(compile(e->loop_extent(i), to));
      frames_.emplace_back();
      for (int i = 0; i < e->loops(); ++i) x.body->loops.push_back(new_register(e->loop_variable(i)));
      x.body->value = compile(e->body(), *x.body);
      frames_.pop_back();
    } else {
      for (expr_ref o : e->operands) x.in.push_back(compile(o, to));
    }
    x.result = new_register(e);
    const std::size_t r = x.result;
    to.code.push_back(std::move(x));
    return r;
  }

  void run(const block& b) {
    std::int64_t in[3];
    for (const instruction& x : b.code) {
      std::int64_t& r = registers_[x.result];
      if (x.e->is(expr_kind::reduce)) {
        r = reduce(x);
      } else if (x.e->is(expr_kind::load)) {
        const native_operand& o = call_.in[x.e->payload];
        extent_t offset = 0;
        const bool on = registers_[x.in.back()] != 0;
        for (std::size_t d = 0; d + 1 < x.in.size(); ++d) offset += registers_[x.in[d]] * o.strides[d];
        r = on ? read_bits(o, offset) : 0;
      } else {
        for (std::size_t i = 0; i < x.in.size(); ++i) in[i] = registers_[x.in[i]];
        r = evaluate(x.e->op, x.e->type, x.e->operands.back()->type, {in, x.in.size()});
      }
    }
  }
  std::int64_t reduce(const instruction& x) {
    const block& b = *x.body;
    std::int64_t total = identity(x.e->reducer(), x.e->type);
    for (std::size_t e : b.extents)
      if (registers_[e] == 0) return total;
    for (std::size_t v : b.loops) registers_[v] = 0;
    while (true) {
      run(b);
      total = combine(x.e->reducer(), x.e->type, total, registers_[b.value]);
      std::size_t d = b.loops.size();
      while (d > 0 && ++registers_[b.loops[d - 1]] == registers_[b.extents[d - 1]]) registers_[b.loops[--d]] = 0;
      if (d == 0) return total;
    }
  }

  const native_call& call_;
  std::vector<std::int64_t> registers_;
  std::vector<std::unordered_map<expr_ref, std::size_t>> frames_;
  block main_;
};

lower_operand described(expr_arena& arena, const native_operand& o, std::int64_t k) {
  lower_operand r{o.type, {}, o.shape, {}};
  for (int d = 0; d < o.shape.rank; ++d) r.extents.push_back(arena.index(o.shape[d]));
  r.read = [&arena, k, t = o.type](std::span<const expr_ref> at, expr_ref mask) { return arena.load(t, k, at, mask); };
  return r;
}

}  // namespace

void run_compute(const native_call& call) {
  const native_operand& out = call.out[0];
  for (int d = 0; d < out.shape.rank; ++d)
    if (out.shape[d] == 0) return;
  expr_arena arena;
  std::vector<lower_operand> in;
  for (int k = 0; k < call.inputs; ++k) in.push_back(described(arena, call.in[k], k));
  lower_context context(arena, std::move(in), {described(arena, out, call.inputs)}, 0, arena.boolean(true));
  std::vector<expr_ref> at;
  for (int d = 0; d < out.shape.rank; ++d) at.push_back(arena.fresh_variable());
  const expr_ref value = arena.cast(out.type, lower_compute(context, call.attrs, at));
  tape t(call, value, at);

  extent_t index[dims::max_rank]{};
  const auto size = static_cast<std::size_t>(size_of(out.type));
  while (true) {
    const std::int64_t bits = t.run(index, out.shape.rank);
    extent_t offset = 0;
    for (int d = 0; d < out.shape.rank; ++d) offset += index[d] * out.strides[d];
    std::memcpy(static_cast<std::byte*>(out.data) + offset * static_cast<extent_t>(size), &bits, size);
    int d = out.shape.rank;
    while (d > 0 && ++index[d - 1] == out.shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace tenon::ir
