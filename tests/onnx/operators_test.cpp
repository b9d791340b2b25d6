// Operators of ONNX that the import writes in several of ours, against plain loops; and what they refuse.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/files.hpp"
#include "targets.hpp"
#include "tenon/onnx/onnx.hpp"
#include "tenon/tenon.hpp"
#include "writer.hpp"

using namespace tenon;
using namespace writer;

namespace {

onnx_model imported(const std::string& m, const onnx_options& o = {}) { return import_onnx(bytes(m), o); }
std::string refusal(const std::string& m) {
  try {
    (void)imported(m);
  } catch (const load_error& e) {
    return e.what();
  }
  return "nothing was thrown";
}
#define CHECK_REFUSAL(model, words) CHECK_MESSAGE(test::has(refusal(model), words), refusal(model))

}  // namespace

TEST_CASE("Det of batches, against the sum over all permutations") {
  const std::string m = model(input("x", {"batch", "4", "4"}) + node("Det", {"x"}, {"y"}) + output("y"));
  const array<f32> x = array<f32>::uniform({3, 4, 4}, 8);
  for (const char* target : test::targets) {
    const std::vector<param_value> y = build(imported(m), {.target = target})(x);
    REQUIRE(y[0].dims() == dims{3});
    for (extent_t b = 0; b < 3; ++b) {
      std::vector<extent_t> p{0, 1, 2, 3};
      double sum = 0;
      do {
        double term = 1;
        for (std::size_t i = 0; i < 4; ++i) {
          term *= x(b, static_cast<extent_t>(i), p[i]);
          for (std::size_t j = 0; j < i; ++j)
            if (p[j] > p[i]) term = -term;
        }
        sum += term;
      } while (std::ranges::next_permutation(p).found);
      CHECK(y[0].as<f32>()(b) == doctest::Approx(sum).epsilon(1e-4));
    }
  }
  CHECK_REFUSAL(model(input("x", {"3", "4"}) + node("Det", {"x"}, {"y"}) + output("y")),
                "Det 'make_y': det: [3,4] holds no square matrices");
  CHECK_REFUSAL(model(input("x", {"3", "3"}) + node("Det", {"x"}, {"y"}, {attribute("log", 1)}) + output("y")),
                "Det 'make_y': attribute 'log' is not supported");
}
