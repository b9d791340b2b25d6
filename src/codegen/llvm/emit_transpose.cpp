// Transposed loads: what an unrolled loop inside a vectorized one reads along another axis than its lanes run, as
// vectors along that axis, transposed in registers. Interleaved stores: what it writes along itself between the lanes.
#include <bit>

#include "codegen/llvm/emitter.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;

/// rows[i][j] at [j][i], as many rows as elements in each. Inside 128 bits rows whose numbers differ in one bit are
/// zipped, from the highest such bit down: each step exchanges that bit with one of the elements' numbers. Then whole
/// 128-bit pieces are dealt out the same way. Each step of two rows is one shuffle on every x86.
std::vector<emitter::value> emitter::transposed(std::vector<value> rows, int element_bytes) {
  const int n = static_cast<int>(rows.size()), piece = std::min(n, 16 / element_bytes);
  const auto exchange = [&](int distance, auto low, auto high) {
    std::vector<int> first, second;
    for (int i = 0; i < n; ++i) first.push_back(low(i)), second.push_back(high(i));
    for (int r = 0; r < n; ++r) {
      if (r & distance) continue;
      value &a = rows[static_cast<std::size_t>(r)], &b = rows[static_cast<std::size_t>(r + distance)];
      value x = b_.CreateShuffleVector(a, b, first), y = b_.CreateShuffleVector(a, b, second);
      a = x, b = y;
    }
  };
  for (int distance = piece / 2; distance >= 1; distance /= 2) {
    const auto zip = [&](int i, int half) { return i / piece * piece + half + i % piece / 2 + i % 2 * n; };
    exchange(distance, [&](int i) { return zip(i, 0); }, [&](int i) { return zip(i, piece / 2); });
  }
  for (int distance = piece; distance < n; distance *= 2) {
    const auto deal = [&](int i, int odd) { return (2 * (i / piece) + odd) * piece + i % piece; };
    exchange(distance, [&](int i) { return deal(i, 0); }, [&](int i) { return deal(i, 1); });
  }
  return rows;
}

/// `count` elements along `across` from `first`, of the lane at `at`: those for which the mask holds.
emitter::value emitter::row_mask(expr_ref mask, value at, expr_ref across, value first, int count) {
  if (mask->is_true()) return nullptr;
  lane_context rows;
  rows.variable = across;
  rows.width = count;
  lane_context* columns = std::exchange(lanes_, &rows);
  // Nothing that is known of this lane or of this place along `across` holds there.
  std::vector<cached> kept(1);
  kept.swap(scopes_);
  cached kept_volatile = std::exchange(volatile_, {});
  value base = std::exchange(bindings_.at(columns->variable), at);
  value m;
  {
    binding b(*this, across, first);
    m = vector(mask);
  }
  bindings_[columns->variable] = base;
  volatile_ = std::move(kept_volatile);
  scopes_.swap(kept);
  lanes_ = columns;
  return m;
}

std::vector<emitter::value> emitter::load_transposed(expr_ref load, expr_ref across, int count) {
  const access a{load->payload, load->indices()};
  const dtype d = type_of(a);
  const int width = lanes(), n = std::min(width, count);
  std::vector<value> pointers;
  {
    region r(*this);
    binding b(*this, across, index_number(0));
    pointers = lane_pointers(a);
  }
  // Lanes that do not run read what the first one reads, which does.
  if (lanes_->mask)
    for (std::size_t i = 1; i < pointers.size(); ++i)
      pointers[i] = b_.CreateSelect(lane(lanes_->mask, static_cast<int>(i)), pointers[i], pointers[0]);
  std::vector<std::vector<value>> parts(static_cast<std::size_t>(count));  // of each result, lanes ascending
  value base = bindings_.at(lanes_->variable);
  for (int from = 0; from < width; from += n)
    for (int first = 0; first < count; first += n) {
      std::vector<value> rows;
      for (int i = from; i < from + n; ++i) {
        value p = b_.CreateInBoundsGEP(a_->memory_type(d), pointers[static_cast<std::size_t>(i)], index_number(first));
        value at =
            lanes_->mask ? b_.CreateSelect(lane(lanes_->mask, i), index_number(i), index_number(0)) : index_number(i);
        value m = row_mask(load->mask(), b_.CreateNSWAdd(base, at), across, index_number(first), n);
        rows.push_back(a_->to_memory(d, read_contiguous(load->payload, p, m, n)));
      }
      rows = transposed(std::move(rows), size_of(d));
      for (int i = 0; i < n; ++i)
        parts[static_cast<std::size_t>(first + i)].push_back(rows[static_cast<std::size_t>(i)]);
    }
  std::vector<value> result;
  for (std::vector<value>& p : parts) {
    // Halves beside each other until one vector is left.
    for (; p.size() > 1; p.resize(p.size() / 2))
      for (std::size_t i = 0; i < p.size() / 2; ++i) {
        llvm::SmallVector<int, 64> order;
        for (int k = 0; k < 2 * arithmetic::lanes_of(p[2 * i]); ++k) order.push_back(k);
        p[i] = b_.CreateShuffleVector(p[2 * i], p[2 * i + 1], order);
      }
    result.push_back(a_->from_memory(d, p[0]));
  }
  return result;
}

/// What the stores of an unrolled loop read with unit stride along it and any other along the lanes, all trips at once.
std::vector<std::pair<expr_ref, std::vector<emitter::value>>> emitter::transposed_loads(const ir::loop& x) {
  const auto* s = std::get_if<ir::store>(&x.body->v);
  if (!lanes_ || !s || !x.begin->is_constant(0)) return {};
  const std::int64_t count = x.end->payload;
  if (count < 2 || count > 64 || !std::has_single_bit(static_cast<std::uint64_t>(count))) return {};
  std::vector<std::pair<expr_ref, std::vector<value>>> all;
  statement scope(*this);
  for (expr_ref e : ir::post_order(std::span(&s->value, 1))) {
    if (!e->is(expr_kind::load) || reads_written(e)) continue;
    const access a{e->payload, e->indices()};
    if (step(a, x.variable) != 1 || classify(a) != pattern::affine) continue;
    all.emplace_back(e, load_transposed(e, x.variable, static_cast<int>(count)));
  }
  return all;
}

/// The store of an unrolled loop whose trips lie side by side in each lane, all trips at once: to[.., lane, trip].
bool emitter::interleaved_store(const ir::loop& x) {
  const auto* s = std::get_if<ir::store>(&x.body->v);
  if (!lanes_ || !s || !x.begin->is_constant(0) || !s->mask->is_true()) return false;
  const std::int64_t count = x.end->payload;
  const access to{s->buffer, s->indices};
  const dtype d = type_of(to);
  if ((count != 2 && count != 4) || lanes() * count > 64 || (lanes_->mask && !masked_memory(d))) return false;
  if (buffers_[static_cast<std::size_t>(s->buffer)].lanes || reads_written(s->value) ||
      step(to, lanes_->variable) != count || step(to, x.variable) != 1)
    return false;
  // Of two vectors the lanes in turn.
  const auto zip = [&](value a, value b) {
    llvm::SmallVector<int, 64> order;
    for (int n = arithmetic::lanes_of(a), i = 0; i < n; ++i) order.append({i, n + i});
    return b_.CreateShuffleVector(a, b, order);
  };
  std::vector<value> trips;
  value first = nullptr;
  for (std::int64_t i = 0; i < count; ++i) {
    region r(*this);
    statement scope(*this);
    binding at(*this, x.variable, index_number(i));
    if (i == 0) first = pointer(s->buffer, offset(to));
    trips.push_back(vector(s->value));
  }
  value all = count == 2 ? zip(trips[0], trips[1]) : zip(zip(trips[0], trips[2]), zip(trips[1], trips[3]));
  value mask = lanes_->mask;
  for (std::int64_t n = count; mask && n > 1; n /= 2) mask = zip(mask, mask);
  write_contiguous(s->buffer, first, all, mask);
  return true;
}

}  // namespace tenon::codegen
