// Every scalar operation on every type, on full vectors and tails, against the evaluator of constants.
#include <doctest/doctest.h>

#include "codegen/harness.hpp"

using namespace tenon;
using namespace tenon::test;
using ir::expr_ref;
using ir::prim;

namespace {

constexpr std::int64_t longest = 100;
constexpr std::int64_t lengths[] = {0, 1, 2, 3, 15, 16, 17, 31, 33, 100};

struct operation {
  prim op;
  dtype to;
  int arity;
};

/// One kernel applies all `operations` to the same operands: y_k[i] = op_k(b8 mask, x0[i], x1[i], x2[i]).
void check(dtype from, const std::vector<operation>& operations, const codegen::machine& m) {
  ir::kernel k;
  k.name = "operations";
  auto& a = k.make();
  k.symbols.push_back("n");
  expr_ref n = a.symbol(0), i = a.fresh_variable(), yes = a.boolean(true);
  std::vector<std::int64_t> in;
  for (int j = 0; j < 3; ++j) in.push_back(k.add_buffer("x" + std::to_string(j), from, ir::scope::parameter, {n}));
  in.push_back(k.add_buffer("c", b8, ir::scope::parameter, {n}));
  std::vector<expr_ref> x;
  for (std::int64_t b : in) x.push_back(a.load(k.buffers[static_cast<std::size_t>(b)].type, b, std::span(&i, 1)));
  std::vector<ir::stmt_ref> body;
  for (const operation& o : operations) {
    const auto id = k.add_buffer("y" + std::to_string(body.size()), o.to, ir::scope::parameter, {n});
    k.buffers[static_cast<std::size_t>(id)].written = true;
    expr_ref v = o.op == prim::cast      ? a.cast(o.to, x[0])
                 : o.op == prim::bitcast ? a.bitcast(o.to, x[0])
                 : o.op == prim::select  ? a.select(x[3], x[0], x[1])
                                         : a.apply(o.op, std::span(x.data(), static_cast<std::size_t>(o.arity)));
    body.push_back(ir::make_stmt(ir::store{id, {i}, v, yes}));
  }
  k.body = ir::make_stmt(ir::loop{i, a.index(0), n, ir::loop_kind::vectorized, 16, ir::make_block(body)});
  const compiled f(k, m);

  std::vector<std::vector<std::int64_t>> expected;
  std::mt19937_64 random(7);
  std::vector<std::vector<std::int64_t>> inputs(4);
  for (int j = 0; j < 4; ++j)
    for (std::int64_t e = 0; e < longest; ++e)
      inputs[static_cast<std::size_t>(j)].push_back(sample(j == 3 ? b8 : from, e * (j == 1 ? 7 : 1) + j, random));
  std::vector<std::vector<std::int64_t>> full(operations.size());
  for (std::int64_t at = std::size(lengths) - 1; at >= 0; --at) {
    const std::int64_t length = lengths[at];
    std::vector<std::unique_ptr<guarded>> memory;
    std::vector<void*> pointers;
    for (int j = 0; j < 4; ++j) {
      memory.push_back(std::make_unique<guarded>(j == 3 ? b8 : from, length));
      for (std::int64_t e = 0; e < length; ++e)
        memory.back()->set_bits(e, inputs[static_cast<std::size_t>(j)][static_cast<std::size_t>(e)]);
    }
    for (const operation& o : operations) memory.push_back(std::make_unique<guarded>(o.to, length));
    for (auto& g : memory) pointers.push_back(g->data());
    REQUIRE(f(pointers, {length}) == 0);
    for (std::size_t o = 0; o < operations.size(); ++o)
      for (std::int64_t e = 0; e < length; ++e) {
        const auto& op = operations[o];
        const std::int64_t got = memory[4 + o]->bits(e);
        const auto in_lane = [&](int j) { return inputs[static_cast<std::size_t>(j)][static_cast<std::size_t>(e)]; };
        if (length == longest) {
          full[o].push_back(got);
          std::vector<std::int64_t> operands;
          if (op.op == prim::select) operands.push_back(in_lane(3));
          for (int j = 0; j < op.arity - (op.op == prim::select); ++j) operands.push_back(in_lane(j));
          const std::int64_t want = ir::evaluate(op.op, op.to, from, operands);
          // max and min of zeros of both signs: either one.
          const bool zeros = (op.op == prim::min || op.op == prim::max) && both_zero(op.to, got, want);
          if (!same_value(op.to, got, want) && !zeros) {
            CAPTURE(m.text());
            CAPTURE(ir::name(op.op));
            CAPTURE(name(from));
            CAPTURE(name(op.to));
            CAPTURE(ir::value_of(from, in_lane(0)));
            CAPTURE(ir::value_of(from, in_lane(1)));
            CAPTURE(ir::value_of(op.to, got));
            CAPTURE(ir::value_of(op.to, want));
            CHECK(got == want);
          }
        } else if (got != full[o][static_cast<std::size_t>(e)]) {
          FAIL_CHECK("a tail differs from full vectors: " << m.text() << " " << ir::name(op.op) << " " << name(from)
                                                          << " length " << length << " at " << e);
        }
      }
  }
}

std::vector<operation> operations_on(dtype t, bool called, const codegen::machine& m) {
  ir::expr_arena a;
  std::vector<expr_ref> x;
  for (int j = 0; j < 3; ++j) x.push_back(a.fresh_variable(t));
  expr_ref c = a.fresh_variable(b8);
  std::vector<operation> r;
  for (int p = 0; p < ir::prim_count; ++p) {
    const auto op = static_cast<prim>(p);
    if (op == prim::cast || op == prim::bitcast || (op == prim::scale && !m.scales())) continue;
    std::vector<expr_ref> operands(x.begin(), x.begin() + arity(op));
    dtype to = result_type(op, t, t);
    if (op == prim::select) operands = {c, x[0], x[1]};
    const bool library = is_float(t) && (op == prim::pow || op == prim::atan2 || op == prim::mod ||
                                         (op >= prim::exp && op <= prim::erf));
    if (library == called && ir::well_typed(op, to, operands)) r.push_back({op, to, arity(op)});
  }
  return r;
}

}  // namespace

TEST_CASE("every operation gives the evaluator's bits on every type and machine") {
  for (const auto& m : machines())
    for (dtype t : all_types) check(t, operations_on(t, false, m), m);
}

TEST_CASE("functions that are called give the library's bits, rounded") {
  for (const auto& m : machines())
    for (dtype t : {f64, f32}) check(t, operations_on(t, true, m), m);
}

TEST_CASE("every cast gives the evaluator's bits") {
  for (const auto& m : machines())
    for (dtype from : all_types) {
      std::vector<operation> all;
      for (dtype to : all_types) all.push_back({prim::cast, to, 1});
      for (dtype to : all_types)
        if (size_of(to) == size_of(from) && to != b8 && from != b8) all.push_back({prim::bitcast, to, 1});
      check(from, all, m);
    }
}
