// Every operator and element type against an independent reference, on `llvm` and on `native`: the table operator x
// type x case. Every cell holds calls that are compared, or a hole with its reason; an operator that is in no row
// fails.
//
//   TENON_CONFORMANCE_TARGETS="llvm;native"   the targets (those of the build), e.g. "llvm -mcpu=x86-64-v2"
//   TENON_CONFORMANCE_ONLY="conv2d;sum"       these operators alone
//   TENON_CONFORMANCE_STOP=1                  end at the first call that differs
#include "table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <source_location>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "pipeline.hpp"
#include "targets.hpp"

namespace conformance {
namespace {

using namespace tenon;

// Operators that only the graph or the DSL makes, with where they are tested.
const std::map<std::string, std::string, std::less<>> not_called = {
    {"as", "states a type: tests/graph, tests/dsl"},
    {"compute", "holds a user's index notation: tests/dsl/index_test.cpp"},
    {"constant", "a leaf: tests/graph"},
    {"elementwise", "holds a user's lambda: tests/dsl/elementwise_test.cpp"},
    {"if", "has graphs: tests/dsl/control_test.cpp"},
    {"input", "a leaf: every call of this table has some"},
    {"narrow", "starts a segment of a callable: tests/callable/segments_test.cpp"},
    {"param", "a leaf: tests/graph"},
    {"random_bits", "of u64, which has no column: tests/dsl/random_test.cpp"},
    {"result", "a projection: top_k of this table"},
    {"scan", "has a graph: tests/dsl/control_test.cpp"},
    {"while", "has graphs: tests/dsl/control_test.cpp"},
};

std::vector<std::string> list_of(const char* variable, std::vector<std::string> otherwise) {
  const char* v = std::getenv(variable);
  if (!v) return otherwise;
  std::vector<std::string> r(1);
  for (; *v; ++v)
    if (*v == ';')
      r.emplace_back();
    else
      r.back() += *v;
  return r;
}

std::string describe(const std::string& op, const std::vector<values>& in, const std::string& attrs) {
  std::string r = op + "(";
  for (std::size_t k = 0; k < in.size(); ++k)
    r.append(k ? ", " : "").append(name(in[k].type)).append(text(in[k].shape));
  return r + ")" + (attrs.empty() ? "" : " " + attrs);
}

dims dims_of(const shape_t& s) {
  dims d;
  for (std::int64_t e : s) d.push_back(e);
  return d;
}

/// An operand in memory. What lies between its elements, and around them, is not what a wrong address should find.
class buffer {
 public:
  static constexpr std::byte garbage{0x5b};
  static constexpr std::size_t margin = 128;

  explicit buffer(const values& x, int layout = 0) : type_(x.type), size_(static_cast<std::size_t>(size_of(x.type))) {
    const std::size_t rank = x.shape.size();
    strides_.resize(rank);
    // 0 contiguous; 1 every second element, rows apart; 2 the first axis innermost; 3 backwards; 4 rows apart.
    std::int64_t step = layout == 1 ? 2 : 1;
    for (std::size_t k = 0; k < rank; ++k) {
      const std::size_t d = layout == 2 ? k : rank - 1 - k;
      strides_[d] = step;
      step *= std::max<std::int64_t>(x.shape[d], 1);
      if (layout == 1 || layout == 4) step += 3;
    }
    std::int64_t first = 0;
    if (layout == 3 && rank > 0) {
      const std::size_t d = rank - 1;
      first = strides_[d] * std::max<std::int64_t>(x.shape[d] - 1, 0);
      strides_[d] = -strides_[d];
    }
    strided_ = layout != 0 && rank > 0;
    bytes_.assign(static_cast<std::size_t>(step) * size_ + 2 * margin, garbage);
    data_ = bytes_.data() + margin + static_cast<std::size_t>(first) * size_;
    std::size_t at = 0;
    for_each(x.shape, [&](const shape_t& i) {
      std::int64_t o = 0;
      for (std::size_t d = 0; d < rank; ++d) o += i[d] * strides_[d];
      encode(type_, x.v[at++], data_ + o * static_cast<std::int64_t>(size_));
    });
  }
  void* data() { return data_; }
  const extent_t* strides() const { return strided_ ? strides_.data() : nullptr; }
  real at(std::size_t i) const { return decode(type_, data_ + i * size_); }
  /// Of a contiguous one: nothing around its elements was written.
  bool margins_are_whole(std::size_t elements) const {
    const auto is_garbage = [](std::byte b) { return b == garbage; };
    const auto* end = data_ + elements * size_;
    return std::all_of(bytes_.data(), static_cast<const std::byte*>(data_), is_garbage) &&
           std::all_of(end, bytes_.data() + bytes_.size(), is_garbage);
  }

 private:
  dtype type_;
  std::size_t size_;
  std::vector<extent_t> strides_;
  bool strided_ = false;
  std::vector<std::byte> bytes_;
  std::byte* data_ = nullptr;
};

loc here() { return loc(std::source_location::current()); }

struct traced {
  std::vector<ir::node_ref> inputs, outputs;
};
traced trace(const std::string& op, const std::string& attrs, const std::vector<values>& in, int number) {
  const ir::op_def* def = ir::find_operator(op);
  REQUIRE_MESSAGE(def, op);
  traced t;
  for (std::size_t k = 0; k < in.size(); ++k)
    t.inputs.push_back(ir::make_input("x" + std::to_string(number) + "_" + std::to_string(k), in[k].type,
                                      dims_of(in[k].shape), here()));
  const ir::node_ref n = ir::make_node(*def, def->attrs->parse(attrs), t.inputs, here());
  for (int i = 0; i < n->results(); ++i) t.outputs.push_back(ir::make_result(n, i, here()));
  return t;
}

/// The largest error of what held, in units of the last place and as a share of what is allowed.
struct error_size {
  real ulps = 0, share = 0;
};
/// How a result differs from what is expected; empty when it does not.
std::string difference(const values& want, const buffer& got, error_size& worst) {
  const bool real_type = is_float(want.type);
  for (std::size_t i = 0; i < want.v.size(); ++i) {
    const real x = want.v[i], y = got.at(i), off = want.slack.empty() ? 0 : want.slack[i];
    bool held = x == y || (std::isnan(x) && std::isnan(y));
    if (!held && real_type && std::isfinite(x)) {
      held = y >= rounded(want.type, x - off) && y <= rounded(want.type, x + off);
      if (held && std::isfinite(y) && (want.type == f32 || want.type == f64))
        worst = {std::max(worst.ulps, std::fabs(y - x) / ulp(want.type, rounded(want.type, x))),
                 std::max(worst.share, std::fabs(y - x) / (off + ulp(want.type, rounded(want.type, x)) / 2))};
    }
    if (held) continue;
    char line[200];
    std::snprintf(line, sizeof line, "element %zu of %zu is %.20Lg, expected %.20Lg (slack %.3Lg)", i, want.v.size(), y,
                  x, off);
    return line;
  }
  return {};
}

struct counts {
  int calls = 0, held = 0, cells = 0, held_cells = 0, holes = 0, checked_holes = 0;
  std::map<std::string, int> reasons;
};

class runner {
 public:
  explicit runner(const std::string& target)
      : target_(target), settings_(compile_options{.target = tenon::target(target), .cache = false}) {}

  counts total;
  std::map<std::string, std::array<error_size, 2>> worst;  // by operator: f32, f64
  bool stop = std::getenv("TENON_CONFORMANCE_STOP") != nullptr;
  bool stopped() const { return stop && failures_ > 0; }
  int failures() const { return failures_; }

  /// All rows of one operator; the line of the table.
  std::string row(const std::string& op, const std::vector<const entry*>& entries) {
    std::string line;
    for (const dtype t : types) {
      std::array<char, columns> cell{};
      std::vector<call> calls;
      std::vector<hole> holes;
      bool taken = false;
      for (const entry* e : entries) {
        if (!e->takes(t)) continue;
        taken = true;
        cases c = e->make(t);
        calls.insert(calls.end(), std::make_move_iterator(c.calls.begin()), std::make_move_iterator(c.calls.end()));
        holes.insert(holes.end(), std::make_move_iterator(c.holes.begin()), std::make_move_iterator(c.holes.end()));
      }
      if (!taken) {
        refuse_type(op, *entries[0], t);
        cell.fill('t');
        total.holes += columns;
        total.reasons["the operator does not take the type (it refuses it)"] += columns;
      } else {
        run(op, t, calls, cell);
        for (const hole& h : holes) fill(op, h, cell);
        for (const column c : {column::nan, column::infinities})
          if (!is_float(t) && !cell[static_cast<std::size_t>(c)]) {
            cell[static_cast<std::size_t>(c)] = 'i';
            ++total.holes;
            ++total.reasons["the type has no NaN or infinity"];
          }
        for (int c = 0; c < columns; ++c)
          if (!cell[static_cast<std::size_t>(c)])
            fail(op + " of " + std::string(name(t)) + ": nothing in the case " + std::string(column_names[c]));
      }
      for (char c : cell) total.cells += c == '+' || c == '!', total.held_cells += c == '+';
      line += std::string(cell.data(), columns) + " ";
    }
    return line;
  }

 private:
  void fail(const std::string& what) {
    ++failures_;
    std::fprintf(stderr, "FAILED on %s: %s\n", target_.c_str(), what.c_str());
  }

  void fill(const std::string& op, const hole& h, std::array<char, columns>& cell) {
    if (h.refused) {
      bool threw = false;
      try {
        trace(op, h.attrs, h.in, 0);
      } catch (const shape_error&) {
        threw = true;
      }
      ++total.checked_holes;
      if (!threw) fail(describe(op, h.in, h.attrs) + ": not refused (" + h.reason + ")");
    }
    char& c = cell[static_cast<std::size_t>(h.where)];
    if (c) return;  // some calls of the case exist
    c = h.refused ? 'r' : '-';
    ++total.holes;
    ++total.reasons[h.reason];
  }

  // A type that the reference does not take must be refused.
  void refuse_type(const std::string& op, const entry& e, dtype t) {
    call c;
    if (e.other) {
      c = e.other(t);
    } else {
      const ir::op_def* def = ir::find_operator(op);
      for (const dtype d : types)
        if (e.takes(d)) {
          c = e.make(d).calls.front();
          break;
        }
      for (int k = 0; k < static_cast<int>(c.in.size()) && def; ++k)
        c.in[static_cast<std::size_t>(k)] =
            filled(t, c.in[static_cast<std::size_t>(k)].shape, conformance::fill::small, 1);
    }
    bool threw = false;
    try {
      trace(op, c.attrs, c.in, 0);
    } catch (const type_error&) {
      threw = true;
    }
    ++total.checked_holes;
    if (!threw) fail(describe(op, c.in, c.attrs) + ": the type is not refused");
  }

  // All calls of an operator and type in one graph; each alone when that cannot be made.
  void run(const std::string& op, dtype t, const std::vector<call>& calls, std::array<char, columns>& cell) {
    std::vector<const call*> all;
    for (const call& c : calls) all.push_back(&c);
    const auto mark = [&](const call& c, const std::string& wrong) {
      char& at = cell[static_cast<std::size_t>(c.where)];
      if (at == 0) at = '+';
      ++total.calls;
      total.held += wrong.empty();
      if (wrong.empty()) return;
      at = '!';
      fail(describe(op, c.in, c.attrs) + " [" + std::string(column_names[static_cast<int>(c.where)]) + ", layout " +
           std::to_string(c.layout) + "]: " + wrong);
    };
    std::vector<std::string> wrong;
    try {
      wrong = run_together(op, t, all);
    } catch (const std::exception&) {
      wrong.clear();
      for (const call* c : all) try {
          wrong.push_back(run_together(op, t, {c}).front());
        } catch (const std::exception& e) {
          wrong.push_back(std::string("throws ") + e.what());
        }
    }
    for (std::size_t i = 0; i < all.size(); ++i) mark(*all[i], wrong[i]);
  }

  std::vector<std::string> run_together(const std::string& op, dtype t, const std::vector<const call*>& calls) {
    ir::graph g;
    std::vector<std::unique_ptr<buffer>> operands, results;
    std::vector<const extent_t*> strides;
    std::vector<ir::value_type> argument_types;
    std::vector<void*> argument_data, result_data;
    std::vector<std::vector<values>> expected;
    std::vector<std::string> wrong(calls.size());
    for (std::size_t n = 0; n < calls.size(); ++n) {
      const call& c = *calls[n];
      const traced made = trace(op, c.attrs, c.in, static_cast<int>(n));
      g.inputs.insert(g.inputs.end(), made.inputs.begin(), made.inputs.end());
      g.outputs.insert(g.outputs.end(), made.outputs.begin(), made.outputs.end());
      for (std::size_t k = 0; k < c.in.size(); ++k) {
        const int layout = c.layout ? (c.layout - 1 + static_cast<int>(k)) % 4 + 1 : 0;
        operands.push_back(std::make_unique<buffer>(c.in[k], layout));
        strides.push_back(operands.back()->strides());
        argument_types.push_back({c.in[k].type, dims_of(c.in[k].shape)});
        argument_data.push_back(operands.back()->data());
      }
      expected.push_back(c.expected(c.in));
      REQUIRE_MESSAGE(expected.back().size() == made.outputs.size(), op);
      for (std::size_t k = 0; k < made.outputs.size(); ++k) {
        values& want = expected.back()[k];
        const ir::value_type& got = made.outputs[k]->type;
        if (!(got == ir::value_type{want.type, dims_of(want.shape)}))
          wrong[n] = "the type is " + to_string(got) + ", expected " + std::string(name(want.type)) + text(want.shape);
        values room(got.element, shape_t(got.shape.begin(), got.shape.end()));
        for (real& v : room.v) v = got.element == b8 ? 1 : 97;  // stays where nothing is written
        results.push_back(std::make_unique<buffer>(room));
        result_data.push_back(results.back()->data());
      }
    }
    const auto made = compile(prepare(g, settings_), argument_types, strides, {}, settings_);
    made->run.run(argument_data.data(), result_data.data(), nullptr, nullptr, 1);
    std::size_t r = 0;
    for (std::size_t n = 0; n < calls.size(); ++n)
      for (std::size_t k = 0; k < expected[n].size(); ++k, ++r) {
        const values& want = expected[n][k];
        if (!wrong[n].empty()) continue;
        error_size off;
        wrong[n] = difference(want, *results[r], off);
        if (wrong[n].empty() && !results[r]->margins_are_whole(want.v.size()))
          wrong[n] = "memory beside the result is written";
        if (want.type == t && (t == f32 || t == f64) && !want.slack.empty()) {
          error_size& w = worst[op][t == f64];
          w = {std::max(w.ulps, off.ulps), std::max(w.share, off.share)};
        }
      }
    return wrong;
  }

  std::string target_;
  compile_settings settings_;
  int failures_ = 0;
};

table whole_table() {
  table t;
  add_maps(t);
  add_movement(t);
  add_reductions(t);
  add_norms(t);
  add_products(t);
  add_attention(t);
  add_order(t);
  add_random(t);
  add_boxes(t);
  add_linear(t);
  add_factors(t);
  add_recurrent(t);
  add_rare_pooling(t);
  add_indexing(t);
  add_placing(t);
  add_images(t);
  add_quantized(t);
  add_losses(t);
  return t;
}

}  // namespace

TEST_CASE("every operator is in the table, or is a leaf or holds a user's definition") {
  std::set<std::string, std::less<>> rows;
  for (const entry& e : whole_table()) rows.insert(e.op);
  for (const ir::op_def* d : ir::all_operators())
    CHECK_MESSAGE((rows.contains(d->name) != not_called.contains(d->name)), std::string(d->name));
  for (const std::string& r : rows) CHECK_MESSAGE(ir::find_operator(r), r);
}

TEST_CASE("every operator gives what its reference gives, for every type and case") {
  const table t = whole_table();
  std::map<std::string, std::vector<const entry*>> by_name;
  for (const entry& e : t) by_name[e.op].push_back(&e);
  const std::vector<std::string> only = list_of("TENON_CONFORMANCE_ONLY", {});
  for (const std::string& target :
       list_of("TENON_CONFORMANCE_TARGETS", {std::begin(test::targets), std::end(test::targets)})) {
    runner r(target);
    std::printf("target %s. Nine cases a type:", target.c_str());
    for (const std::string_view c : column_names)
      std::printf(" %s%s", std::string(c).c_str(), c == column_names[columns - 1] ? "" : ",");
    std::printf(
        "\n+ held, ! differs, t the type is refused, i the type has no NaN or infinity, r the case is refused, - no "
        "such "
        "case\n%-18s",
        "");
    for (const dtype d : types) std::printf("%-10s", std::string(name(d)).c_str());
    std::printf("largest error of f32, f64 (ulp; share of what is allowed)\n");
    for (const auto& [op, entries] : by_name) {
      if (!only.empty() && std::ranges::find(only, op) == only.end()) continue;
      if (r.stopped()) break;
      const std::string line = r.row(op, entries);
      std::printf("%-18s%s", op.c_str(), line.c_str());
      if (const auto w = r.worst.find(op); w != r.worst.end())
        for (const error_size& e : w->second)
          std::printf(e.ulps < 1000 ? " %.2Lf;%.2Lf" : " %.1Lg;%.2Lf", e.ulps, e.share);
      std::printf("\n");
      std::fflush(stdout);
    }
    const counts& c = r.total;
    std::printf("%s: %zu operators, %d cells held of %d, %d calls held of %d, %d holes (%d refusals checked):\n",
                target.c_str(), by_name.size(), c.held_cells, c.cells, c.held, c.calls, c.holes, c.checked_holes);
    for (const auto& [reason, n] : c.reasons) std::printf("  %5d  %s\n", n, reason.c_str());
    for (const auto& [op, reason] : not_called) std::printf("  not called: %s, %s\n", op.c_str(), reason.c_str());
    CHECK(r.failures() == 0);
    CHECK(c.held > 0);
  }
}

}  // namespace conformance
