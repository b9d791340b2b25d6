#include "schedule/windowed_operand.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "ops/leaf.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

bool reduces(expr_ref e) {
  return contains(e, [](expr_ref x) { return x->is(expr_kind::reduce); });
}

// The sum of products one of whose operands holds all other reductions, and which one.
std::optional<std::pair<expr_ref, expr_ref>> find(const computation& c) {
  expr_ref sum = nullptr, operand = nullptr;
  for (expr_ref e : post_order(c.values())) {
    if (!e->is(expr_kind::reduce) || !reduces(e->body())) continue;
    if (sum || e->reducer() != reducer::sum || !e->body()->is(prim::mul)) return {};
    sum = e;
  }
  if (!sum) return {};
  for (expr_ref o : sum->body()->operands) {
    if (!reduces(o)) continue;
    if (operand) return {};
    operand = o;
  }
  return std::pair(sum, operand);
}

// Constants that are read in the windows and outside of them: none of them can be packed for one.
bool shares_constants(const computation& c, expr_ref windows) {
  std::unordered_set<std::int64_t> inside;
  for (expr_ref e : post_order(std::span(&windows, 1)))
    if (e->is(expr_kind::load)) inside.insert(e->payload);
  const auto constant = [&](std::int64_t id) {
    const node* const stored = c.parameters[static_cast<std::size_t>(id)].stored;
    return stored && stored->op == &constant_definition();
  };
  std::vector<expr_ref> open = c.values();
  std::unordered_set<expr_ref> seen;
  while (!open.empty()) {
    const expr_ref e = open.back();
    open.pop_back();
    if (e == windows || !seen.insert(e).second) continue;
    if (e->is(expr_kind::load) && inside.contains(e->payload) && constant(e->payload)) return true;
    open.insert(open.end(), e->operands.begin(), e->operands.end());
  }
  return false;
}

void replace(computation& c, expr_ref from, expr_ref to) {
  const auto replaced = [&](expr_ref value) {
    return c.kernel.make().rewrite(value, [&](expr_ref e) { return e == from ? to : nullptr; });
  };
  c.value = replaced(c.value);
  for (computation::result& r : c.also) r.value = replaced(r.value);
}

}  // namespace

class windowed_operand::in_place_of {
 public:
  in_place_of(computation& c, windowed_operand& w) : c_(c), w_(w) { exchange(); }
  in_place_of(const in_place_of&) = delete;
  in_place_of& operator=(const in_place_of&) = delete;
  ~in_place_of() { exchange(); }

 private:
  void exchange() {
    std::swap(c_.axes, w_.axes_);
    std::swap(c_.value, w_.value_);
    std::swap(c_.output, w_.output_);
    std::swap(c_.also, w_.also_);
  }
  computation& c_;
  windowed_operand& w_;
};

std::optional<windowed_operand> windowed_operand::take(computation& c, const machine_model& m) {
  const auto found = find(c);
  // The last axes are outer rows, rows and columns.
  const int rank = static_cast<int>(c.axes.size());
  if (!found || rank < 3 || c.grows() || shares_constants(c, found->second)) return {};
  const auto& [sum, operand] = *found;
  const auto mentioned = [&](expr_ref v) {
    return v->is(expr_kind::variable) && contains(operand, [&](expr_ref e) { return e == v; });
  };
  windowed_operand w;
  w.outer_row_ = rank - 3;
  for (int d = 0; d < rank; ++d)
    if (mentioned(c.axes[static_cast<std::size_t>(d)].variable) !=
        (c.axes[static_cast<std::size_t>(d)].size != 1 && d + 1 < rank))
      return {};
  w.axes_.assign(c.axes.begin(), c.axes.end() - 1);
  for (int i = 0; i < sum->loops(); ++i)
    if (mentioned(sum->loop_variable(i)))
      w.axes_.push_back({sum->loop_variable(i), sum->loop_extent(i), c.at_call(sum->loop_extent(i))});
  if (std::ssize(w.axes_) != rank) return {};  // one loop of the sum
  w.value_ = operand;
  std::vector<expr_ref> extents, indices;
  for (const computation::axis& x : w.axes_) {
    extents.push_back(x.extent);
    indices.push_back(x.variable);
  }
  w.output_ = c.kernel.add_buffer("strip", operand->type, scope::scratch, std::move(extents));
  w.load_ = c.kernel.make().load(operand->type, w.output_, indices);
  const bool known = [&] {
    const in_place_of scope(c, w);
    return are_windows_of_strips(c, m);
  }();
  if (!known) {
    c.kernel.buffers.pop_back();
    return {};
  }
  replace(c, operand, w.load_);
  return w;
}

void windowed_operand::undo(computation& c) {
  replace(c, load_, value_);
  c.kernel.buffers.pop_back();
}

std::int64_t windowed_operand::row_bytes(const computation& c) const {
  return axes_.back().size * axes_[axes_.size() - 2].size *
         size_of(c.kernel.buffers[static_cast<std::size_t>(output_)].type);
}

std::int64_t windowed_operand::bytes_read(const computation& c) const {
  std::unordered_set<std::int64_t> read;
  for (expr_ref e : post_order(std::span(&value_, 1)))
    if (e->is(expr_kind::load)) read.insert(e->payload);
  std::int64_t bytes = 0;
  for (const std::int64_t id : read) {
    const ir::buffer& b = c.kernel.buffers[static_cast<std::size_t>(id)];
    std::int64_t own = size_of(b.type);
    for (expr_ref e : b.extents) own *= c.at_call(e);
    bytes += own;
  }
  return bytes;
}

void windowed_operand::predict(computation& c, const machine_model& m, launch& l) {
  const in_place_of scope(c, *this);
  scheduling::predict(c, m, l);
}

windowed_operand::strip windowed_operand::make(computation& c, const machine_model& m, launch& l, expr_ref begin,
                                               expr_ref end, expr_ref most,
                                               std::span<const std::pair<expr_ref, expr_ref>> at) {
  expr_arena& a = c.kernel.make();
  const std::size_t outer = axes_.size() - 3;
  strip made;
  c.kernel.buffers[static_cast<std::size_t>(output_)].extents = {most, axes_[outer + 1].extent,
                                                                 axes_[outer + 2].extent};
  const expr_ref indices[] = {a.sub(axes_[outer].variable, begin), axes_[outer + 1].variable,
                              axes_[outer + 2].variable};
  made.load = a.load(load_->type, output_, indices);
  const in_place_of scope(c, *this);
  made.fill = windows_of_strip(c, m, l, begin, end, at);
  return made;
}

}  // namespace tenon::scheduling
