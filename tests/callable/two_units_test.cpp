// Two translation units that include all of tenon link, and what they make is the same.
#include "callable/two_units.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "targets.hpp"

using namespace tenon;
using namespace tenon::test;

TEST_CASE("handles, callables, params and arrays go from one translation unit to the other") {
  param_set p;
  p.set("w", array<f32>::uniform({4, 3}, 1));
  const array<f32> x = array<f32>::uniform({5, 4}, 2);
  for (const char* target : test::targets) {
    const compile_options o{.target = target, .params = p};
    const auto here = build(shared_model(), signature<shared_rows>{}, o);
    const auto there = built_there(p, target);
    const auto mixed =
        build([](shared_rows r) { return traced_there(shared_model(), r); }, signature<shared_rows>{}, o);
    const array<f32> a = here(x), b = there(x), c = mixed(x);
    REQUIRE(a.dims() == dims{5, 3});
    REQUIRE(b.dims() == a.dims());
    REQUIRE(c.dims() == a.dims());
    CHECK(std::memcmp(a.data(), b.data(), 15 * sizeof(float)) == 0);
    CHECK(std::memcmp(a.data(), c.data(), 15 * sizeof(float)) == 0);
    // One structure, so one set of kernels: the later ones found the first one's.
    CHECK(there.stats().compilations == 0);
    CHECK(mixed.stats().compilations == 0);
  }
}
