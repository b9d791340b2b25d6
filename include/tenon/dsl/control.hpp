// Control flow: if_, while_ and scan. Their bodies are C++ lambdas over typed tensors, traced once and compiled as
// parts of the whole: a loop of the compiled function, not of the graph.
//
// State is one tensor, a std::tuple, std::pair or std::array of tensors, or a struct that lists its tensors in `fields`
// as attributes do. It keeps its element types and extents: what C++ knows of them is an error of the compiler, the
// rest a shape_error when the graph is made or called. A body may read any tensor around it. What a loop's body
// computes from those alone is computed once, before the loop.
#pragma once
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/dsl/message.hpp"
#include "tenon/dsl/tensor.hpp"

namespace tenon {

/// Of `scan`: from the last element to the first; what is collected stands where its element stood.
struct scan_order {
  bool reverse = false;
};

namespace detail {

// ---- state as a list of tensors, in order
template <dtype D, class S, class F>
void each_tensor(tensor<D, S>& t, F& f) {
  f(t);
}
template <class T, class F>
void each_tensor(T& state, F& f) {
  if constexpr (requires { T::fields(state, f); }) {
    T::fields(state, [&](std::string_view, auto& member) { each_tensor(member, f); });
  } else {
    std::apply([&](auto&... member) { (each_tensor(member, f), ...); }, state);
  }
}

template <class T>
inline constexpr bool is_state = false;
template <dtype D, class S>
inline constexpr bool is_state<tensor<D, S>> = true;
template <class... T>
inline constexpr bool is_state<std::tuple<T...>> = sizeof...(T) > 0 && (is_state<T> && ...);
template <class A, class B>
inline constexpr bool is_state<std::pair<A, B>> = is_state<A> && is_state<B>;
template <class T, std::size_t N>
inline constexpr bool is_state<std::array<T, N>> = N > 0 && is_state<T>;
template <class T>
  requires requires(T& t) { T::fields(t, [](std::string_view, auto&) {}); }
inline constexpr bool is_state<T> = true;

/// Borrowed nodes, a list for each role. Not a template: a body is made into a graph in src/dsl/control.cpp.
class node_list {
 public:
  node_list();
  node_list(const node_list&) = delete;
  node_list& operator=(const node_list&) = delete;
  ~node_list();
  void add(const node_ref&);
  struct content;
  const content& operator*() const { return *content_; }

 private:
  content* content_;
};
/// A new input of the type of `like`, or of one element along its first axis; `list` keeps it in order.
node_ref emit_inner(node_list& list, const char* role, const node_ref& like, bool element, const loc&);
node_ref emit_while(const node_list& state, const node_list& inner, const node_list& condition, const node_list& next,
                    const loc&);
node_ref emit_if(const node_ref& condition, const node_list& state, const node_list& inner, const node_list& then,
                 const node_list& otherwise, const loc&);
node_ref emit_scan(const node_list& state, const node_list& inner, const node_list& xs, const node_list& inner_xs,
                   const node_list& next, const node_list& collected, bool reverse, const loc&);

template <class S>
void list_nodes(const S& state, node_list& to) {
  S copy = state;
  auto add = [&](auto& t) { to.add(t.node()); };
  each_tensor(copy, add);
}
/// The same handles, on inputs of a body.
template <class S>
S inner_of(const S& state, node_list& to, const loc& where) {
  S inner = state;
  auto replace = [&]<class T>(T& t) { t = T(emit_inner(to, "state", t.node(), false, where)); };
  each_tensor(inner, replace);
  return inner;
}
/// The same handles, on results of `n` from `first` on.
template <class S>
S results_like(const S& state, const node_ref& n, int& first, const loc& where) {
  S result = state;
  auto replace = [&]<class T>(T& t) { t = T(emit_result(n, first++, where)); };
  each_tensor(result, replace);
  return result;
}

/// A tuple's members are the lambda's arguments where it takes them so.
template <class F, class S>
auto call_body(F& f, const S& state) {
  if constexpr (requires { f(state); })
    return f(state);
  else
    return std::apply(f, state);
}

// ---- what C++ knows of the types
constexpr bool may_be_equal(const dims& a, const dims& b) {
  if (a.any() || b.any()) return true;
  if (a.rank != b.rank) return false;
  for (int d = 0; d < a.rank; ++d)
    if (a[d] >= 0 && b[d] >= 0 && a[d] != b[d]) return false;
  return true;
}
template <message Op, message Why, class A, class B>
struct same_types_check {
  static constexpr void run() {
    tensor_error<Op, "the states are not of one form"> refused;
    (void)refused;
  }
};
template <message Op, message Why, dtype D, class S, dtype E, class T>
struct same_types_check<Op, Why, tensor<D, S>, tensor<E, T>> {
  static constexpr void run() {
    if constexpr ((D != E && D != any_dtype && E != any_dtype) || !may_be_equal(S::value, T::value)) {
      tensor_error<Op, Why, words<written(D)>(), words<written(S::value)>(), words<written(E)>(),
                   words<written(T::value)>()>
          refused;
      (void)refused;
    }
  }
};
template <message Op, message Why, class... A, class... B>
  requires(sizeof...(A) == sizeof...(B))
struct same_types_check<Op, Why, std::tuple<A...>, std::tuple<B...>> {
  static constexpr void run() { (same_types_check<Op, Why, A, B>::run(), ...); }
};
template <message Op, message Why, class A, class C, class B, class D>
struct same_types_check<Op, Why, std::pair<A, C>, std::pair<B, D>> {
  static constexpr void run() {
    same_types_check<Op, Why, A, B>::run();
    same_types_check<Op, Why, C, D>::run();
  }
};
template <message Op, message Why, class A, class B, std::size_t N>
struct same_types_check<Op, Why, std::array<A, N>, std::array<B, N>> : same_types_check<Op, Why, A, B> {};
template <message Op, message Why, class S>
  requires requires(S& s) { S::fields(s, [](std::string_view, auto&) {}); }
struct same_types_check<Op, Why, S, S> {
  static constexpr void run() {}
};
template <message Op, class C>
constexpr void check_condition() {
  if constexpr (requires { typename C::shape_type; }) {
    if constexpr ((C::type != b8 && C::type != any_dtype) || !may_be_equal(C::shape_type::value, dims{})) {
      tensor_error<Op, "the condition is no b8 scalar", words<written(C::type)>(),
                   words<written(C::shape_type::value)>()>
          refused;
      (void)refused;
    }
  } else {
    tensor_error<Op, "the condition is no tensor"> refused;
    (void)refused;
  }
}

/// What an if_ gives, from what its branches made of the inputs `inner`, which stand for `outer`.
template <class Condition, class R, class Other>
R branches(const Condition& condition, const node_list& outer, const node_list& inner, const R& made,
           const Other& other, const loc& where) {
  check_condition<"if_", Condition>();
  same_types_check<"if_", "the branches give other types", R, Other>::run();
  node_list yes, no;
  list_nodes(made, yes);
  list_nodes(other, no);
  const node_ref n = emit_if(condition.node(), outer, inner, yes, no, where);
  int first = 0;
  return results_like(made, n, first, where);
}

// ---- along the first axis
constexpr dims without_first(const dims& d) {
  dims r;
  r.rank = d.rank < 0 ? -1 : 0;
  for (int i = 1; i < d.rank; ++i) r.push_back(d[i]);
  return r;
}
constexpr dims with_first(extent_t e, const dims& d) {
  dims r;
  r.push_back(e);
  for (extent_t x : d) r.push_back(x);
  if (d.any()) r = d;
  return r;
}
template <class X>
struct along_first {
  static_assert(sizeof(X) == 0, "scan: what is scanned or collected is a tensor, or a std::tuple of tensors");
};
template <dtype D, class S>
struct along_first<tensor<D, S>> {
  using element = tensor<D, to_shape<without_first(S::value)>>;
  template <extent_t N>
  using stacked = tensor<D, to_shape<with_first(N, S::value)>>;
  static constexpr extent_t steps = S::value.rank > 0 ? S::value[0] : dyn;
  static element inner(const tensor<D, S>& t, node_list& to, const loc& where) {
    if constexpr (S::value.rank == 0) {
      tensor_error<"scan", "there is no axis to scan", words<written(D)>(), words<written(S::value)>()> refused;
      (void)refused;
    }
    return element(emit_inner(to, "element", t.node(), true, where));
  }
  template <extent_t N>
  static stacked<N> collected(const node_ref& n, int& first, const loc& where) {
    return stacked<N>(emit_result(n, first++, where));
  }
};
template <class... T>
struct along_first<std::tuple<T...>> {
  using element = std::tuple<typename along_first<T>::element...>;
  template <extent_t N>
  using stacked = std::tuple<typename along_first<T>::template stacked<N>...>;
  static constexpr extent_t all_steps[sizeof...(T)] = {along_first<T>::steps...};
  static constexpr extent_t steps = all_steps[0];
  static element inner(const std::tuple<T...>& t, node_list& to, const loc& where) {
    return std::apply([&](const T&... x) { return element{along_first<T>::inner(x, to, where)...}; }, t);
  }
  template <extent_t N>
  static stacked<N> collected(const node_ref& n, int& first, const loc& where) {
    return stacked<N>{along_first<T>::template collected<N>(n, first, where)...};
  }
};

template <class R>
inline constexpr bool is_pair = false;
template <class A, class B>
inline constexpr bool is_pair<std::pair<A, B>> = true;

}  // namespace detail

/// While `condition(state)`, a b8 scalar, holds: state = body(state). The result is the last state: `auto [i, x] =
/// while_([&](auto i, auto x) { return i < n; }, [](auto i, auto x) { return std::tuple(i + 1, x * x); },
/// std::tuple(i0, x0))`. shape_error and type_error when the body changes what the state is.
template <class Condition, class Body, class State>
State while_(Condition condition, Body body, const State& state, loc where = std::source_location::current()) {
  static_assert(detail::is_state<State>, "while_: the state is a tensor, a tuple or array of tensors, or has `fields`");
  detail::node_list outer, inner, goes_on, next;
  detail::list_nodes(state, outer);
  const State in = detail::inner_of(state, inner, where);
  const auto test = detail::call_body(condition, in);
  detail::check_condition<"while_", std::remove_const_t<decltype(test)>>();
  goes_on.add(test.node());
  const auto made = detail::call_body(body, in);
  detail::same_types_check<"while_", "the body changes the state", State, std::remove_const_t<decltype(made)>>::run();
  detail::list_nodes(made, next);
  const detail::node_ref n = detail::emit_while(outer, inner, goes_on, next, where);
  int first = 0;
  return detail::results_like(state, n, first, where);
}

/// `then(state)` where the b8 scalar holds, `otherwise(state)` else: one of them runs. What the branches give has equal
/// types and extents: type_error, shape_error.
template <tensor_like Condition, class Then, class Else, class State>
  requires detail::is_state<State>
auto if_(const Condition& condition, Then then, Else otherwise, const State& state,
         loc where = std::source_location::current()) {
  detail::node_list outer, inner;
  detail::list_nodes(state, outer);
  const State in = detail::inner_of(state, inner, where);
  return detail::branches(condition, outer, inner, detail::call_body(then, in), detail::call_body(otherwise, in),
                          where);
}
/// The same for branches that take nothing: what only one of them needs is computed in it.
template <tensor_like Condition, class Then, class Else>
auto if_(const Condition& condition, Then then, Else otherwise, loc where = std::source_location::current()) {
  const auto made = then();
  const auto other = otherwise();
  return detail::branches(condition, {}, {}, made, other, where);
}

/// A loop over the first axis of `xs`, a tensor or a std::tuple of them of equal first extents: body(state, x) gives
/// the next state, or std::pair(next state, y). The result is the last state, or std::pair(last state, all y along a
/// new first axis); y is a tensor or a std::tuple. ONNX Scan, JAX lax.scan.
template <class Body, class State, class X>
auto scan(Body body, const State& state, const X& xs, scan_order order = {},
          loc where = std::source_location::current()) {
  static_assert(detail::is_state<State>, "scan: the state is a tensor, a tuple or array of tensors, or has `fields`");
  using along = detail::along_first<X>;
  detail::node_list outer, inner, scanned, inner_xs, next, collected;
  detail::list_nodes(state, outer);
  detail::list_nodes(xs, scanned);
  const State in = detail::inner_of(state, inner, where);
  const auto x = along::inner(xs, inner_xs, where);
  const auto made = body(in, x);
  using R = std::remove_const_t<decltype(made)>;
  int first = 0;
  if constexpr (detail::is_pair<R> && !detail::is_pair<State>) {
    using S = typename R::first_type;
    using Y = typename R::second_type;
    detail::same_types_check<"scan", "the body changes the state", State, S>::run();
    detail::list_nodes(made.first, next);
    detail::list_nodes(made.second, collected);
    const detail::node_ref n =
        detail::emit_scan(outer, inner, scanned, inner_xs, next, collected, order.reverse, where);
    State last = detail::results_like(state, n, first, where);
    return std::pair(std::move(last), detail::along_first<Y>::template collected<along::steps>(n, first, where));
  } else {
    detail::same_types_check<"scan", "the body changes the state", State, R>::run();
    detail::list_nodes(made, next);
    const detail::node_ref n =
        detail::emit_scan(outer, inner, scanned, inner_xs, next, collected, order.reverse, where);
    return detail::results_like(state, n, first, where);
  }
}

}  // namespace tenon
