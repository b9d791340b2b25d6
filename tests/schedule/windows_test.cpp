// Grouped convolutions whose groups share vectors of channels: which ones the rule of windows takes, and what their
// loops look like, for machines that are made up here.
#include <doctest/doctest.h>

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

namespace {

using test::given, test::ones, test::value;

struct layer {
  int groups;
  extent_t in, out;  ///< channels of a group
  extent_t kernel = 3;
  bool constant = true, channels_last = true;
};

constexpr scheduling::machine_model avx512{.vector_bits = 512, .registers = 32, .fma = true},
    avx2{.vector_bits = 256, .registers = 16, .fma = true};

struct scheduled {
  ir::kernel k;
  scheduling::launch l;
  // No tiles, and weights that the rule packed.
  bool of_windows() const { return ir::to_string(k).find("contraction") == std::string::npos && l.packed.size() == 1; }
};
scheduled scheduled_for(const layer& l, const scheduling::machine_model& m) {
  const extent_t channels = l.groups * l.in, size = 20;
  const dims deep{l.groups * l.out, l.in, l.kernel, l.kernel};
  const value x = given("x", l.channels_last ? dims{1, size, size, channels} : dims{1, channels, size, size}),
              w = l.constant ? ones(deep) : given("w", deep);
  const int around = static_cast<int>(l.kernel / 2);
  const value y = conv2d(l.channels_last ? value(transpose(x, {0, 3, 1, 2})) : x, w,
                         {.padding = {around, around}, .groups = l.groups});
  ir::graph g;
  g.inputs = {x.node()};
  if (!l.constant) g.inputs.push_back(w.node());
  g.outputs = {l.channels_last ? value(transpose(y, {0, 2, 3, 1})).node() : y.node()};
  const ir::fusion f = ir::fuse(g, {});
  REQUIRE(f.groups.size() == 1);
  ir::computation c = ir::lower(f, f.groups[0], [](const ir::node&) -> const extent_t* { return nullptr; }, {});
  scheduling::launch made = scheduling::schedule_default(c, m);
  ir::verify(c.kernel);
  return {std::move(c.kernel), std::move(made)};
}
bool of_windows(const layer& l, const scheduling::machine_model& m) { return scheduled_for(l, m).of_windows(); }

}  // namespace

TEST_CASE("groups that share a vector are windows of channels") {
  for (const scheduling::machine_model& m : {avx512, avx2}) {
    CHECK(of_windows({32, 4, 4}, m));
    CHECK(of_windows({64, 2, 2}, m));
    CHECK(of_windows({32, 4, 2}, m));
    CHECK(of_windows({32, 2, 4}, m));
    CHECK(of_windows({32, 1, 2}, m));
    CHECK(of_windows({32, 2, 2, 5}, m));
    CHECK_FALSE(of_windows({32, 16, 16}, m));   // a vector or more for each group
    CHECK_FALSE(of_windows({32, 3, 3}, m));     // vectors end inside of groups
    CHECK_FALSE(of_windows({32, 8, 2}, m));     // blocks of four vectors for one
    CHECK_FALSE(of_windows({32, 4, 4, 7}, m));  // 196 steps of straight code
    CHECK_FALSE(of_windows({32, 4, 4, 3, false}, m));
    CHECK_FALSE(of_windows({32, 4, 4, 3, true, false}, m));
  }
  CHECK(of_windows({32, 8, 8}, avx512));
  CHECK_FALSE(of_windows({32, 8, 8}, avx2));
}

TEST_CASE("they read blocks of channels as they lie, and weights by lanes") {
  const scheduled s = scheduled_for({32, 4, 4}, avx512);
  const std::string text = ir::to_string(s.k);
  CAPTURE(text);
  CHECK(text.find("scratch") == std::string::npos);
  for (const char* in_block : {" / 4 * 4]", " / 4 * 4 + 1]", " / 4 * 4 + 2]", " / 4 * 4 + 3]"})
    CHECK(text.find(in_block) != std::string::npos);
  CHECK(text.find(" / 4 * 4 + 4]") == std::string::npos);
  REQUIRE(s.l.packed.size() == 1);
  const scheduling::constant_packing& w = s.l.packed[0];
  CHECK(w.width == 128);
  CHECK(w.column_stride == 36);
  CHECK(w.reduction == std::vector<std::pair<extent_t, extent_t>>{{4, 9}, {3, 3}, {3, 1}});
  // The code generator is told how many channels there are.
  CHECK(s.k.buffers[0].extents.back()->is_constant(128));
  const ir::kernel again = ir::parse_kernel(text);
  CHECK(ir::to_string(again) == text);
}
