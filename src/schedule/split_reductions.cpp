#include "schedule/split_reductions.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "schedule/attention.hpp"
#include "schedule/merge_axes.hpp"
#include "schedule/product.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

constexpr std::int64_t most_blocks = 64, least_in_block = 16;
// Blocks of long loops begin at multiples of this: whole lines, whatever the type.
constexpr std::int64_t block_multiple = 64;

class splitter {
 public:
  splitter(const computation& c, const machine_model& m) : c_(c), a_(*c.kernel.arena), m_(m) {
    if (!c.value) return;  // a program
    for (expr_ref e : post_order(c.values()))
      if (e->is(expr_kind::reduce) && is_long(e)) {
        found_ = e;
        return;
      }
  }
  /// The first long reduction, an inner one before those around it; null: there is none.
  expr_ref found() const { return found_; }
  const std::vector<computation::axis>& axes() const { return axes_; }
  extent_t blocks() const { return blocks_; }
  /// Whether what is left of the computation may sum up the parts itself.
  bool is_last() const {
    if (!c_.also.empty()) return false;
    std::size_t open = 0;
    for (const computation::axis& x : c_.axes) open += x.variable->is(expr_kind::variable);
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots))
      if (e != found_ && e->is(expr_kind::reduce) && contains(e, [&](expr_ref x) { return x == found_; })) return false;
    return open == axes_.size();
  }

 private:
  bool is_long(expr_ref r) {
    if (is_arg(r->reducer())) return false;
    axes_.clear();
    extent_t count = 1, rows = 1;
    for (int i = 0; i < r->loops(); ++i) count *= c_.at_call(r->loop_extent(i));
    std::vector<expr_ref> bound;
    for (expr_ref e : post_order(std::span(&r, 1)))
      for (int i = 0; e->is(expr_kind::reduce) && i < e->loops(); ++i) bound.push_back(e->loop_variable(i));
    for (expr_ref e : post_order(std::span(&r, 1))) {
      if (!e->is(expr_kind::variable) || std::ranges::find(bound, e) != bound.end()) continue;
      if (std::ranges::none_of(c_.axes, [&](const computation::axis& x) { return x.variable == e; })) return false;
    }
    for (const computation::axis& x : c_.axes)
      if (x.variable->is(expr_kind::variable) && contains(r, [&](expr_ref e) { return e == x.variable; })) {
        axes_.push_back(x);
        rows *= x.size;
      }
    // Of columns that lie side by side, blocks are worked on at once; of other rows one after the other.
    const bool columns = !axes_.empty() && is_dense(r, axes_.back().variable);
    const extent_t side = columns ? side_by_side * lanes_for(c_, m_) : 1;
    const extent_t trips = columns ? rows / axes_.back().size * ((axes_.back().size + side - 1) / side) : rows;
    const extent_t together = (columns ? rows * count : count) * size_of(r->type);
    blocks_ = static_cast<extent_t>(
        std::bit_floor(static_cast<std::uint64_t>(std::clamp<extent_t>(longest(r) / least_in_block, 1, most_blocks))));
    return blocks_ > 1 && trips > 0 && trips < enough_trips && together > m_.l2_bytes / 2;
  }
  extent_t longest(expr_ref r) const {
    extent_t n = 0;
    for (int i = 0; i < r->loops(); ++i) n = std::max(n, c_.at_call(r->loop_extent(i)));
    return n;
  }
  bool is_dense(expr_ref r, expr_ref variable) const {
    for (expr_ref e : post_order(std::span(&r, 1))) {
      if (!e->is(expr_kind::load)) continue;
      const expr_ref v[] = {variable};
      const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(e->payload)];
      const affine_form f = affine(a_, linear_index(a_, b, e->indices()), v);
      if (f.ok && f.coefficients[0]->is_constant(1)) return true;
    }
    return false;
  }

  const computation& c_;
  expr_arena& a_;
  const machine_model& m_;
  expr_ref found_ = nullptr;
  std::vector<computation::axis> axes_;  // that it mentions
  extent_t blocks_ = 1;
};

std::vector<expr_ref> variables(const std::vector<computation::axis>& axes) {
  std::vector<expr_ref> v;
  for (const computation::axis& x : axes) v.push_back(x.variable);
  return v;
}
std::vector<expr_ref> extents(const std::vector<computation::axis>& axes) {
  std::vector<expr_ref> v;
  for (const computation::axis& x : axes) v.push_back(x.extent);
  return v;
}

std::int64_t read_temporary(computation& c, int number, dtype t, std::vector<expr_ref> extents) {
  const std::int64_t id = c.kernel.add_buffer("t" + std::to_string(number), t, scope::parameter, std::move(extents));
  c.parameters.push_back({nullptr, nullptr, number});
  return id;
}
// The result's place is taken by a temporary.
void write_temporary(computation& c, int number, std::vector<computation::axis> axes, expr_ref value) {
  c.axes = std::move(axes);
  c.value = value;
  // Kept, the others would still be parameters that nobody writes.
  for (const computation::result& r : c.also) c.kernel.buffers[static_cast<std::size_t>(r.buffer)].written = false;
  c.also.clear();
  buffer& b = c.kernel.buffers[static_cast<std::size_t>(c.output)];
  b.name = "t" + std::to_string(number);
  b.type = value->type;
  b.extents = extents(c.axes);
  b.strides.clear();
  c.parameters[static_cast<std::size_t>(c.output)] = {nullptr, nullptr, number};
}

// A sum over what an earlier kernel left, for the same axes.
expr_ref sum_of_parts(computation& c, const splitter& s, int number) {
  expr_arena& a = c.kernel.make();
  const expr_ref p = a.fresh_variable(), count = a.index(s.blocks());
  std::vector<expr_ref> at = variables(s.axes()), sizes = extents(s.axes());
  at.insert(at.begin(), p);
  sizes.insert(sizes.begin(), count);
  const dtype t = s.found()->type;
  const std::pair<expr_ref, expr_ref> loops[] = {{p, count}};
  return a.reduce(s.found()->reducer(), loops, a.load(t, read_temporary(c, number, t, std::move(sizes)), at));
}

void make_parts(computation& c, const splitter& s, int number) {
  expr_arena& a = c.kernel.make();
  const expr_ref r = s.found(), p = a.fresh_variable();
  std::vector<std::pair<expr_ref, expr_ref>> loops;
  for (int i = 0; i < r->loops(); ++i) loops.emplace_back(r->loop_variable(i), r->loop_extent(i));
  // The outermost loop that gives every block something to do.
  std::size_t cut = 0;
  while (c.at_call(loops[cut].second) < s.blocks() * least_in_block) ++cut;
  const expr_ref all = loops[cut].second, inner = a.fresh_variable();
  const extent_t multiple = c.at_call(all) >= s.blocks() * block_multiple * least_in_block ? block_multiple : 1;
  const expr_ref unit = a.index(multiple), units = a.index(s.blocks() * multiple);
  const expr_ref size = a.mul(a.div(a.add(all, a.sub(units, a.index(1))), units), unit), first = a.mul(p, size);
  const std::pair<expr_ref, expr_ref> by[] = {{loops[cut].first, a.add(first, inner)}};
  const expr_ref body = a.substitute(r->body(), by);
  loops[cut] = {inner, a.max(a.index(0), a.min(size, a.sub(all, first)))};
  std::vector<computation::axis> axes = s.axes();
  axes.insert(axes.begin(), {p, a.index(s.blocks()), s.blocks()});
  c.kernel.name += "_part";
  write_temporary(c, number, std::move(axes), a.reduce(r->reducer(), loops, body));
}

void make_whole(computation& c, const splitter& s, int parts, int number) {
  c.kernel.name += "_whole";
  const expr_ref sum = sum_of_parts(c, s, parts);
  write_temporary(c, number, s.axes(), sum);
}

void replace(computation& c, const splitter& s, int parts, int whole) {
  expr_arena& a = c.kernel.make();
  const dtype t = s.found()->type;
  const std::vector<expr_ref> at = variables(s.axes());
  const expr_ref made =
      s.is_last() ? sum_of_parts(c, s, parts) : a.load(t, read_temporary(c, whole, t, extents(s.axes())), at);
  const auto rewritten = [&](expr_ref e) { return e == s.found() ? made : nullptr; };
  c.value = a.rewrite(c.value, rewritten);
  for (computation::result& r : c.also) r.value = a.rewrite(r.value, rewritten);
}

}  // namespace

std::vector<computation> split_reductions(const std::function<computation()>& lower, const machine_model& m) {
  std::vector<computation> all;
  // A copy in which the first reductions are made already.
  const auto after = [&](int made) {
    computation c = lower();
    if (c.value) merge_axes(c);  // a block is cut from as long a loop as there is
    for (int i = 0; i < made; ++i) replace(c, splitter(c, m), 2 * i, 2 * i + 1);
    return c;
  };
  for (int i = 0;; ++i) {
    computation c = after(i);
    // Sums of products and attention have rules of their own, a program its own loops.
    const bool whole = !c.value || match_product(c) || match_attention(c);
    const splitter s(c, m);
    if (whole || !s.found()) {
      all.push_back(std::move(c));
      return all;
    }
    const bool last = s.is_last();
    make_parts(c, s, 2 * i);
    all.push_back(std::move(c));
    if (last) continue;
    computation w = after(i);
    make_whole(w, splitter(w, m), 2 * i, 2 * i + 1);
    all.push_back(std::move(w));
  }
}

}  // namespace tenon::scheduling
