// A call of known extents allocates nothing.
#include <doctest/doctest.h>

#include <tenon/tenon.hpp>

#include "callable/count_allocations.hpp"
#include "targets.hpp"

using namespace tenon;

TEST_CASE("into allocates nothing once its extents are known, also when they alternate and have strides") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f =
        jit([](tensor<f32, shape<dim("n"), dim("m")>> x, tensor<f32, shape<dim("m")>> y) { return x * 2 + y; },
            {.target = target, .cache = false});
    const array<f32> a = array<f32>::uniform({3, 4}, 1), b = array<f32>::uniform({6, 4}, 2),
                     y = array<f32>::uniform({4}, 3);
    const view<f32> across(a.data(), {3, 4}, {1, 3});
    array<f32> r = array<f32>::zeros({3, 4}), s = array<f32>::zeros({6, 4});
    auto all = [&] {
      f.into(r, a, y);
      f.into(s, b, y);
      f.into(r, across, y);
    };
    all();
    const long before = allocations;
    for (int i = 0; i < 3; ++i) all();
    CHECK(allocations == before);
    CHECK(r(2, 3) == a.data()[11] * 2 + y(3));
    const array<f32> c = array<f32>::uniform({5, 4}, 4);
    array<f32> t = array<f32>::zeros({5, 4});
    const long counted = allocations;
    f.into(t, c, y);  // extents that are new: the count sees what the library does
    CHECK(allocations > counted);
  }
}
