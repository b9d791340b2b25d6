// When a depthwise convolution is computed in the kernel of the pointwise one that reads it, for machines that are made
// up here; and what the loops look like.
#include <doctest/doctest.h>

#include <optional>
#include <source_location>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "graph/fuse.hpp"
#include "graph/node.hpp"
#include "loop/kernel.hpp"
#include "loop/lower.hpp"
#include "ops/leaf.hpp"
#include "schedule/given.hpp"
#include "schedule/rules.hpp"

using namespace tenon;
using ir::strips;

namespace {

using test::given, test::ones, test::value;

struct layer {
  extent_t images, height, width, channels, out;
  int stride = 1, times = 1;  ///< results for each channel
  bool channels_last = true, constant = true;
};
ir::graph graph_of(const layer& l) {
  ir::graph g;
  const dims shape =
      l.channels_last ? dims{l.images, l.height, l.width, l.channels} : dims{l.images, l.channels, l.height, l.width};
  const dims deep{l.channels * l.times, 1, 3, 3};
  const value x = given("x", shape), w = l.constant ? ones(deep) : given("w", deep);
  const value moved = l.channels_last ? value(transpose(x, {0, 3, 1, 2})) : x;
  const conv2d_attrs attrs{.stride = {l.stride, l.stride}, .padding = {1, 1}, .groups = static_cast<int>(l.channels)};
  const value y = conv2d(value(relu(conv2d(moved, w, attrs))), ones({l.out, l.channels * l.times, 1, 1}));
  g.inputs = {x.node()};
  if (!l.constant) g.inputs.push_back(w.node());
  g.outputs = {l.channels_last ? value(transpose(y, {0, 2, 3, 1})).node() : y.node()};
  return g;
}

// AVX-512 with 2 MB for each core.
constexpr scheduling::machine_model large{
    .vector_bits = 512, .registers = 32, .fma = true, .l1_bytes = 48 << 10, .l2_bytes = 2 << 20};

const extent_t* contiguous(const ir::node&) { return nullptr; }

/// What the rule says, and how many kernels there are then.
struct answer {
  std::optional<strips> made;
  std::size_t kernels;
};
answer asked(const layer& l, const scheduling::machine_model& m = large) {
  const ir::graph g = graph_of(l);
  answer a{};
  ir::fusion_options o;
  o.as_strips = [&](const ir::fusion& f, const ir::group& k) {
    a.made = scheduling::windows_in_strips(ir::lower(f, k, contiguous, {}), m);
    return *a.made;
  };
  a.kernels = ir::fuse(g, o).groups.size();
  CHECK(a.kernels == (a.made == strips::good ? 1 : 2));
  return a;
}

}  // namespace

TEST_CASE("strips where they cost the products little") {
  CHECK(asked({1, 112, 112, 32, 16}).made == strips::good);
  CHECK(asked({1, 28, 28, 192, 32}).made == strips::good);
  CHECK(asked({2, 28, 28, 192, 64, 2}).made == strips::good);
  // The weights of 4 MB would come from behind the cache for each row.
  scheduling::machine_model m = large;
  CHECK(asked({1, 14, 14, 1024, 1024}).made == strips::costly);
  m.l2_bytes = 16 << 20;
  CHECK(asked({1, 14, 14, 1024, 1024}, m).made == strips::good);
  // Tiles of 3 sums wait for each of them.
  CHECK(asked({1, 100, 3, 64, 16}).made == strips::costly);
  // One row leaves the cache.
  CHECK(asked({1, 4, 9000, 64, 32}).made == strips::costly);
  // Few registers.
  m = large;
  m.vector_bits = 256;
  m.registers = 16;
  CHECK(asked({1, 56, 56, 144, 24}, m).made == strips::costly);
  // Tiles of 14 rows, of which 20 hold no whole number.
  CHECK(asked({1, 28, 20, 192, 32}).made == strips::costly);
}

TEST_CASE("no strips of what the rule of windows does not know, or of what does not lie channels last") {
  CHECK_FALSE(asked({1, 28, 28, 64, 32, 1, 2}).made);  // not even asked
  CHECK(asked({1, 28, 28, 64, 32, 1, 1, true, false}).made == strips::impossible);
  CHECK(asked({1, 28, 28, 64, 32, 1, 1, false}).made == strips::impossible);
  CHECK(asked({1, 28, 28, 4, 32}).made == strips::impossible);  // less than half a vector
  CHECK(asked({1, 28, 28, 64, 1}).made == strips::impossible);  // no columns
  CHECK(asked({1, 28, 1, 64, 32}).made == strips::impossible);  // no rows
}

TEST_CASE("each element of a strip is computed once, and none lies outside of it") {
  for (const int threads : {1, 2, 7}) {
    const ir::graph g = graph_of({3, 23, 17, 40, 24});
    ir::fusion_options o;
    o.as_strips = [](const auto&, const auto&) { return strips::good; };
    const ir::fusion f = ir::fuse(g, o);
    REQUIRE(f.groups.size() == 1);
    ir::computation c = ir::lower(f, f.groups[0], contiguous, {});
    scheduling::machine_model m = large;
    m.threads = threads;
    const scheduling::launch l = scheduling::schedule_default(c, m);
    // Nine products for each of the windows, as many as there are channels for each result; few more for the maps.
    const double windows = 3.0 * 23 * 17 * 40, results = 3.0 * 23 * 17 * 24;
    CHECK(l.operations >= 9 * windows + 40 * results);
    CHECK(l.operations <= 25 * windows + 100 * results);
    // Whole rows of 17 x 40 in what a worker has for itself.
    CHECK(l.scratch > 0);
    CHECK(l.scratch % 4 == 0);
    CHECK(l.scratch <= 23 * 17 * 40 * 4 + 64);
    CHECK(l.extent >= threads);
  }
}
