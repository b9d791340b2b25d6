#include "loop/interpreter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "loop/evaluate.hpp"
#include "tenon/core/error.hpp"

namespace tenon::test {
namespace {

using namespace ir;

class interpreter {
 public:
  interpreter(const kernel& k, std::span<void* const> buffers, std::span<const std::int64_t> symbols,
              interpreter_options o)
      : k_(k), symbols_(symbols.begin(), symbols.end()), options_(o) {
    if (static_cast<int>(buffers.size()) != k.parameters() || symbols.size() != k.symbols.size())
      throw compile_error(fmt::format("interpret: {} buffers and {} symbols for a kernel with {} and {}",
                                      buffers.size(), symbols.size(), k.parameters(), k.symbols.size()));
    for (const buffer& b : k.buffers) {
      memory m;
      for (expr_ref e : b.extents) m.extents.push_back(value(e));
      for (expr_ref e : b.strides) m.strides.push_back(value(e));
      if (b.strides.empty()) {
        m.strides.assign(m.extents.size(), 1);
        for (std::size_t d = m.extents.size(); d-- > 1;) m.strides[d - 1] = m.strides[d] * m.extents[d];
      }
      if (b.where == scope::parameter) {
        m.data = static_cast<std::byte*>(buffers[b.id]);
      } else {
        std::int64_t n = size_of(b.type);
        for (std::int64_t e : m.extents) n *= e;
        m.own.resize(n);
      }
      memory_.push_back(std::move(m));
    }
    // Vectors keep their memory when they are moved, so these stay right.
    for (memory& m : memory_)
      if (!m.data) m.data = m.own.data();
  }

  void run() {
    if (k_.body) run(*k_.body);
  }

 private:
  struct memory {
    std::byte* data = nullptr;
    std::vector<std::int64_t> extents, strides;
    std::vector<std::byte> own;
  };
  /// One expression as a list of steps, operands first.
  struct program {
    std::vector<expr_ref> steps;
    std::vector<std::vector<int>> operands;
    std::vector<std::int64_t> values;
  };
  struct lane_scope {
    expr_ref variable = nullptr;
    int width = 0, lane = 0;
    std::vector<std::int64_t> declared;
    struct partial {
      const update* what;
      std::int64_t offset;
      std::vector<std::int64_t> values, positions;
    };
    std::vector<partial> partials;  ///< in the order of their first update
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw compile_error(
        fmt::format("interpret: kernel {}: {}\n{}", k_.name, what, current_ ? to_string(k_, *current_) : ""));
  }

  std::int64_t value(expr_ref root) {
    auto [it, made] = programs_.try_emplace(root);
    program& p = it->second;
    if (made) {
      p.steps = post_order(std::span(&root, 1));
      std::unordered_map<expr_ref, int> at;
      for (expr_ref e : p.steps) {
        std::vector<int> x;
        for (expr_ref o : e->operands) x.push_back(at.at(o));
        at.emplace(e, static_cast<int>(at.size()));
        p.operands.push_back(std::move(x));
      }
      p.values.resize(p.steps.size());
    }
    std::vector<std::int64_t> x;
    for (std::size_t i = 0; i < p.steps.size(); ++i) {
      x.clear();
      for (int o : p.operands[i]) x.push_back(p.values[o]);
      p.values[i] = step(p.steps[i], x);
    }
    return p.values.back();
  }

  std::int64_t step(expr_ref e, std::span<const std::int64_t> x) {
    switch (e->kind) {
      case expr_kind::constant:
        return e->payload;
      case expr_kind::symbol:
        return symbols_.at(e->payload);
      case expr_kind::variable: {
        const auto it = variables_.find(e);
        if (it == variables_.end()) fail(fmt::format("variable {} has no value", e->payload));
        return it->second;
      }
      case expr_kind::load:
        return x.back() ? read(e->payload, offset(e->payload, x.first(x.size() - 1), "load")) : 0;
      case expr_kind::apply:
        return evaluate(e->op, e->type, e->operands.back()->type, x);
      default:
        fail("a reduction is still an expression");
    }
  }

  std::int64_t offset(std::int64_t id, std::span<const std::int64_t> indices, std::string_view what) const {
    const memory& m = memory_[id];
    std::int64_t r = 0;
    for (std::size_t d = 0; d < m.extents.size(); ++d) {
      if (indices[d] < 0 || indices[d] >= m.extents[d])
        fail(fmt::format("a {} of {}: index {} is {}, its extent is {}", what, k_.buffers[id].name, d, indices[d],
                         m.extents[d]));
      r += indices[d] * m.strides[d];
    }
    return r;
  }
  std::int64_t offset(std::int64_t id, const std::vector<expr_ref>& indices, std::string_view what) {
    std::vector<std::int64_t> v;
    for (expr_ref e : indices) v.push_back(value(e));
    return offset(id, v, what);
  }

  std::int64_t read(std::int64_t id, std::int64_t at) const {
    const dtype t = k_.buffers[id].type;
    std::int64_t bits = 0;
    std::memcpy(&bits, memory_[id].data + at * size_of(t), size_of(t));  // little-endian, as the kernels are
    return canonical_bits(t, bits);
  }
  void write(std::int64_t id, std::int64_t at, std::int64_t bits) {
    const dtype t = k_.buffers[id].type;
    std::memcpy(memory_[id].data + at * size_of(t), &bits, size_of(t));
  }

  void run(const stmt& s) {
    const stmt* before = current_;
    current_ = &s;
    std::visit([&](auto& x) { run(x); }, s.v);
    current_ = before;
  }
  void run(const block& b) {
    for (const stmt_ref& s : b.list) run(*s);
  }
  void run(const declare& d) {
    std::ranges::fill(memory_[d.buffer].own, std::byte{0xa5});
    if (lanes_.variable) lanes_.declared.push_back(d.buffer);
  }
  void run(const branch& b) {
    if (value(b.condition))
      run(*b.then);
    else if (b.otherwise)
      run(*b.otherwise);
  }
  void run(const while_loop& w) {
    for (;;) {
      if (w.test) run(*w.test);
      if (!value(w.condition)) return;
      run(*w.body);
    }
  }
  void run(const loop& l) {
    std::int64_t begin = value(l.begin), end = value(l.end);
    if (l.kind == loop_kind::parallel) {
      const std::int64_t from = options_.begin, to = options_.end < 0 ? end : options_.end;
      if (from < 0 || to > end) fail(fmt::format("part [{}, {}) of a parallel loop of {}", from, to, end));
      begin = from;
      end = to;
    }
    const bool vector = l.kind == loop_kind::vectorized;
    if (vector) lanes_ = {.variable = l.variable, .width = l.width, .declared = {}, .partials = {}};
    for (std::int64_t i = begin; i < end; ++i) {
      variables_[l.variable] = i;
      if (vector) lanes_.lane = static_cast<int>((i - begin) % l.width);
      run(*l.body);
    }
    variables_.erase(l.variable);
    if (vector) combine_lanes();
  }
  void run(const store& w) {
    if (!value(w.mask)) return;
    const std::int64_t v = value(w.value);
    write(w.buffer, offset(w.buffer, w.indices, "store"), v);
  }

  void step_update(const update& u, std::int64_t at, std::int64_t v, std::int64_t position) {
    const dtype t = k_.buffers[u.buffer].type;
    const std::int64_t old = read(u.buffer, at);
    if (!is_arg(u.combine)) return write(u.buffer, at, combine(u.combine, t, old, v));
    if (!better(u.combine, t, v, position, old, read(u.buffer + 1, at))) return;
    write(u.buffer, at, v);
    write(u.buffer + 1, at, position);
  }
  void run(const update& u) {
    if (!value(u.mask)) return;
    const std::int64_t v = value(u.value), position = u.position ? value(u.position) : 0;
    const std::int64_t at = offset(u.buffer, u.indices, "update");
    if (is_arg(u.combine)) offset(u.buffer + 1, u.indices, "position's update");
    if (!keeps_partials(u)) return step_update(u, at, v, position);
    lane_scope::partial& p = partial_of(u, at);
    const dtype t = k_.buffers[u.buffer].type;
    std::int64_t& mine = p.values[lanes_.lane];
    if (!is_arg(u.combine)) {
      mine = combine(u.combine, t, mine, v);
    } else if (better(u.combine, t, v, position, mine, p.positions[lanes_.lane])) {
      mine = v;
      p.positions[lanes_.lane] = position;
    }
  }
  bool keeps_partials(const update& u) const {
    if (!lanes_.variable || std::ranges::find(lanes_.declared, u.buffer) != lanes_.declared.end()) return false;
    return std::ranges::none_of(
        u.indices, [&](expr_ref e) { return contains(e, [&](expr_ref x) { return x == lanes_.variable; }); });
  }
  lane_scope::partial& partial_of(const update& u, std::int64_t at) {
    for (auto& p : lanes_.partials)
      if (p.what == &u && p.offset == at) return p;
    const std::int64_t start = identity(u.combine, k_.buffers[u.buffer].type);
    lanes_.partials.push_back({.what = &u,
                               .offset = at,
                               .values = std::vector<std::int64_t>(lanes_.width, start),
                               .positions = std::vector<std::int64_t>(lanes_.width, INT64_MAX)});
    return lanes_.partials.back();
  }
  void combine_lanes() {
    const lane_scope done = std::move(lanes_);
    lanes_ = {};
    for (const auto& p : done.partials)
      for (int i = 0; i < done.width; ++i)
        // A lane that saw nothing has no position to offer.
        if (!is_arg(p.what->combine) || p.positions[i] != INT64_MAX)
          step_update(*p.what, p.offset, p.values[i], p.positions[i]);
  }

  void run(const prefetch&) {}

  void run(const contraction& c) {
    const std::int64_t columns = value(c.columns);
    if (columns > c.tile_columns) fail(fmt::format("{} columns of a tile of {}", columns, c.tile_columns));
    for (std::int64_t i = 0; i < c.tile_rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        variables_[c.row] = i;
        variables_[c.column] = j;
        variables_[c.accumulator] = sum(c);
        for (const contraction::result& r : c.also)
          if (!r.mask || value(r.mask)) write(r.buffer, offset(r.buffer, r.indices, "store"), value(r.value));
        if (c.mask && !value(c.mask)) continue;
        const std::int64_t v = value(c.value);
        write(c.buffer, offset(c.buffer, c.indices, "store"), v);
      }
    variables_.erase(c.row);
    variables_.erase(c.column);
    variables_.erase(c.accumulator);
  }
  std::int64_t sum(const contraction& c) {
    std::int64_t total = bits_of(c.accumulator->type, 0);
    add(c, 0, total);
    return total;
  }
  // The axes of the reduction from `level` on: the extent of one may depend on those outside of it.
  void add(const contraction& c, std::size_t level, std::int64_t& total) {
    if (level == c.reduction.size()) return add(c, total);
    const auto& [variable, extent] = c.reduction[level];
    const std::int64_t end = value(extent);
    for (std::int64_t i = 0; i < end; ++i) {
      variables_[variable] = i;
      add(c, level + 1, total);
    }
    variables_.erase(variable);
  }
  void add(const contraction& c, std::int64_t& total) {
    const dtype t = c.accumulator->type;
    const std::int64_t raw[] = {value(c.a), value(c.b)};
    const std::int64_t x[] = {evaluate(prim::cast, t, c.a->type, std::span(raw, 1)),
                              evaluate(prim::cast, t, c.b->type, std::span(raw + 1, 1)), total};
    total = is_float(t) && options_.fused ? evaluate(prim::fma, t, t, x)
                                          : combine(reducer::sum, t, total, combine(reducer::prod, t, x[0], x[1]));
  }

  const kernel& k_;
  std::vector<std::int64_t> symbols_;
  interpreter_options options_;
  std::vector<memory> memory_;
  std::unordered_map<expr_ref, std::int64_t> variables_;
  std::unordered_map<expr_ref, program> programs_;
  lane_scope lanes_;
  const stmt* current_ = nullptr;
};

}  // namespace

void interpret(const kernel& k, std::span<void* const> buffers, std::span<const std::int64_t> symbols,
               interpreter_options o) {
  interpreter(k, buffers, symbols, o).run();
}

}  // namespace tenon::test
