// The callable's state behind its typed front: what is declared here is no template and lives in src/function.cpp.
#pragma once
#include <cstddef>
#include <string>
#include <utility>

#include "tenon/dsl/handle.hpp"
#include "tenon/dsl/options.hpp"
#include "tenon/runtime/view.hpp"

namespace tenon {

namespace ir {
class graph;  // tenon/graph/graph.hpp
}

/// A text to look at: what `explain()` answers. Prints by `print`.
class explanation {
 public:
  explicit explanation(std::string text) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  friend const std::string& to_string(const explanation& e) { return e.text_; }

 private:
  std::string text_;
};

/// Where the values between a call's kernels lie in its workspace: what `memory_plan()` answers. Prints by `print`.
class workspace_plan {
 public:
  workspace_plan(std::string text, std::string svg) : text_(std::move(text)), svg_(std::move(svg)) {}
  /// A line for each block: offset and bytes, the kernels between which it lives, what it holds; then what lies in part
  /// of a buffer, and scratch.
  const std::string& text() const { return text_; }
  /// An SVG image: kernels across, bytes up.
  const std::string& svg() const { return svg_; }
  friend const std::string& to_string(const workspace_plan& p) { return p.text_; }

 private:
  std::string text_, svg_;
};

namespace detail {

/// A graph, its options, and the executables made so far, one for each set of extents. Immutable as seen from outside;
/// every function below may be called from many threads at once.
struct function;
void retain(function*) noexcept;
void release(function*) noexcept;

/// A counted reference.
class function_ref {
 public:
  function_ref() = default;
  /// Takes over one reference.
  explicit function_ref(function* f) : f_(f) {}
  function_ref(const function_ref& o) : f_(o.f_) {
    if (f_) retain(f_);
  }
  function_ref(function_ref&& o) noexcept : f_(o.f_) { o.f_ = nullptr; }
  function_ref& operator=(function_ref o) noexcept {
    function* const mine = f_;
    f_ = o.f_;
    o.f_ = mine;
    return *this;
  }
  ~function_ref() {
    if (f_) release(f_);
  }
  function& operator*() const { return *f_; }

 private:
  function* f_ = nullptr;
};

/// When a callable binds its params and folds what hangs on them alone.
enum class binding : unsigned char { at_call, now };

/// Makes a callable of a graph: reads the options, checks that each param has a value of its type (argument_error,
/// shape_error, type_error with its name), and compiles nothing unless `when` is `now`. Behind the outputs stand the
/// new values of the inputs whose positions `updated` lists.
function_ref make_function(const node_ref* inputs, std::size_t input_count, const node_ref* outputs,
                           std::size_t output_count, const int* updated, std::size_t update_count, compile_options,
                           binding when, const loc&);

/// Runs. `views` are the arguments, then the results (written through). Checks element types, ranks, extents (named
/// ones across all of them), memory and overlap, and throws before anything is written; compiles when these extents are
/// new. The cached path allocates nothing.
void call_into(function&, const any_view* const* views);

/// Makes result `index` with these extents, and says where: the elements are written there.
struct result_maker {
  const any_view& (*make)(void* context, int index, const dims&, memory*);
  void* context;
};
/// The same, the results made by the caller: once the arguments are checked and before anything runs.
void call_values(function&, const any_view* const* arguments, result_maker);

call_stats stats_of(function&);
ir::graph graph_of(function&);
explanation explain(function&);
workspace_plan memory_plan(function&);
explanation bench(function&, const any_view* const* arguments);

/// The name of a lambda's parameter in errors: "argument 1".
node_ref emit_argument(int index, dtype, const dims&, const loc&);

}  // namespace detail
}  // namespace tenon
