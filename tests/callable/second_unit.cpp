#include "callable/two_units.hpp"

namespace tenon::test {

tensor<f32, shape<dyn, 3>> traced_there(const shared_model& m, const shared_rows& x) { return m(x); }

compiled<tensor<f32, shape<dyn, 3>>(shared_rows)> built_there(const param_set& p, const char* target) {
  return build(shared_model(), signature<shared_rows>{}, {.target = target, .params = p});
}

}  // namespace tenon::test
