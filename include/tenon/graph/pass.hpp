// Graph passes of the user's own: rewrite rules, functions from graph to graph, and instruments that watch all passes.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "tenon/dsl/options.hpp"
#include "tenon/dsl/tensor.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {

namespace detail {
struct rule_sides {
  node_ref from, to;
};
}  // namespace detail

/// The two sides of a rewrite rule: `relu(relu(any("x"))) >> relu(any("x"))`.
inline detail::rule_sides operator>>(const tensor<any_dtype, any_shape>& from, const tensor<any_dtype, any_shape>& to) {
  return {from.node(), to.node()};
}

/// What stands left of `>>` becomes what stands right of it. `any("x")` matches every value, `input<f32,
/// any_shape>("x")` every one of that type and shape; the same name twice matches one value twice. Numbers match
/// constants of that value, and need a variable of a stated type beside them.
class rewrite_rule {
 public:
  const detail::node_ref& from() const { return from_; }
  const detail::node_ref& to() const { return to_; }

 private:
  friend rewrite_rule rule(detail::rule_sides, const loc&);
  rewrite_rule(detail::node_ref from, detail::node_ref to) : from_(std::move(from)), to_(std::move(to)) {}
  detail::node_ref from_, to_;
};
/// Checks that both sides have equal shapes and types on all of a few hundred operands that the left side takes, and
/// that the right side has no variable that the left one lacks: argument_error, with operands on which they differ.
rewrite_rule rule(detail::rule_sides, const loc& where = std::source_location::current());

/// A named pass over graphs.
class graph_pass {
 public:
  /// One rule, applied from the operands up, again where its result matches again.
  graph_pass(std::string name, rewrite_rule);
  graph_pass(std::string name, std::initializer_list<rewrite_rule>);
  /// Any function from graph to graph: it keeps the inputs in number, order and type, and the types of the outputs.
  template <class F>
    requires requires(const F& f, const ir::graph& g) { ir::graph(f(g)); }
  graph_pass(std::string name, F f) : graph_pass(std::move(name), new function<F>(std::move(f))) {}
  graph_pass(const graph_pass&);
  graph_pass(graph_pass&&) noexcept;
  graph_pass& operator=(graph_pass) noexcept;
  ~graph_pass();

  const std::string& name() const { return name_; }
  ir::graph operator()(const ir::graph&) const;

 private:
  struct body {
    virtual ~body() = default;
    virtual ir::graph run(const ir::graph&) const = 0;
    mutable int references = 1;  ///< counted atomically; a shared_ptr costs every user's compiler
  };
  template <class F>
  struct function final : body {
    explicit function(F f) : call(std::move(f)) {}
    ir::graph run(const ir::graph& g) const override { return call(g); }
    F call;
  };
  struct rules;
  graph_pass(std::string name, const body*) noexcept;  // takes what was counted

  std::string name_;
  const body* body_;
};

/// Where a pass of the user's own stands: right behind every run of the named pass, or right before it.
struct pass_place {
  std::string pass;
  bool behind = true;
};
pass_place after(std::string_view pass);
pass_place before(std::string_view pass);

/// Watches the graph passes of the callables made with a context: their names, what goes in, what comes out.
class pass_instrument {
 public:
  virtual ~pass_instrument() = default;
  virtual void before(std::string_view pass, const ir::graph&);
  virtual void after(std::string_view pass, const ir::graph&, double seconds);
};

}  // namespace tenon
