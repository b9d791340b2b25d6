#include "tenon/graph/untyped.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/node.hpp"
#include "runtime/shared_block.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {

untyped_function::untyped_function(detail::function_ref f, std::vector<std::string> inputs,
                                   std::vector<std::string> outputs)
    : function_(std::move(f)), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
untyped_function::untyped_function(const untyped_function&) = default;
untyped_function::untyped_function(untyped_function&&) noexcept = default;
untyped_function& untyped_function::operator=(const untyped_function&) = default;
untyped_function& untyped_function::operator=(untyped_function&&) noexcept = default;
untyped_function::~untyped_function() = default;

call_stats untyped_function::stats() const { return detail::stats_of(*function_); }
ir::graph untyped_function::graph() const { return detail::graph_of(*function_); }
tenon::explanation untyped_function::explain() const { return detail::explain(*function_); }
workspace_plan untyped_function::memory_plan() const { return detail::memory_plan(*function_); }

std::vector<param_value> untyped_function::call(const detail::any_view* const* arguments, std::size_t n) const {
  if (n != inputs_.size())
    throw argument_error(fmt::format("call: {} arguments, the function has {} inputs", n, inputs_.size()));
  struct results {
    std::vector<detail::array_storage> made;
    std::vector<dtype> types;
  } r;
  for (const detail::node_ref& o : detail::graph_of(*function_).outputs) r.types.push_back(o->type.element);
  r.made.reserve(r.types.size());
  const auto make = [](void* to, int index, const dims& d, memory* m) -> const detail::any_view& {
    auto& all = *static_cast<results*>(to);
    return all.made.emplace_back(all.types[static_cast<std::size_t>(index)], d, m).get();
  };
  detail::call_values(*function_, arguments, {make, &r});
  std::vector<param_value> named;
  for (std::size_t i = 0; i < r.made.size(); ++i) named.push_back(detail::own(outputs_[i], std::move(r.made[i])));
  return named;
}

std::vector<const detail::any_view*> untyped_function::in_order(const param_set& arguments) const {
  std::vector<const detail::any_view*> views;
  std::size_t used = 0;
  for (const std::string& name : inputs_) {
    const param_value* v = arguments.find(name);
    if (!v) throw argument_error(fmt::format("call: no argument for input '{}'", name));
    ++used;
    views.push_back(&static_cast<const detail::any_view&>(*v));
  }
  if (used != arguments.size())
    for (const param_value& v : arguments)
      if (std::find(inputs_.begin(), inputs_.end(), v.name()) == inputs_.end())
        throw argument_error(fmt::format("call: the function has no input '{}'", v.name()));
  return views;
}

std::vector<param_value> untyped_function::operator()(const param_set& arguments) const {
  const auto views = in_order(arguments);
  return call(views.data(), views.size());
}

tenon::explanation untyped_function::bench(const param_set& arguments) const {
  return detail::bench(*function_, in_order(arguments).data());
}

}  // namespace tenon
