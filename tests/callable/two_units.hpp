// What two translation units of one program share: all of tenon, an operator of their own, a model.
#pragma once
#include <tenon/tenon.hpp>

namespace tenon::test {

inline constexpr auto swish = elementwise("swish", [](auto x) { return x / (1 + exp(-x)); });

struct shared_model {
  param_of<f32, shape<4, 3>> weight{"w"};
  template <tensor_like X>
  auto operator()(X x) const {
    return swish(matmul(x, weight)) * 2;
  }
};
using shared_rows = tensor<f32, shape<dyn, 4>>;

/// Defined in second_unit.cpp.
tensor<f32, shape<dyn, 3>> traced_there(const shared_model&, const shared_rows& x);
compiled<tensor<f32, shape<dyn, 3>>(shared_rows)> built_there(const param_set&, const char* target);

}  // namespace tenon::test
