// The callable's state: the graph, and an executable for each set of extents seen so far.
#include "function.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "explain.hpp"
#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "pipeline.hpp"
#include "runtime/shared_block.hpp"
#include "segments.hpp"
#include "tenon/runtime/array.hpp"

namespace tenon::detail {

namespace {

constexpr int max_stack_arguments = 32;

/// What a cached call compares a view with.
struct expected_view {
  dims extents;
  std::uintptr_t misaligned;  // bits of an address that are not set
  std::int64_t bytes;
};

/// Executable for one set of extents and strides, or for those that differ in the extent that grows alone. Never freed
/// before its callable: a pointer to it stays good.
struct entry {
  const entry* next = nullptr;  // the one made before
  std::vector<extent_t> key;
  std::unique_ptr<const compiled_graph> made;
  std::vector<expected_view> views;  // arguments, then results
  bool plain = true;                 // made for arguments without strides
  growth_range range{};              // of the extent that grows, as in `made`
};

/// A named extent with a bound, and the axis that says what it is at a call.
struct bounded_extent {
  extent_t name = 0, most = 0;  // most 0: there is none
  int argument = 0, axis = 0;

  extent_t at(const any_view* const* views) const { return views[argument]->dims[axis]; }
};

/// Kernels rely on the least value that they serve, as tiles of rows do, so there are executables for ranges of values:
/// those that begin at `least` end before this. Kernels that rely on nothing are the same in all of them.
constexpr extent_t end_of_range(extent_t least) { return least < 4 ? least + 1 : least < 64 ? 2 * least : 4 * least; }

}  // namespace

struct function {
  mutable std::atomic<std::int64_t> references{1};
  ir::graph traced, prepared;
  bool is_prepared = false;
  compile_options options;
  compile_settings settings;
  loc where;
  int arguments = 0, results = 0;
  std::unique_ptr<const segments> cut;  // extents depend on data: runs instead of all that follows
  std::vector<int> updates;             // arguments that a call changes
  bounded_extent bounded;

  std::atomic<const entry*> last{nullptr};    // the latest call's
  std::atomic<const entry*> newest{nullptr};  // all of them, read without the mutex
  std::mutex mutex;  // guards what follows; held while compiling, so each set of extents is compiled once
  std::deque<entry> entries;
  std::vector<std::vector<extent_t>> ranged;  // keys that were compiled for all values of the bounded extent
  std::string why_each;  // some of its values need an executable of their own: why; empty: as far as is known, none
  std::int64_t compilations = 0, memory_hits = 0, disk_hits = 0, workspace = 0;
  double seconds = 0;

  function(compile_options o, const loc& w) : options(std::move(o)), settings(options), where(w) {}
};

void retain(function* f) noexcept { f->references.fetch_add(1, std::memory_order_relaxed); }
void release(function* f) noexcept {
  if (f->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete f;
}

namespace {

std::string described(const any_view& v) {
  text s;
  s << name(v.type);
  s << v.dims;
  return std::string(s.view());
}
std::string made_at(const function& f) { return fmt::format("; made at {}:{}", f.where.file(), f.where.line()); }

// How argument i is called: its name when it has one.
std::string argument_name(const function& f, int i) {
  const std::string_view given = ir::leaf_name(*f.traced.inputs[static_cast<std::size_t>(i)]);
  return given.empty() ? fmt::format("argument {}", i + 1) : std::string(given);
}

// The first argument with an axis of this named extent, and its value there.
std::pair<int, extent_t> first_named(const function& f, const any_view* const* views, extent_t name) {
  for (int i = 0; i < f.arguments; ++i) {
    const dims& stated = f.traced.inputs[static_cast<std::size_t>(i)]->type.shape;
    for (int d = 0; d < stated.rank; ++d)
      if (stated[d] == name) return {i, views[i]->dims[d]};
  }
  return {-1, 0};
}

// Element types, ranks and extents of the arguments against the parameters; named extents across all of them.
void check_arguments(const function& f, const any_view* const* views) {
  for (int i = 0; i < f.arguments; ++i) {
    const any_view& v = *views[i];
    const ir::value_type& p = f.traced.inputs[static_cast<std::size_t>(i)]->type;
    auto refuse = [&](const std::string& why) {
      return fmt::format("call: {}: {}; given {}, the parameter is {}{}", argument_name(f, i), why, described(v),
                         ir::to_string(p), made_at(f));
    };
    if (v.type != p.element) throw type_error(refuse("element types differ"));
    if (!is_plain(v)) check_view(v, argument_name(f, i).c_str(), access::read);
    if (p.shape.any()) continue;
    if (v.dims.rank != p.shape.rank) throw shape_error(refuse(fmt::format("rank {} != {}", v.dims.rank, p.shape.rank)));
    for (int d = 0; d < p.shape.rank; ++d) {
      const extent_t want = p.shape[d], have = v.dims[d];
      if (want >= 0 && want != have)
        throw shape_error(refuse(fmt::format("extent {} != {} on axis {}", have, want, d)));
      if (!is_named(want)) continue;
      if (want == f.bounded.name && f.bounded.most > 0 && have > f.bounded.most) {
        text n;
        n << want;
        throw shape_error(
            refuse(fmt::format("{} is {} on axis {}, its bound is {}", n.view(), have, d, f.bounded.most)));
      }
      const auto [first, value] = first_named(f, views, want);
      if (value != have) {
        text n;
        n << want;
        throw shape_error(
            refuse(fmt::format("{} is {} here and {} in {}", n.view(), have, value, argument_name(f, first))));
      }
    }
  }
}

// Of what is written, `a`, and something else.
void refuse_overlap(const function& f, const any_view* const* views, int a, int b) {
  const any_view &x = *views[a], &y = *views[b];
  if (x.size == 0 || y.size == 0 || !overlap(x, y)) return;
  const auto called = [&](int i) {
    return i < f.arguments ? argument_name(f, i) : fmt::format("result {}", i - f.arguments + 1);
  };
  throw argument_error(fmt::format("call: {} overlaps {}: memory {} of {} and {} of {}{}", called(a), called(b),
                                   fmt::ptr(x.data), described(x), fmt::ptr(y.data), described(y), made_at(f)));
}

void check_result(const function& f, int i, const any_view& v, const ir::value_type& r) {
  if (v.type == r.element && v.dims == r.shape) return;
  const std::string text =
      fmt::format("call: result {}: given {}, the result is {}{}", i + 1, described(v), ir::to_string(r), made_at(f));
  if (v.type != r.element) throw type_error(text);
  throw shape_error(text);
}
// Memory of a result, apart from the arguments' and the results' before it.
void check_result_memory(const function& f, int i, const any_view* const* views) {
  const any_view& v = *views[f.arguments + i];
  const std::string what = fmt::format("result {}", i + 1);
  check_view(v, what.c_str(), access::write);
  for (int k = 0; k < f.arguments + i; ++k) refuse_overlap(f, views, f.arguments + i, k);
}
// How much less than the largest value of its executable the extent that grows is.
extent_t below_of(const function& f, const entry& e, const any_view* const* views) {
  return e.range.any() ? e.range.most - f.bounded.at(views) : 0;
}
void check_results(const function& f, const entry& e, const any_view* const* views) {
  for (int i = 0; i < f.results; ++i) {
    ir::value_type r = e.made->results[static_cast<std::size_t>(i)];
    if (e.range.any()) r.shape = at_call(r.shape, below_of(f, e, views));
    check_result(f, i, *views[f.arguments + i], r);
    check_result_memory(f, i, views);
  }
}

// What a call changes is written where it lies: without gaps, apart from every other argument.
bool updates_fit(const function& f, const any_view* const* views) {
  for (const int u : f.updates) {
    if (!is_plain(*views[u])) return false;
    for (int k = 0; k < f.arguments; ++k)
      if (k != u && views[k]->size != 0 && views[u]->size != 0 && overlap(*views[u], *views[k])) return false;
  }
  return true;
}
void check_updates(const function& f, const any_view* const* views) {
  if (updates_fit(f, views)) return;
  for (const int u : f.updates) {
    check_view(*views[u], argument_name(f, u).c_str(), access::write);
    if (!views[u]->contiguous)
      throw argument_error(
          fmt::format("call: {}: an inout argument lies in memory without gaps; given {} with strides{}",
                      argument_name(f, u), described(*views[u]), made_at(f)));
    for (int k = 0; k < f.arguments; ++k)
      if (k != u) refuse_overlap(f, views, u, k);
  }
}

// Results are written once all of them are known to fit.
void run_segments(const function& f, const any_view* const* views) {
  check_arguments(f, views);
  for (int i = 0; i < f.results; ++i) check_result_memory(f, i, views);
  const segments::made made = f.cut->run(views);
  for (int i = 0; i < f.results; ++i) {
    const any_view& v = made.results[static_cast<std::size_t>(i)];
    check_result(f, i, *views[f.arguments + i], {v.type, v.dims});
  }
  for (int i = 0; i < f.results; ++i) copy_elements(*views[f.arguments + i], made.results[static_cast<std::size_t>(i)]);
}
void refuse_segments(const function& f, std::string_view what) {
  if (f.cut)
    throw schedule_error(
        fmt::format("{}: extents of the function depend on data, so it has no list of kernels{}", what, made_at(f)));
}

// Extents, and strides where they are not row-major: what an executable depends on.
template <class F>
void for_each_key_part(const any_view& v, const dims& extents, bool strided, F f) {
  f(extent_t{v.dims.rank * 2 + strided});
  for (extent_t e : extents) f(e);
  if (strided)
    for (int d = 0; d < v.dims.rank; ++d) f(v.strides[d]);
}
// `extent`: what a part of the key is at this call.
template <class Extent>
bool matches(const entry& e, const any_view* const* views, int arguments, Extent extent) {
  std::size_t at = 0;
  bool same = true;
  for (int i = 0; same && i < arguments; ++i) {
    const any_view& v = *views[i];
    // Of one that grows into its memory, the last view has no gaps.
    const bool strided = !v.contiguous || (e.range.any() && at < e.key.size() && e.key[at] % 2 == 1);
    for_each_key_part(v, v.dims, strided, [&](extent_t part) {
      same = same && at < e.key.size() && extent(e.key[at]) == part;
      ++at;
    });
  }
  return same && at == e.key.size();
}
bool matches(const function& f, const entry& e, const any_view* const* views) {
  if (!e.range.any()) return matches(e, views, f.arguments, [](extent_t x) { return x; });
  const extent_t below = below_of(f, e, views);
  if (below < 0 || below > e.range.length()) return false;
  return matches(e, views, f.arguments, [&](extent_t x) { return at_call(x, below); });
}
const entry* find(function& f, const any_view* const* views) {
  for (const entry* e = f.newest.load(std::memory_order_acquire); e; e = e->next)
    if (matches(f, *e, views)) {
      f.last.store(e, std::memory_order_release);
      return e;
    }
  return nullptr;
}

ir::node_ref param_value_node(const function& f, const ir::node& param) {
  const param_value* p = f.options.params.find(ir::leaf_name(param));
  if (!p) return {};
  // The constant shares the elements with the set: nothing is copied.
  return ir::make_constant(ir::constant_value(p->type(), p->dims(), share(*p)), param.where);
}

// With the mutex held.
void prepare_once(function& f) {
  if (f.is_prepared) return;
  const ir::graph bound = ir::bind_params(f.traced, [&](const ir::node& p) { return param_value_node(f, p); });
  f.prepared = prepare(bound, f.settings);
  f.is_prepared = true;
}

std::vector<extent_t> key_of(const function& f, const any_view* const* views,
                             const std::vector<ir::value_type>& types) {
  std::vector<extent_t> key;
  for (int i = 0; i < f.arguments; ++i)
    for_each_key_part(*views[i], types[static_cast<std::size_t>(i)].shape, !views[i]->contiguous,
                      [&](extent_t part) { key.push_back(part); });
  return key;
}

// With the mutex held. The types' extents are these views', or grow within the range.
const entry& compile_entry(function& f, const any_view* const* views, const std::vector<ir::value_type>& types,
                           const growth_range& range) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<const extent_t*> strides;
  for (int i = 0; i < f.arguments; ++i) strides.push_back(views[i]->contiguous ? nullptr : views[i]->strides);
  entry e;
  e.range = range;
  for (const extent_t* s : strides) e.plain = e.plain && !s;
  e.key = key_of(f, views, types);
  e.made = range.any() ? compile(f.prepared, types, strides, f.updates, range, f.settings)
                       : compile(f.prepared, types, strides, f.updates, f.settings);
  for (const auto* list : {&e.made->arguments, &e.made->results})
    for (const ir::value_type& t : *list) {
      const int size = size_of(t.element);
      e.views.push_back({t.shape, static_cast<std::uintptr_t>(size - 1), t.shape.count() * size});
    }
  e.next = f.newest.load(std::memory_order_relaxed);
  f.entries.push_back(std::move(e));
  const entry& made = f.entries.back();
  f.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  f.compilations += made.made->report.compilations;
  f.memory_hits += made.made->report.memory_hits;
  f.disk_hits += made.made->report.disk_hits;
  f.workspace = std::max(f.workspace, made.made->run.call_bytes(1));
  f.newest.store(&made, std::memory_order_release);
  return made;
}

// The arguments' types, the bounded extent being one that grows.
std::vector<ir::value_type> grown(const function& f, const std::vector<ir::value_type>& types, extent_t most) {
  std::vector<ir::value_type> r = types;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const dims& stated = f.traced.inputs[i]->type.shape;
    for (int d = 0; d < stated.rank; ++d)
      if (stated[d] == f.bounded.name) r[i].shape[d] = growing(most);
  }
  return r;
}
// All values of the bounded extent at once: from the first call on there is nothing to compile.
void compile_ranges(function& f, const any_view* const* views, const std::vector<ir::value_type>& types) {
  const std::vector<extent_t> key = key_of(f, views, grown(f, types, f.bounded.most));
  if (std::ranges::find(f.ranged, key) != f.ranged.end()) return;
  f.ranged.push_back(key);
  growth_range range;
  for (extent_t least = 1; range.most < f.bounded.most; least = end_of_range(least)) {
    // No short one at the end.
    const bool last = end_of_range(least) * 2 > f.bounded.most;
    range = {least, last ? f.bounded.most : end_of_range(least) - 1};
    try {
      const entry& e = compile_entry(f, views, grown(f, types, range.most), range);
      e.made->run.reserve(f.options.memory, f.settings.target.threads);
    } catch (const error& x) {
      if (f.why_each.empty()) f.why_each = fmt::format("from {} to {}: {}", range.least, range.most, x.what());
    }
  }
}

// Extents that are known are found while others compile, and without allocation.
const entry& find_or_compile(function& f, const any_view* const* views) {
  if (const entry* e = find(f, views)) return *e;
  const std::lock_guard lock(f.mutex);
  if (const entry* e = find(f, views)) return *e;
  prepare_once(f);
  std::vector<ir::value_type> types;
  for (int i = 0; i < f.arguments; ++i) types.push_back({views[i]->type, views[i]->dims});
  // Native operators take any extents: there is nothing to compile.
  const bool compiled = f.settings.target.what == codegen::target_spec::kind::llvm;
  if (compiled && f.bounded.most > 0 && f.bounded.at(views) > 0) {
    compile_ranges(f, views, types);
    if (const entry* e = find(f, views)) return *e;
  }
  const entry& made = compile_entry(f, views, types, {});
  f.last.store(&made, std::memory_order_release);
  return made;
}

// What a cached call checks: plain memory of the same extents. Whatever else is left to the full check.
template <class Extent>
inline bool fits(const entry& e, const any_view* const* views, int n, Extent extent) {
  const expected_view* expected = e.views.data();
  for (int i = 0; i < n; ++i, ++expected) {
    const any_view& v = *views[i];
    const auto at = reinterpret_cast<std::uintptr_t>(v.data);
    if (!v.contiguous || at == 0 || (at & expected->misaligned) || v.dims.rank != expected->extents.rank) return false;
    for (int d = 0; d < v.dims.rank; ++d)
      if (v.dims.e[d] != extent(expected->extents.e[d])) return false;
  }
  return true;
}
// Apart, so that the other calls have `fits` in one piece.
[[gnu::noinline]] bool fits_grown(const function& f, const entry& e, const any_view* const* views, int n) {
  if (views[f.bounded.argument]->dims.rank <= f.bounded.axis) return false;
  const extent_t below = below_of(f, e, views);
  return below >= 0 && below <= e.range.length() && fits(e, views, n, [&](extent_t x) { return at_call(x, below); });
}
inline bool fits(const function& f, const entry& e, const any_view* const* views, int n) {
  if (!e.plain) return false;
  if (e.range.any()) [[unlikely]]
    return fits_grown(f, e, views, n);
  return fits(e, views, n, [](extent_t x) { return x; });
}
// Results that fit and share no byte with anything; `bytes` of view i.
template <class Bytes>
inline bool apart(const any_view* const* views, int arguments, int results, Bytes bytes) {
  for (int r = arguments; r < arguments + results; ++r) {
    const auto* begin = static_cast<const char*>(views[r]->data);
    const char* end = begin + bytes(r);
    for (int k = 0; k < r; ++k) {
      const auto* other = static_cast<const char*>(views[k]->data);
      if (begin < other + bytes(k) && other < end) return false;
    }
  }
  return true;
}
inline bool apart(const entry& e, const any_view* const* views, int arguments, int results) {
  const expected_view* expected = e.views.data();
  if (e.range.any()) [[unlikely]]
    return apart(views, arguments, results,
                 [&](int i) { return views[i]->size * (static_cast<std::int64_t>(expected[i].misaligned) + 1); });
  return apart(views, arguments, results, [&](int i) { return expected[i].bytes; });
}

void run(const function& f, const entry& e, const any_view* const* views) {
  const int n = f.arguments + f.results;
  void* few[max_stack_arguments];
  std::unique_ptr<void*[]> many;
  void** data = few;
  if (n > max_stack_arguments) data = (many = std::make_unique<void*[]>(static_cast<std::size_t>(n))).get();
  for (int i = 0; i < n; ++i) data[i] = views[i]->data;
  e.made->run.run(data, data + f.arguments, f.options.executor, f.options.memory, f.settings.target.threads,
                  below_of(f, e, views));
}

// Results that are not contiguous are computed beside and copied.
void run_strided(const function& f, const entry& e, const any_view* const* views) {
  const auto n = static_cast<std::size_t>(f.arguments + f.results);
  std::vector<any_view> made(n);
  std::vector<const any_view*> plain(views, views + n);
  std::vector<std::unique_ptr<array_storage>> keep;
  for (std::size_t i = static_cast<std::size_t>(f.arguments); i < n; ++i) {
    if (views[i]->contiguous) continue;
    keep.push_back(std::make_unique<array_storage>(views[i]->type, views[i]->dims, f.options.memory));
    made[i] = keep.back()->get();
    plain[i] = &made[i];
  }
  run(f, e, plain.data());
  for (std::size_t i = static_cast<std::size_t>(f.arguments); i < n; ++i)
    if (plain[i] != views[i]) copy_elements(*views[i], *plain[i]);
}

const entry& entry_for(function& f, const any_view* const* views) {
  const entry* e = f.last.load(std::memory_order_acquire);
  if (e && fits(f, *e, views, f.arguments) && updates_fit(f, views)) return *e;
  check_arguments(f, views);
  check_updates(f, views);
  return find_or_compile(f, views);
}

// An input that was made outside of the function is none of its arguments: nobody could give it a value.
void refuse_foreign_inputs(const function& f) {
  for (const ir::node* n : ir::post_order(f.traced.outputs))
    if (n->op == &ir::input_definition() &&
        std::ranges::none_of(f.traced.inputs, [&](const node_ref& i) { return i.get() == n; }))
      throw argument_error(fmt::format("function: a result depends on input {} {} of {}:{}, which is no argument{}",
                                       ir::leaf_name(*n), ir::to_string(n->type), n->where.file(), n->where.line(),
                                       made_at(f)));
}

bounded_extent bounded_of(const function& f) {
  bounded_extent b;
  const extent_bounds& given = f.options.bounds;
  if (given.names.empty()) return b;
  const std::string& name = *given.names.begin();
  if (given.names.end() - given.names.begin() > 1)
    throw argument_error(fmt::format("options: bounds are given of {} extents, {} the first; one can have a bound{}",
                                     given.names.end() - given.names.begin(), name, made_at(f)));
  constexpr extent_t largest = 1 << 20;
  b.most = std::stoll(*given.values.begin());
  if (b.most < 1 || b.most > largest)
    throw argument_error(
        fmt::format("options: the bound of {} is {}, outside 1 to {}{}", name, b.most, largest, made_at(f)));
  // Longer names are an ONNX file's, and cut as they are when it is imported.
  const std::string_view cut = std::string_view(name).substr(0, max_name_length);
  b.name = name_base + pack_name(cut.data(), cut.size());
  for (const ir::node_ref& i : f.traced.inputs) {
    for (int d = 0; d < i->type.shape.rank; ++d)
      if (i->type.shape[d] == b.name) {
        b.axis = d;
        return b;
      }
    ++b.argument;
  }
  throw argument_error(fmt::format("options: there is a bound of {}, which no parameter has{}", name, made_at(f)));
}

}  // namespace

function_ref make_function(const node_ref* inputs, std::size_t input_count, const node_ref* outputs,
                           std::size_t output_count, const int* updated, std::size_t update_count,
                           compile_options options, binding when, const loc& where) {
  if (options.target.text().empty() && !options.target.devices().empty())
    throw target_error("target: a map of devices is given, and there is one device: the host");
  auto f = std::make_unique<function>(std::move(options), where);
  f->traced.inputs.assign(inputs, inputs + input_count);
  f->traced.outputs.assign(outputs, outputs + output_count + update_count);
  f->updates.assign(updated, updated + update_count);
  f->arguments = static_cast<int>(input_count);
  f->results = static_cast<int>(output_count);
  for (const node_ref& o : f->traced.outputs)
    if (!o) throw argument_error(fmt::format("function: a result is an empty tensor handle{}", made_at(*f)));
  refuse_foreign_inputs(*f);
  f->traced = ir::rewrite(f->traced, [](ir::node_table&, const ir::node_ref&) { return ir::node_ref(); });
  ir::verify(f->traced);
  f->bounded = bounded_of(*f);
  f->cut = segments::of(f->traced, f->options, when, where);
  if (f->cut && !f->updates.empty())
    throw argument_error(fmt::format("function: {} is inout, and extents of the function depend on data{}",
                                     argument_name(*f, f->updates[0]), made_at(*f)));
  if (f->cut) return function_ref(f.release());
  if (when == binding::now) {
    prepare_once(*f);
  } else {
    // Params are checked here, where the user wrote the call; what hangs on them is folded at the first call.
    ir::bind_params(f->traced, [&](const ir::node& p) { return param_value_node(*f, p); });
  }
  return function_ref(f.release());
}

void call_into(function& f, const any_view* const* views) {
  const int n = f.arguments + f.results;
  const entry* e = f.last.load(std::memory_order_acquire);
  if (e && fits(f, *e, views, n) && apart(*e, views, f.arguments, f.results) && updates_fit(f, views)) [[likely]]
    return run(f, *e, views);
  if (f.cut) return run_segments(f, views);
  const entry& found = entry_for(f, views);
  check_results(f, found, views);
  bool plain = true;
  for (int i = f.arguments; i < n; ++i) plain &= views[i]->contiguous;
  if (plain)
    run(f, found, views);
  else
    run_strided(f, found, views);
}

void call_values(function& f, const any_view* const* arguments, result_maker maker) {
  if (f.cut) {
    check_arguments(f, arguments);
    const segments::made made = f.cut->run(arguments);
    for (int i = 0; i < f.results; ++i) {
      const any_view& v = made.results[static_cast<std::size_t>(i)];
      copy_elements(maker.make(maker.context, i, v.dims, f.options.memory), v);
    }
    return;
  }
  const entry& e = entry_for(f, arguments);
  const int n = f.arguments + f.results;
  const any_view* few[max_stack_arguments];
  std::unique_ptr<const any_view*[]> many;
  const any_view** views = few;
  if (n > max_stack_arguments) views = (many = std::make_unique<const any_view*[]>(static_cast<std::size_t>(n))).get();
  for (int i = 0; i < f.arguments; ++i) views[i] = arguments[i];
  const auto make = [&](int i, const dims& extents) {
    views[f.arguments + i] = &maker.make(maker.context, i, extents, f.options.memory);
  };
  for (int i = 0; i < f.results; ++i) {
    const dims& stated = e.views[static_cast<std::size_t>(f.arguments + i)].extents;
    if (e.range.any()) [[unlikely]]
      make(i, at_call(stated, below_of(f, e, arguments)));
    else
      make(i, stated);
  }
  run(f, e, views);
}

call_stats stats_of(function& f) {
  if (f.cut) return f.cut->stats();
  const std::lock_guard lock(f.mutex);
  call_stats s;
  s.compilations = f.compilations;
  s.memory_hits = f.memory_hits;
  s.disk_hits = f.disk_hits;
  s.compile_seconds = f.seconds;
  s.workspace_bytes = f.workspace;
  if (const entry* e = f.last.load(std::memory_order_acquire))
    s.kernels = static_cast<std::int64_t>(e->made->report.kernels.size());
  return s;
}

// Views of no memory that a call with these extents could be made with.
std::vector<any_view> views_for(function& f, std::vector<dims>& extents) {
  if (extents.empty())
    for (int i = 0; i < f.arguments; ++i) {
      const dims& d = f.traced.inputs[static_cast<std::size_t>(i)]->type.shape;
      if (!d.is_static())
        throw schedule_error(fmt::format(
            "schedule: the extents of {} {} are not all known: schedule({{{{...}}}}) takes "
            "them, a list for each argument{}",
            argument_name(f, i), ir::to_string(f.traced.inputs[static_cast<std::size_t>(i)]->type), made_at(f)));
      extents.push_back(d);
    }
  if (static_cast<int>(extents.size()) != f.arguments)
    throw schedule_error(fmt::format("schedule: the extents of {} arguments are given; there are {}{}", extents.size(),
                                     f.arguments, made_at(f)));
  alignas(64) static const std::byte nothing[64]{};
  std::vector<any_view> views;
  for (int i = 0; i < f.arguments; ++i)
    views.push_back(checked_view(nothing, f.traced.inputs[static_cast<std::size_t>(i)]->type.element,
                                 extents[static_cast<std::size_t>(i)], argument_name(f, i).c_str()));
  return views;
}
std::vector<const any_view*> pointers_to(const std::vector<any_view>& views) {
  std::vector<const any_view*> p;
  for (const any_view& v : views) p.push_back(&v);
  return p;
}

std::vector<scheduling::nest> plain_nests(function& f, std::vector<dims>& extents) {
  refuse_segments(f, "schedule");
  const std::vector<any_view> views = views_for(f, extents);
  check_arguments(f, pointers_to(views).data());
  std::vector<ir::value_type> types;
  for (const any_view& v : views) types.push_back({v.type, v.dims});
  const std::lock_guard lock(f.mutex);
  prepare_once(f);
  std::vector<scheduling::nest> nests;
  std::vector<std::string> labels;
  for (ir::computation& c : lower_all(f.prepared, types, f.settings)) {
    labels.push_back(scheduling::label_of(c.kernel.name, labels));
    nests.push_back(scheduling::make_nest(c, labels.back()));
  }
  return nests;
}

function_ref with_schedule(function& f, const scheduling::record& r) {
  auto made = std::make_unique<function>(f.options, f.where);
  {
    const std::lock_guard lock(f.mutex);
    prepare_once(f);
    made->prepared = f.prepared;
    made->is_prepared = true;
  }
  made->traced = f.traced;
  made->arguments = f.arguments;
  made->results = f.results;
  made->updates = f.updates;
  made->options.bounds = {};
  made->settings.schedule = std::make_shared<const scheduling::record>(r);
  std::vector<dims> extents = r.extents;
  const std::vector<any_view> views = views_for(*made, extents);
  find_or_compile(*made, pointers_to(views).data());
  return function_ref(made.release());
}

ir::graph graph_of(function& f) { return f.traced; }

explanation explain(function& f) {
  const std::lock_guard lock(f.mutex);
  const entry* e = f.last.load(std::memory_order_acquire);
  std::string s = fmt::format("function made at {}:{}\n", f.where.file(), f.where.line());
  if (f.cut) return explanation(s + f.cut->explain());
  if (!e) return explanation(s + "not compiled yet: it compiles at its first call\n" + ir::to_string(f.traced));
  const compiled_graph& g = *e->made;
  const auto said = [&](ir::value_type t) {
    if (g.range.any()) t.shape = at_call(t.shape, 0);
    return ir::to_string(t);
  };
  for (std::size_t i = 0; i < g.arguments.size(); ++i)
    s += fmt::format("{}{} {}", i ? ", " : "arguments ", argument_name(f, static_cast<int>(i)), said(g.arguments[i]));
  for (std::size_t i = 0; i < g.results.size(); ++i)
    s += fmt::format("{}{}", i ? ", " : "\nresults ", said(g.results[i]));
  if (const growth_range& r = g.range; r.any()) {
    text n;
    n << f.bounded.name;
    s += fmt::format("\nfor {} from {} to {}, extents at most", n.view(), r.least, r.most);
  }
  if (!f.why_each.empty()) s += "\ncompiled for each value of the bounded extent alone, " + f.why_each;
  s += fmt::format("\n{} kernels, workspace {} bytes, constants {} bytes\n", g.report.kernels.size(),
                   g.run.workspace_bytes, g.report.constant_bytes);
  for (const compile_report::control_note& n : g.report.control) s += n.text + "\n";
  return explanation(s + kernels_text(g));
}

workspace_plan memory_plan(function& f) {
  const std::lock_guard lock(f.mutex);
  const entry* e = f.last.load(std::memory_order_acquire);
  const workspace_report r = e ? e->made->report.workspace : workspace_report();
  return {plan_text(r), plan_svg(r)};
}

explanation bench(function& f, const any_view* const* arguments) {
  refuse_segments(f, "bench");
  const entry& e = entry_for(f, arguments);
  std::vector<void*> data;
  for (int i = 0; i < f.arguments; ++i) data.push_back(arguments[i]->data);
  std::vector<std::unique_ptr<array_storage>> results;
  const extent_t below = below_of(f, e, arguments);
  for (const ir::value_type& t : e.made->results) {
    const dims shape = e.range.any() ? at_call(t.shape, below) : t.shape;
    results.push_back(std::make_unique<array_storage>(t.element, shape, f.options.memory));
    data.push_back(results.back()->get().data);
  }
  return explanation(bench_text(*e.made, data.data(), data.data() + f.arguments, f.options.executor, f.options.memory,
                                f.settings.target.threads, below));
}

node_ref emit_argument(int index, dtype d, const dims& s, const loc& w) {
  return ir::make_input(fmt::format("argument {}", index), d, s, w);
}

}  // namespace tenon::detail
