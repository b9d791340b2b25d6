// What a user may say about a compilation.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/runtime/executor.hpp"
#include "tenon/runtime/memory.hpp"
#include "tenon/runtime/param_set.hpp"

namespace tenon {

namespace detail {
/// Strings in order; a value. Its functions are compiled in the library: a vector's cost every user's compiler.
class string_list {
 public:
  string_list() noexcept;
  string_list(const string_list&);
  string_list(string_list&&) noexcept;
  string_list& operator=(string_list) noexcept;
  ~string_list();
  const std::string* begin() const;
  const std::string* end() const;
  bool empty() const { return begin() == end(); }
  void push_back(std::string_view);
  friend bool operator==(const string_list&, const string_list&);

 private:
  struct content;
  content* content_;  ///< null: none
};
}  // namespace detail

/// What to compile for, as text: "llvm", "llvm -mcpu=x86-64-v3 -num-threads=1", "native". Or a map from device names to
/// targets. The text is read when the callable is made: target_error names the word that is not understood.
class target {
 public:
  target();
  target(const char* text);
  target(std::string text);
  target(std::string_view text);
  target(std::initializer_list<std::pair<const char*, const char*>> devices);
  target(const target&);
  target(target&&) noexcept;
  target& operator=(const target&);
  target& operator=(target&&) noexcept;
  ~target();
  /// Empty when there is a map.
  const std::string& text() const { return text_; }
  /// Names of devices, and of each its target's text.
  const detail::string_list& devices() const { return devices_; }
  const detail::string_list& device_texts() const { return device_texts_; }
  friend bool operator==(const target&, const target&);

 private:
  std::string text_;
  detail::string_list devices_, device_texts_;
};

/// A list of words: `{"fuse"}`, or a vector of them.
struct pass_names : detail::string_list {
  pass_names() noexcept;
  pass_names(std::initializer_list<std::string_view>);
  pass_names(const std::vector<std::string>&);
};

/// Values of passes' options by key: `{{"fold_constants.max_bytes", 1 << 20}, {"mixed_precision", "bf16"}}`.
struct pass_options {
  struct value {
    std::string text;
    value(const char* word);
    value(std::int64_t number);
    value(int number);
  };
  detail::string_list keys, values;  ///< of equal length
  pass_options() noexcept;
  pass_options(std::initializer_list<std::pair<const char*, value>>);
};

class graph_pass;       // tenon/graph/pass.hpp
class pass_instrument;  // tenon/graph/pass.hpp
struct pass_place;      // tenon/graph/pass.hpp

/// The user's own passes and instruments of a context: what `add` was given. A value; copies share what they hold.
class pass_additions {
 public:
  struct content;
  pass_additions() noexcept;
  pass_additions(const pass_additions&) noexcept;
  pass_additions& operator=(pass_additions) noexcept;
  ~pass_additions();
  /// Null when there is nothing.
  const content* get() const { return content_; }
  /// To write into: a copy of its own where it is shared.
  content& own();

 private:
  content* content_ = nullptr;
};

/// An opt_level that nobody gave.
inline constexpr int unset_level = -2147483647 - 1;

/// Which passes run, what they may do, and what they say: a value, handed down. Names and keys that do not exist are an
/// argument_error that lists the known ones, when the callable is made.
struct pass_context {
  int opt_level = unset_level;  ///< 0 to 4; 3 when neither this nor the options' is given
  pass_names disabled{};        ///< passes that do not run
  pass_names required{};        ///< passes that run at any opt_level
  pass_options options{};       ///< values of passes' options
  /// What prints itself, to standard error: words `stage[:before|:after][:pass]`, stages graph, loop, llvm, asm; as
  /// "graph:after:fuse,loop". TENON_DUMP adds to it.
  std::string dump{};
  pass_additions additions{};  ///< by `add`

  /// A pass of the user's own, at a place: `ctx.add(graph_pass("my_rule", rule(...)), after("canonicalize"))`. Passes
  /// at the same place run in the order they were added. argument_error for a name that is taken.
  pass_context& add(graph_pass, pass_place);
  /// Sees every graph pass. It outlives the callables that are made with this context.
  pass_context& add(pass_instrument&);
};

/// The largest value of a named extent: `{{"n", 1024}}`. A callable whose only change from call to call is that extent
/// compiles once, for all values up to it; a call with more is a shape_error. 1 to 1048576, of one extent; a name that
/// no parameter has is an argument_error. Of a longer name the first ten characters count, as in ONNX files.
struct extent_bounds {
  detail::string_list names, values;  ///< of equal length
  extent_bounds() noexcept;
  extent_bounds(std::initializer_list<std::pair<const char*, std::int64_t>>);
};

/// Options of `jit` and `build`.
struct compile_options {
  tenon::target target{};
  param_set params{};           ///< values of the graph's params, by name; they are bound as constants
  int opt_level = unset_level;  ///< 0 to 4; argument_error when the context gives another
  pass_context context{};
  tenon::executor* executor = nullptr;  ///< runs the parallel parts; outlives the callable
  tenon::memory* memory = nullptr;      ///< gives results and workspace; outlives the callable and its results
  bool cache = true;                    ///< read and write the disk cache
  bool deterministic = true;            ///< the same bits for any number of threads
  bool fast_math = false;               ///< the pass of this name: equal for real numbers, not bit for bit
  extent_bounds bounds{};               ///< of a named extent that grows from call to call
};

/// What a callable did so far.
struct call_stats {
  std::int64_t compilations = 0;     ///< of kernels
  std::int64_t memory_hits = 0;      ///< kernels that another callable of the process had
  std::int64_t disk_hits = 0;        ///< kernels read from the disk cache
  double compile_seconds = 0;        ///< spent making executables, hits included
  std::int64_t workspace_bytes = 0;  ///< of the largest executable; results are not in it
  std::int64_t kernels = 0;          ///< of the latest executable
};

/// Loads the compiler ahead of the first call. target_error when it cannot be had.
void warm_up();

}  // namespace tenon
