// The tile contraction: accumulators are SSA values from here to the end of every loop, B is loaded once a step, A
// comes as broadcasts from few row pointers, masks touch loads and stores of the last columns only.
//
// Where the last axis of the reduction is a group of 4 bytes or 2 bf16 that lie side by side in A and, column by
// column, in B, a step is one dot product of groups: A broadcasts a group, a vector of B holds one of each column.
#include <bit>
#include <cstddef>
#include <optional>

#include "codegen/llvm/dot_product.hpp"
#include "codegen/llvm/emitter.hpp"
#include "tenon/schedule/tile_function.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;

namespace {
/// Products that must be under way to hide the latency of a fused multiply-add on two ports.
constexpr int chains_wanted = 8;
/// Rows that one address register serves: [p], [p + stride], [p + 2 stride].
constexpr int rows_per_pointer = 3;
}  // namespace

class contraction_emitter {
 public:
  contraction_emitter(emitter& e, const ir::contraction& c);
  void run();

 private:
  using value = llvm::Value*;
  using values = std::vector<value>;
  using access = emitter::access;
  /// How A or B is addressed in the innermost loop.
  struct addressing {
    bool stepped = false;      ///< pointers that advance by `step` bytes
    bool rows_affine = false;  ///< A: rows are `row_step` bytes apart; else one pointer a row
    value step = nullptr, row_step = nullptr, row_step_twice = nullptr;
    values pointers;
    value ahead = nullptr;  ///< B: bytes from what a step reads to what it asks for
  };
  struct operand {
    expr_ref expression, load;
    access where() const { return {load->payload, load->indices()}; }
  };

  operand find_operand(expr_ref, const char* which) const;
  void tile(int vectors, values masks, int unroll);
  values by_function();
  value trips(expr_ref extent);
  values reduce(std::size_t level, values accumulators);
  values innermost(values accumulators);
  values one_step(const values& accumulators, int set, value index, const addressing& a, const values& pa,
                  const addressing& b, value pb);
  addressing address_a(expr_ref axis);
  addressing address_b(expr_ref axis);
  value offset_at(const access&, std::initializer_list<std::pair<expr_ref, std::int64_t>>);
  bool find_groups();
  bool finds_asking_ahead() const;
  const ir::contraction::axis& inner_axis() const { return c_.reduction[axes_ - 1]; }
  value convert(value v, expr_ref from) { return e_.a_->cast(v, from->type, type_); }
  value row_value(int row, const addressing&, const values& pointers);
  values column_values(const addressing&, value pointer);
  void ask_ahead(value pointer);
  value advanced(value p, value step, int times);
  void epilogue(expr_ref result, const values& accumulators, const values& masks);
  void store_tile(const ir::contraction::result&, const values& accumulators, const values& masks);
  template <class F>
  values carried(value begin, value end, std::int64_t step, bool known_to_run, values state, F body);
  value& at(values& all, int set, int row, int vector) const {
    return all[static_cast<std::size_t>((set * rows_ + row) * vectors_ + vector)];
  }

  emitter& e_;
  llvm::IRBuilder<>& b_;
  const ir::contraction& c_;
  const dtype type_;
  const operand operand_a_, operand_b_;
  std::optional<dot_product> dot_;  // a step sums groups
  std::size_t axes_ = 0;            // of the reduction that are loops: all but a group's
  bool asks_ahead_in_b_ = false;
  int width_ = 0, rows_ = 0, vectors_ = 0, sets_ = 1, unroll_ = 1;
  values masks_;
  emitter::lane_context lanes_;
};

void emitter::emit(const ir::contraction& c) {
  if (lanes_) fail("a contraction inside a vectorized loop");
  contraction_emitter(*this, c).run();
}

contraction_emitter::contraction_emitter(emitter& e, const ir::contraction& c)
    : e_(e),
      b_(e.b_),
      c_(c),
      type_(c.accumulator->type),
      operand_a_(find_operand(c.a, "a")),
      operand_b_(find_operand(c.b, "b")) {
  const int natural = e.machine_.vector_bits / (8 * size_of(type_));
  if (find_groups()) dot_.emplace(e.b_, e.machine_, operand_a_.load->type, operand_b_.load->type);
  axes_ = c.reduction.size() - (dot_ ? 1 : 0);
  // Instructions for groups take 128 bits and more.
  const int least = dot_ ? 4 : 2;
  width_ = std::min(natural, std::max(least, static_cast<int>(std::bit_ceil(static_cast<unsigned>(c.tile_columns)))));
  rows_ = c.tile_rows + (dot_ && dot_->excess() ? 1 : 0);
  lanes_.variable = c.column;
  lanes_.width = width_;
  asks_ahead_in_b_ = finds_asking_ahead();
}

/// Whether what a step asks for lies at one distance from what it reads.
bool contraction_emitter::finds_asking_ahead() const {
  if (!c_.prefetch || c_.prefetch->payload != operand_b_.load->payload) return false;
  const expr_ref step[] = {inner_axis().variable};
  const auto later = c_.prefetch->indices(), now = operand_b_.load->indices();
  ir::expr_arena& a = *e_.kernel_.arena;
  for (std::size_t i = 0; i < now.size(); ++i)
    if (const ir::affine_form f = ir::affine(a, a.sub(later[i], now[i]), step);
        !f.ok || !f.coefficients[0]->is_constant(0))
      return false;
  return true;
}

/// Whether the last axis of the reduction is a group that a dot product sums.
bool contraction_emitter::find_groups() {
  if (c_.reduction.size() < 2) return false;
  const auto& [group, extent] = c_.reduction.back();
  const expr_ref step = c_.reduction[c_.reduction.size() - 2].variable;
  const access a = operand_a_.where(), b = operand_b_.where();
  const dtype type_a = operand_a_.load->type, type_b = operand_b_.load->type;
  const int size = dot_product::group(type_a, type_b, type_);
  if (!size || !extent->is_constant(size)) return false;
  if (operand_a_.expression->operands[0] != operand_a_.load || operand_b_.expression->operands[0] != operand_b_.load)
    return false;
  const expr_ref row_step[] = {c_.row, step}, column_step[] = {c_.column, step};
  return operand_a_.load->mask()->is_true() && operand_b_.load->mask()->is_true() && e_.step(a, group) == 1 &&
         e_.step(b, group) == 1 && e_.step(b, c_.column) == size && e_.affine(a, row_step) && e_.affine(b, column_step);
}

contraction_emitter::operand contraction_emitter::find_operand(expr_ref x, const char* which) const {
  expr_ref load = x;
  while (load->is(ir::prim::cast)) load = load->operands[0];
  if (!load->is(expr_kind::load))
    e_.fail(std::string("operand ") + which + " of a contraction is no load: " + ir::to_string(x));
  return {x, load};
}

void contraction_emitter::run() {
  const auto static_masks = [&](int columns) {
    values masks(static_cast<std::size_t>((columns + width_ - 1) / width_));
    if (columns % width_) masks.back() = e_.tail_mask(e_.index_number(columns % width_), width_);
    return masks;
  };
  const auto unroll_of = [&](int vectors) {
    const int products = c_.tile_rows * vectors;
    return products >= 16 ? 1 : products >= 6 ? 2 : 4;
  };
  const int whole = (c_.tile_columns + width_ - 1) / width_;
  if (c_.columns->is(expr_kind::constant)) {
    const int n = static_cast<int>(std::clamp<std::int64_t>(c_.columns->payload, 0, c_.tile_columns));
    const int vectors = (n + width_ - 1) / width_;
    if (n > 0) tile(vectors, static_masks(n), unroll_of(vectors));
    return;
  }
  value columns;
  {
    emitter::statement s(e_);
    columns = e_.scalar(c_.columns);
  }
  auto* full = llvm::BasicBlock::Create(e_.context_, "full", e_.function_);
  auto* part = llvm::BasicBlock::Create(e_.context_, "part", e_.function_);
  auto* after = llvm::BasicBlock::Create(e_.context_, "after", e_.function_);
  b_.CreateCondBr(b_.CreateICmpSGE(columns, e_.index_number(c_.tile_columns)), full, part);
  b_.SetInsertPoint(full);
  tile(whole, static_masks(c_.tile_columns), unroll_of(whole));
  b_.CreateBr(after);
  b_.SetInsertPoint(part);
  values masks;
  for (int j = 0; j < whole; ++j) {
    value left = b_.CreateNSWSub(columns, e_.index_number(static_cast<std::int64_t>(j) * width_));
    left = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, left, e_.index_number(0));
    left = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, left, e_.index_number(width_));
    masks.push_back(e_.tail_mask(left, width_));
  }
  tile(whole, masks, 1);
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void contraction_emitter::tile(int vectors, values masks, int unroll) {
  emitter::region r(e_);
  vectors_ = vectors;
  masks_ = std::move(masks);
  unroll_ = unroll;
  // Few chains wait for their own latency: the sum is split over several sets, by the tile's size alone (so that tail
  // and full columns round alike).
  const int chains = c_.tile_rows * ((c_.tile_columns + width_ - 1) / width_);
  const bool deep = axes_ && !(inner_axis().extent->is(expr_kind::constant) && inner_axis().extent->payload < 16);
  sets_ = !deep || chains >= chains_wanted ? 1 : 2 * chains >= chains_wanted ? 2 : 4;
  // Which step adds to which set depends on the unrolling: one and the same for full and for masked columns.
  if (sets_ > 1) unroll_ = 4;
  const values zero(static_cast<std::size_t>(sets_ * rows_ * vectors_), e_.a_->constant(type_, 0, width_));
  values sums;
  if (c_.function) {
    sets_ = 1;
    sums = by_function();
  } else if (dot_) {
    emitter::binding first(e_, c_.reduction.back().variable, e_.index_number(0));
    sums = reduce(0, zero);
  } else {
    sums = reduce(0, zero);
  }
  for (int n = sets_; n > 1; n /= 2)
    for (int s = 0; s < n / 2; ++s)
      for (int i = 0; i < rows_; ++i)
        for (int j = 0; j < vectors_; ++j)
          at(sums, s, i, j) = e_.a_->combine(ir::reducer::sum, type_, at(sums, 2 * s, i, j), at(sums, 2 * s + 1, i, j));
  for (int i = 0; i < c_.tile_rows && rows_ > c_.tile_rows; ++i)
    for (int j = 0; j < vectors_; ++j)
      at(sums, 0, i, j) = b_.CreateSub(at(sums, 0, i, j), at(sums, 0, c_.tile_rows, j));
  for (const ir::contraction::result& r : c_.also) store_tile(r, sums, masks_);
  epilogue(c_.value, sums, masks_);
}

/// The sums as the user's function leaves them.
contraction_emitter::values contraction_emitter::by_function() {
  const access a = operand_a_.where(), b = operand_b_.where();
  const expr_ref step = inner_axis().variable;
  const int pitch = vectors_ * width_;
  value sums = e_.entry_slot(e_.a_->memory_type(type_), static_cast<std::int64_t>(c_.tile_rows) * pitch, "sums");
  value call = e_.entry_slot(b_.getInt64Ty(), sizeof(tile_call) / sizeof(std::int64_t), "call");
  value function;
  {
    emitter::statement s(e_);
    function = e_.scalar(c_.function);
  }
  value columns = trips(c_.columns);
  const value depth = trips(inner_axis().extent);
  columns = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, columns, e_.index_number(c_.tile_columns));
  const auto stride = [&](const access& of, expr_ref along, expr_ref other) {
    return b_.CreateNSWSub(offset_at(of, {{along, 1}, {other, 0}}), offset_at(of, {{along, 0}, {other, 0}}));
  };
  const value fields[] = {e_.pointer(a.buffer, offset_at(a, {{c_.row, 0}, {step, 0}})),
                          e_.pointer(b.buffer, offset_at(b, {{c_.column, 0}, {step, 0}})),
                          sums,
                          e_.index_number(c_.tile_rows),
                          columns,
                          depth,
                          stride(a, c_.row, step),
                          stride(a, step, c_.row),
                          stride(b, step, c_.column),
                          e_.index_number(pitch)};
  static_assert(sizeof(tile_call) == std::size(fields) * sizeof(std::int64_t) && offsetof(tile_call, sums_row) == 72);
  for (std::size_t i = 0; i < std::size(fields); ++i)
    b_.CreateAlignedStore(fields[i], b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), call, i), llvm::Align(8));
  auto* signature = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy()}, false);
  b_.CreateCall(signature, b_.CreateIntToPtr(function, b_.getPtrTy()), {call})->setDoesNotThrow();
  values r;
  for (int i = 0; i < rows_; ++i)
    for (int j = 0; j < vectors_; ++j) {
      value p = b_.CreateConstInBoundsGEP1_64(e_.a_->memory_type(type_), sums,
                                              static_cast<std::uint64_t>(i * pitch + j * width_));
      r.push_back(b_.CreateAlignedLoad(e_.a_->memory_type(type_, width_), p, llvm::Align(size_of(type_))));
    }
  return r;
}

/// for i in [begin, end) by `step`, with values that go around; returns them as they are after the loop.
template <class F>
contraction_emitter::values contraction_emitter::carried(value begin, value end, std::int64_t step, bool known_to_run,
                                                         values state, F body) {
  auto& context = e_.context_;
  auto* before = b_.GetInsertBlock();
  auto* head = llvm::BasicBlock::Create(context, "reduce", e_.function_);
  auto* done = llvm::BasicBlock::Create(context, "reduced", e_.function_);
  if (known_to_run)
    b_.CreateBr(head);
  else
    b_.CreateCondBr(b_.CreateICmpSLT(begin, end), head, done);
  b_.SetInsertPoint(head);
  auto* i = b_.CreatePHI(b_.getInt64Ty(), 2, "r");
  i->addIncoming(begin, before);
  std::vector<llvm::PHINode*> around;
  values inside;
  for (value v : state) {
    around.push_back(b_.CreatePHI(v->getType(), 2));
    around.back()->addIncoming(v, before);
    inside.push_back(around.back());
  }
  {
    emitter::region r(e_);
    inside = body(static_cast<value>(i), std::move(inside));
  }
  value next = b_.CreateNSWAdd(i, e_.index_number(step));
  auto* last = b_.GetInsertBlock();
  i->addIncoming(next, last);
  for (std::size_t k = 0; k < around.size(); ++k) around[k]->addIncoming(inside[k], last);
  b_.CreateCondBr(b_.CreateICmpSLT(next, end), head, done);
  b_.SetInsertPoint(done);
  if (known_to_run) return inside;
  for (std::size_t k = 0; k < state.size(); ++k) {
    auto* out = b_.CreatePHI(state[k]->getType(), 2);
    out->addIncoming(state[k], before);
    out->addIncoming(inside[k], last);
    state[k] = out;
  }
  return state;
}

contraction_emitter::values contraction_emitter::reduce(std::size_t level, values accumulators) {
  if (axes_ == 0) {
    const addressing none;
    return one_step(accumulators, 0, nullptr, none, {}, none, nullptr);
  }
  if (level + 1 == axes_) return innermost(std::move(accumulators));
  const auto& axis = c_.reduction[level];
  const value extent = trips(axis.extent);
  const auto* n = llvm::dyn_cast<llvm::ConstantInt>(extent);
  return carried(e_.index_number(0), extent, 1, n && n->getSExtValue() > 0, std::move(accumulators),
                 [&](value i, values inside) {
                   emitter::binding at(e_, axis.variable, i);
                   return reduce(level + 1, std::move(inside));
                 });
}

contraction_emitter::value contraction_emitter::offset_at(
    const access& a, std::initializer_list<std::pair<expr_ref, std::int64_t>> where) {
  emitter::region r(e_);
  emitter::statement s(e_);
  for (const auto& [variable, v] : where) e_.bindings_[variable] = e_.index_number(v);
  value o = e_.offset(a);
  for (const auto& [variable, v] : where) e_.bindings_.erase(variable);
  return o;
}

contraction_emitter::addressing contraction_emitter::address_a(expr_ref axis) {
  addressing r;
  const access a = operand_a_.where();
  if (!operand_a_.load->mask()->is_true()) return r;
  const expr_ref both[] = {c_.row, axis};
  r.rows_affine = e_.affine(a, both);
  const auto number = e_.step(a, axis);
  if (!r.rows_affine && !number) return r;
  r.stepped = true;
  const std::int64_t size = size_of(operand_a_.load->type);
  const auto bytes = [&](value elements) { return b_.CreateNSWMul(elements, e_.index_number(size)); };
  const auto first = [&](int row) { return e_.pointer(a.buffer, offset_at(a, {{c_.row, row}, {axis, 0}})); };
  const auto difference = [&](expr_ref v, std::optional<std::int64_t> known) {
    if (known) return static_cast<value>(e_.index_number(*known * size));
    const expr_ref other = v == axis ? c_.row : axis;
    return bytes(b_.CreateNSWSub(offset_at(a, {{v, 1}, {other, 0}}), offset_at(a, {{v, 0}, {other, 0}})));
  };
  r.step = difference(axis, number);
  int group = 1;
  if (r.rows_affine) {
    r.row_step = difference(c_.row, e_.step(a, c_.row));
    r.row_step_twice = b_.CreateNSWMul(r.row_step, e_.index_number(2));
    group = llvm::isa<llvm::ConstantInt>(r.row_step) ? c_.tile_rows : rows_per_pointer;
  }
  for (int i = 0; i < c_.tile_rows; i += group) {
    if (i && r.rows_affine)
      r.pointers.push_back(
          b_.CreateInBoundsGEP(b_.getInt8Ty(), r.pointers[0], b_.CreateNSWMul(r.row_step, e_.index_number(i))));
    else
      r.pointers.push_back(first(i));
  }
  return r;
}

contraction_emitter::addressing contraction_emitter::address_b(expr_ref axis) {
  addressing r;
  const access b = operand_b_.where();
  const expr_ref both[] = {c_.column, axis};
  if (!operand_b_.load->mask()->is_true() || e_.step(b, c_.column) != (dot_ ? dot_->size() : 1) || !e_.affine(b, both))
    return r;
  r.stepped = true;
  const std::int64_t size = size_of(operand_b_.load->type);
  r.pointers.push_back(e_.pointer(b.buffer, offset_at(b, {{c_.column, 0}, {axis, 0}})));
  if (const auto number = e_.step(b, axis)) {
    r.step = e_.index_number(*number * size);
  } else {
    value elements =
        b_.CreateNSWSub(offset_at(b, {{c_.column, 0}, {axis, 1}}), offset_at(b, {{c_.column, 0}, {axis, 0}}));
    r.step = b_.CreateNSWMul(elements, e_.index_number(size));
  }
  if (asks_ahead_in_b_) {
    const access later{c_.prefetch->payload, c_.prefetch->indices()};
    value from = offset_at(b, {{c_.column, 0}, {axis, 0}}), to = offset_at(later, {{c_.column, 0}, {axis, 0}});
    r.ahead = b_.CreateNSWMul(b_.CreateNSWSub(to, from), e_.index_number(size));
  }
  return r;
}

contraction_emitter::value contraction_emitter::advanced(value p, value step, int times) {
  if (!times) return p;
  return b_.CreateInBoundsGEP(b_.getInt8Ty(), p, b_.CreateNSWMul(step, e_.index_number(times)));
}

/// How often an axis runs: a block behind the end of what it is a block of has a negative extent.
contraction_emitter::value contraction_emitter::trips(expr_ref extent) {
  emitter::statement s(e_);
  value n = e_.scalar(extent);
  return extent->nonnegative ? n : b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, n, e_.index_number(0));
}

contraction_emitter::values contraction_emitter::innermost(values accumulators) {
  const auto& axis = inner_axis();
  const value extent = trips(axis.extent);
  const addressing a = address_a(axis.variable), b = address_b(axis.variable);
  const std::size_t sums = accumulators.size();
  values state = std::move(accumulators);
  state.insert(state.end(), a.pointers.begin(), a.pointers.end());
  state.insert(state.end(), b.pointers.begin(), b.pointers.end());
  const auto steps = [&](value i, values s, int count) {
    values pa(s.begin() + static_cast<std::ptrdiff_t>(sums),
              s.begin() + static_cast<std::ptrdiff_t>(sums + a.pointers.size()));
    value pb = b.stepped ? s.back() : nullptr;
    const values pa0 = pa;
    value pb0 = pb;
    s.resize(sums);
    for (int u = 0; u < count; ++u) {
      emitter::region r(e_);
      emitter::binding bound(e_, axis.variable, b_.CreateNSWAdd(i, e_.index_number(u)));
      s = one_step(s, u % sets_, i, a, pa, b, pb);
      // A known step makes constant displacements; an unknown one goes from pointer to pointer.
      const auto next = [&](value now, value start, value step) {
        return llvm::isa<llvm::ConstantInt>(step) ? advanced(start, step, u + 1) : advanced(now, step, 1);
      };
      for (std::size_t k = 0; k < pa.size(); ++k) pa[k] = next(pa[k], pa0[k], a.step);
      if (pb) pb = next(pb, pb0, b.step);
    }
    s.insert(s.end(), pa.begin(), pa.end());
    if (pb) s.push_back(pb);
    return s;
  };
  const auto* known = llvm::dyn_cast<llvm::ConstantInt>(extent);
  const std::int64_t n = known ? known->getSExtValue() : -1;
  value zero = e_.index_number(0);
  if (known && n <= unroll_) {
    if (n > 0) state = steps(zero, std::move(state), static_cast<int>(n));
  } else if (unroll_ == 1) {
    state = carried(zero, extent, 1, known != nullptr, std::move(state),
                    [&](value i, values s) { return steps(i, std::move(s), 1); });
  } else {
    value whole = b_.CreateAnd(extent, e_.index_number(-unroll_));
    state = carried(zero, whole, unroll_, known != nullptr, std::move(state),
                    [&](value i, values s) { return steps(i, std::move(s), unroll_); });
    if (!known || n % unroll_)
      state = carried(whole, extent, 1, known != nullptr, std::move(state),
                      [&](value i, values s) { return steps(i, std::move(s), 1); });
  }
  state.resize(sums);
  return state;
}

contraction_emitter::value contraction_emitter::row_value(int row, const addressing& a, const values& pointers) {
  if (!a.stepped) {
    emitter::region r(e_);
    emitter::statement s(e_);
    emitter::binding at(e_, c_.row, e_.index_number(row));
    return convert(e_.scalar(operand_a_.expression), operand_a_.expression);
  }
  value p;
  if (!a.rows_affine) {
    p = pointers[static_cast<std::size_t>(row)];
  } else if (pointers.size() == 1 && llvm::isa<llvm::ConstantInt>(a.row_step)) {
    p = advanced(pointers[0], a.row_step, row);
  } else {
    p = pointers[static_cast<std::size_t>(row / rows_per_pointer)];
    const int k = row % rows_per_pointer;
    if (k) p = b_.CreateInBoundsGEP(b_.getInt8Ty(), p, k == 1 ? a.row_step : a.row_step_twice);
  }
  if (dot_) return e_.read_group(operand_a_.load->payload, p, nullptr, 0);
  value v = e_.read_scalar(operand_a_.load->payload, p, nullptr);
  std::vector<expr_ref> casts;
  for (expr_ref x = operand_a_.expression; x != operand_a_.load; x = x->operands[0]) casts.push_back(x);
  for (auto i = casts.rbegin(); i != casts.rend(); ++i) v = e_.a_->cast(v, (*i)->operands[0]->type, (*i)->type);
  return convert(v, operand_a_.expression);
}

contraction_emitter::values contraction_emitter::column_values(const addressing& b, value p) {
  values r;
  for (int j = 0; j < vectors_; ++j) {
    value mask = masks_[static_cast<std::size_t>(j)];
    const std::int64_t column = static_cast<std::int64_t>(j) * width_;
    if (!b.stepped) {
      emitter::region scope(e_);
      emitter::statement s(e_);
      emitter::binding at(e_, c_.column, e_.index_number(column));
      lanes_.mask = mask;
      e_.lanes_ = &lanes_;
      r.push_back(convert(e_.vector(operand_b_.expression), operand_b_.expression));
      e_.lanes_ = nullptr;
      continue;
    }
    value q = b_.CreateConstInBoundsGEP1_64(e_.a_->memory_type(operand_b_.load->type), p,
                                            static_cast<std::uint64_t>(column * (dot_ ? dot_->size() : 1)));
    if (dot_) {
      r.push_back(e_.read_group(operand_b_.load->payload, q, mask, width_));
      continue;
    }
    value v = e_.read_contiguous(operand_b_.load->payload, q, mask, width_);
    std::vector<expr_ref> casts;
    for (expr_ref x = operand_b_.expression; x != operand_b_.load; x = x->operands[0]) casts.push_back(x);
    for (auto i = casts.rbegin(); i != casts.rend(); ++i) v = e_.a_->cast(v, (*i)->operands[0]->type, (*i)->type);
    r.push_back(convert(v, operand_b_.expression));
  }
  return r;
}

/// The lines of b from `ahead` on. They may lie behind the end: prefetches do not fault.
void contraction_emitter::ask_ahead(value ahead) {
  constexpr std::int64_t line = 64;
  constexpr int near = 3, in_l2 = 2;
  const std::int64_t bytes = static_cast<std::int64_t>(vectors_) * width_ * size_of(operand_b_.load->type);
  for (std::int64_t at = 0; at < bytes; at += line)
    b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {b_.getPtrTy()},
                       {b_.CreateGEP(b_.getInt8Ty(), ahead, e_.index_number(at)), b_.getInt32(0),
                        b_.getInt32(asks_ahead_in_b_ ? near : in_l2), b_.getInt32(1)});
}

contraction_emitter::values contraction_emitter::one_step(const values& accumulators, int set, value,
                                                          const addressing& a, const values& pa, const addressing& b,
                                                          value pb) {
  values next = accumulators;
  if (b.ahead) ask_ahead(b_.CreateGEP(b_.getInt8Ty(), pb, b.ahead));
  if (c_.prefetch && !asks_ahead_in_b_)
    ask_ahead(
        e_.pointer(c_.prefetch->payload, offset_at({c_.prefetch->payload, c_.prefetch->indices()}, {{c_.column, 0}})));
  const values columns = column_values(b, pb);
  if (dot_) {
    std::vector<dot_product::operand> in_b;
    for (value v : columns) in_b.push_back(dot_->prepare_b(v));
    for (int i = 0; i < rows_; ++i) {
      const dot_product::operand x = i < c_.tile_rows ? dot_->prepare_a(e_.a_->splat(row_value(i, a, pa), width_))
                                                      : dot_product::operand{dot_->excess_of(width_)};
      for (int j = 0; j < vectors_; ++j)
        at(next, set, i, j) = dot_->step(x, in_b[static_cast<std::size_t>(j)], at(next, set, i, j));
    }
    return next;
  }
  for (int i = 0; i < c_.tile_rows; ++i) {
    value x = e_.a_->splat(row_value(i, a, pa), width_);
    for (int j = 0; j < vectors_; ++j)
      at(next, set, i, j) = e_.a_->multiply_add(type_, x, columns[static_cast<std::size_t>(j)], at(next, set, i, j));
  }
  return next;
}

/// What the tile becomes. A choice that is the same for all of it is a branch.
void contraction_emitter::epilogue(expr_ref result, const values& sums, const values& masks) {
  const auto differs = [&](expr_ref e) {
    return e == c_.row || e == c_.column || e == c_.accumulator || e->is(expr_kind::load);
  };
  if (result->is(ir::prim::select) && !ir::contains(result->operands[0], differs)) {
    value condition;
    {
      emitter::statement s(e_);
      condition = e_.scalar(result->operands[0]);
    }
    auto* then = llvm::BasicBlock::Create(e_.context_, "then", e_.function_);
    auto* otherwise = llvm::BasicBlock::Create(e_.context_, "else", e_.function_);
    auto* after = llvm::BasicBlock::Create(e_.context_, "after", e_.function_);
    b_.CreateCondBr(condition, then, otherwise);
    for (auto [block, taken] : {std::pair(then, result->operands[1]), std::pair(otherwise, result->operands[2])}) {
      b_.SetInsertPoint(block);
      emitter::region r(e_);
      epilogue(taken, sums, masks);
      b_.CreateBr(after);
    }
    b_.SetInsertPoint(after);
    return;
  }
  store_tile({c_.buffer, c_.indices, result, c_.mask}, sums, masks);
}

void contraction_emitter::store_tile(const ir::contraction::result& r, const values& sums, const values& masks) {
  values all = sums;
  for (int j = 0; j < vectors_; ++j) {
    emitter::region outer(e_);
    emitter::binding column(e_, c_.column, e_.index_number(static_cast<std::int64_t>(j) * width_));
    lanes_.mask = masks[static_cast<std::size_t>(j)];
    e_.lanes_ = &lanes_;
    for (int i = 0; i < c_.tile_rows; ++i) {
      emitter::region inner(e_);
      emitter::statement s(e_);
      emitter::binding row(e_, c_.row, e_.index_number(i));
      emitter::binding sum(e_, c_.accumulator, at(all, 0, i, j), true);
      lanes_.varying.clear();
      e_.store_vector({r.buffer, r.indices}, e_.vector(r.value), r.mask);
    }
    e_.lanes_ = nullptr;
  }
}

}  // namespace tenon::codegen
