// The model that chooses register tiles: what it may never choose, and what it must choose where the answer is known.
#include "schedule/register_tile.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <utility>

using namespace tenon;
using namespace tenon::scheduling;

namespace {
constexpr machine_model avx512{.vector_bits = 512, .registers = 32}, avx2{.vector_bits = 256, .registers = 16},
    sse{.vector_bits = 128, .registers = 16};
}

TEST_CASE("a tile fits in the registers, and in the problem") {
  std::mt19937_64 random(1);
  for (int n = 0; n < 20'000; ++n) {
    const machine_model& m = *std::array{&avx512, &avx2, &sse}[random() % 3];
    const auto extent = [&] { return static_cast<extent_t>(1 + random() % (random() % 2 ? 40 : 4000)); };
    const tile_problem p{.rows = extent(),
                         .columns = extent(),
                         .depth = extent(),
                         .lanes = m.vector_bits / (random() % 2 ? 32 : 64),
                         .row_stride = 4 * extent(),
                         .step_stride = random() % 2 ? 4 * extent() : 0};
    const register_tile t = choose_register_tile(m, p);
    CAPTURE(p.rows);
    CAPTURE(p.columns);
    CAPTURE(t.rows);
    CAPTURE(t.vectors);
    REQUIRE(t.rows >= 1);
    REQUIRE(t.vectors >= 1);
    REQUIRE(t.rows * t.vectors + t.vectors < m.registers);
    REQUIRE(t.rows <= p.rows);
    // No vector of the tile is wholly behind the last column.
    REQUIRE((t.vectors - 1) * p.lanes < p.columns);
    // Balanced: as many tiles could not be lower.
    const extent_t tiles = (p.rows + t.rows - 1) / t.rows;
    REQUIRE(t.rows == (p.rows + tiles - 1) / tiles);
  }
}

TEST_CASE("tiles that are known to be right") {
  const auto chosen = [](const machine_model& m, tile_problem p) {
    p.lanes = m.vector_bits / 32;
    const register_tile t = choose_register_tile(m, p);
    return std::pair(t.rows, t.vectors);
  };
  // Many rows that do not collide: nearly all registers hold sums.
  const auto [rows, vectors] = chosen(avx512, {.rows = 1200, .columns = 960, .depth = 500, .row_stride = 2000});
  CHECK(rows * vectors >= 24);
  CHECK(rows >= 8);
  // Rows 4 KiB apart share one set of an 8-way first level: fewer rows, more vectors.
  CHECK(chosen(avx512, {.rows = 1200, .columns = 960, .depth = 1024, .row_stride = 4096}).first <= 8);
  CHECK(chosen(avx2, {.rows = 1200, .columns = 960, .depth = 500, .row_stride = 2000}) == std::pair(6, 2));
  // One row: as much of it as hides the latency of a multiply-add, and no tile is higher than the problem.
  CHECK(chosen(avx512, {.rows = 1, .columns = 4096, .depth = 4096}).first == 1);
  CHECK(chosen(avx512, {.rows = 1, .columns = 4096, .depth = 4096}).second >= 4);
  // 26 rows are two tiles of 13, not one of 14 and one of 12.
  CHECK(chosen(avx512, {.rows = 26, .columns = 32, .depth = 64, .row_stride = 256}).first == 13);
}
