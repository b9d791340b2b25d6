#include "schedule/register_tile.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "loop/kernel.hpp"

namespace tenon::scheduling {
namespace {

constexpr std::int64_t line = 64;  // of the caches of all x86 cores

extent_t tiles(extent_t extent, extent_t size) { return (extent + size - 1) / size; }

// How many lines, `stride` bytes apart, fall on different sets of a cache.
std::int64_t different_sets(std::int64_t cache_bytes, int ways, std::int64_t stride) {
  const std::int64_t way = cache_bytes / ways;
  return std::max<std::int64_t>(1, way / std::max(std::gcd(stride, way), line));
}

// Accumulators, one row of b, and one register for what is broadcast; without fma a product needs registers of its own.
// Split operands take a register a part, and their products one; a row that is summed beside them is a constant times
// b.
bool fits(const machine_model& m, const tile_problem& p, int rows, int vectors) {
  const int spare = (m.vector_bits >= 256 ? 1 : 4) + (p.parts - 1) * 2 + p.more_rows;
  return (rows + p.more_rows + p.parts) * vectors + spare <= m.registers;
}

class model {
 public:
  model(const machine_model& m, const tile_problem& p) : m_(m), p_(p) {}

  double cycles(int rows, int vectors) const {
    const auto count = static_cast<double>(tiles(p_.rows, rows) * tiles(p_.columns, extent_t{vectors} * p_.lanes));
    return count * (static_cast<double>(p_.depth) * step(rows, vectors) + whole_tile(rows, vectors));
  }

 private:
  // Of one step: the products, or the loads, or what the latency of a multiply-add lets through.
  // Loads are not all hidden behind products.
  double step(int rows, int vectors) const {
    constexpr double latency = 4, not_hidden = 0.2;
    const double loads = vector_loads(vectors) + rows * broadcast(rows);
    // Moving or splitting the operands takes the place of products.
    const double prepared = p_.parts > 1 ? 2 * (rows + vectors) : p_.more_rows ? rows : 0;
    const double products =
        ((rows + p_.more_rows) * vectors * p_.parts + prepared) / static_cast<double>(m_.products_a_cycle);
    return std::max({products, loads, latency}) + not_hidden * loads;
  }
  // The vectors of b: 64 bytes a cycle from the first level, half of it from the second; from behind it a third, and
  // the first line of each row is not expected by any prefetcher.
  double vector_loads(int vectors) const {
    const std::int64_t panel = p_.depth * vectors * m_.vector_bits / 8;
    if (p_.step_stride > 0 && p_.depth > steps_in_l2(m_, p_.step_stride)) return 4 + 3 * vectors;
    const double lines = vectors * m_.vector_bits / 512.0;
    return panel > m_.l1_bytes / 2 ? 2 * lines : lines;
  }
  // A broadcast of a, two a cycle; where rows throw each other out of the first level, it comes from the second.
  double broadcast(int rows) const {
    const bool collide = rows > (m_.l1_ways - 2) * different_sets(m_.l1_bytes, m_.l1_ways, p_.row_stride);
    return collide ? 1.5 : 0.5;
  }
  // Beside its steps: addresses, and two cycles for each vector that is stored.
  static double whole_tile(int rows, int vectors) { return 12 + 2.0 * rows * vectors; }

  const machine_model& m_;
  const tile_problem& p_;
};

}  // namespace

extent_t steps_in_l2(const machine_model& m, std::int64_t stride) {
  return m.l2_ways * different_sets(m.l2_bytes, m.l2_ways, stride);
}

register_tile choose_register_tile(const machine_model& m, const tile_problem& p) {
  const model costs(m, p);
  register_tile best;
  double least = std::numeric_limits<double>::infinity();
  for (extent_t most = 1; most <= std::min<extent_t>(p.rows, 14); ++most) {
    const auto rows = static_cast<int>(tiles(p.rows, tiles(p.rows, most)));
    for (int vectors = 1; fits(m, p, rows, vectors) && vectors <= 16; ++vectors) {
      if (vectors > 1 && static_cast<extent_t>(vectors - 1) * p.lanes >= p.columns) break;
      if (vectors * p.lanes > ir::contraction::most_columns) break;
      const double cycles = costs.cycles(rows, vectors);
      if (cycles > least) continue;  // of equals the one with more rows, which reads less of b
      least = cycles;
      best = {rows, vectors, cycles};
    }
  }
  return best;
}

}  // namespace tenon::scheduling
