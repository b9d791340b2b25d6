// The callable of a graph whose types only the run time knows: what `build` makes of an imported model.
#pragma once
#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "tenon/dsl/function.hpp"
#include "tenon/graph/graph.hpp"
#include "tenon/runtime/param_set.hpp"

namespace tenon {

/// A function of tensors whose number, element types and extents came with its graph. Compiled for each set of extents
/// at its first call and cached; immutable, cheap to copy, callable from many threads at once.
class [[nodiscard]] untyped_function {
 public:
  /// `inputs` and `outputs` name the arguments and the results, in order.
  untyped_function(detail::function_ref, std::vector<std::string> inputs, std::vector<std::string> outputs);
  untyped_function(const untyped_function&);
  untyped_function(untyped_function&&) noexcept;
  untyped_function& operator=(const untyped_function&);
  untyped_function& operator=(untyped_function&&) noexcept;
  ~untyped_function();

  const std::vector<std::string>& inputs() const { return inputs_; }
  const std::vector<std::string>& outputs() const { return outputs_; }

  /// Runs on arrays and views, in the order of inputs(); the results, with their names, in the order of outputs().
  /// argument_error when there are not as many as inputs; else throws as `compiled` does.
  template <class... A>
    requires(std::convertible_to<const A&, const detail::any_view&> && ...)
  std::vector<param_value> operator()(const A&... arguments) const {
    const detail::any_view* const views[] = {&static_cast<const detail::any_view&>(arguments)..., nullptr};
    return call(views, sizeof...(A));
  }
  /// The same with arguments by name; argument_error for one that is missing or that is no input.
  std::vector<param_value> operator()(const param_set& arguments) const;
  /// The same with a list that is made at run time.
  std::vector<param_value> call(const detail::any_view* const* arguments, std::size_t n) const;

  /// What it did so far.
  call_stats stats() const;
  /// The graph as it was made.
  ir::graph graph() const;
  /// What the library chose for the latest extents: groups, kernels, memory. Prints.
  tenon::explanation explain() const;
  /// How each kernel does on these arguments, by name: what `compiled::bench` answers. Throws as a call does.
  tenon::explanation bench(const param_set& arguments) const;
  /// Where values lie between the kernels, for the latest extents: text that prints, and a drawing. Empty before the
  /// first call.
  workspace_plan memory_plan() const;

 private:
  std::vector<const detail::any_view*> in_order(const param_set& arguments) const;

  detail::function_ref function_;
  std::vector<std::string> inputs_, outputs_;
};

}  // namespace tenon
