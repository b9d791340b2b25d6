#include "ops/all.hpp"

#include <algorithm>
#include <boost/hana/for_each.hpp>
#include <span>
#include <vector>

#include "dsl/body.hpp"
#include "graph/op_def.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

std::span<const op_def* const> all_operators() {
  static const std::vector<const op_def*> all = [] {
    std::vector<const op_def*> r{&input_definition(),       &param_definition(), &constant_definition(),
                                 &result_definition(),      &as_definition(),    &compute_definition(),
                                 &elementwise_definition(), &while_definition(), &if_definition(),
                                 &scan_definition()};
    boost::hana::for_each(operator_types,
                          [&](auto type) { r.push_back(&detail::definition<typename decltype(type)::type>()); });
    std::sort(r.begin(), r.end(), [](const op_def* a, const op_def* b) { return a->name < b->name; });
    return r;
  }();
  return all;
}

const op_def* find_operator(std::string_view name) {
  const auto all = all_operators();
  const auto it =
      std::lower_bound(all.begin(), all.end(), name, [](const op_def* d, std::string_view n) { return d->name < n; });
  return it != all.end() && (*it)->name == name ? *it : nullptr;
}

}  // namespace tenon::ir
