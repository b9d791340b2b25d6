// The typed callable: what `jit` and `build` give.
#pragma once
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/dsl/function.hpp"
#include "tenon/dsl/inout.hpp"
#include "tenon/dsl/message.hpp"
#include "tenon/dsl/tensor.hpp"
#include "tenon/runtime/array.hpp"

namespace tenon {

template <class Signature>
class schedule;  // tenon/schedule/schedule.hpp

namespace detail {

/// An argument of element type D: an array or view is referred to, anything else that a view can be made of becomes
/// one.
template <dtype D>
class argument_view {
 public:
  argument_view(const array<D>& a) : p_(&static_cast<const any_view&>(a)) {}
  argument_view(const view<D>& v) : p_(&static_cast<const any_view&>(v)) {}
  argument_view(const mutable_view<D>& v) : p_(&static_cast<const any_view&>(v)) {}
  template <class R>
    requires run_of<const R, const host_t<D>>
  argument_view(const R& r) : own_(static_cast<const any_view&>(view<D>(r))) {
    p_ = &own_;
  }
  template <std::size_t N>
  argument_view(const host_t<D> (&a)[N]) : own_(static_cast<const any_view&>(view<D>(a))) {
    p_ = &own_;
  }
  // Refused with words: an array or view of another element type.
  template <template <dtype> class T, dtype E>
    requires(E != D && std::convertible_to<const T<E>&, const any_view&>)
  argument_view(const T<E>&) : p_(nullptr) {
    tensor_error<"argument", "element types differ", words<written(E)>(), words<written(D)>()> refused;
    (void)refused;
  }
  argument_view(const argument_view&) = delete;
  const any_view* get() const { return p_; }

 private:
  union {
    any_view own_;  // lives where p_ points to it
  };
  const any_view* p_;
};

/// A result to write into: an array or a mutable view; a lvalue of std::vector and the like.
template <dtype D>
class result_view {
 public:
  result_view(array<D>& a) : p_(&static_cast<const any_view&>(a)) {}
  result_view(const mutable_view<D>& v) : p_(&static_cast<const any_view&>(v)) {}
  template <class R>
    requires(!std::same_as<std::remove_cvref_t<R>, result_view> && run_of<R, host_t<D>> &&
             std::convertible_to<R, mutable_view<D>>)
  result_view(R&& r) : own_(static_cast<const any_view&>(mutable_view<D>(static_cast<R&&>(r)))) {
    p_ = &own_;
  }
  template <template <dtype> class T, dtype E>
    requires(E != D && std::convertible_to<const T<E>&, const any_view&>)
  result_view(const T<E>&) : p_(nullptr) {
    tensor_error<"result", "element types differ", words<written(E)>(), words<written(D)>()> refused;
    (void)refused;
  }
  result_view(const result_view&) = delete;
  const any_view* get() const { return p_; }

 private:
  union {
    any_view own_;
  };
  const any_view* p_;
};

/// What a call takes for parameter P.
template <class P>
using call_argument = std::conditional_t<is_inout<P>, result_view<P::type>, argument_view<P::type>>;

template <class... T>
struct type_list {};

/// What a traced function may return, as a list of tensors and as host values.
template <class R>
struct results_of {
  static_assert(sizeof(R) == 0, "the function returns a tensor, a std::tuple or a std::array of tensors");
};
template <dtype D, class S>
struct results_of<tensor<D, S>> {
  static_assert(
      D != any_dtype,
      "the result's element type is not known to C++ (it comes from a param): as<f32, any_shape>(x) states it");
  using types = type_list<tensor<D, S>>;
  using host = array<D>;
};
template <dtype... D, class... S>
struct results_of<std::tuple<tensor<D, S>...>> {
  static_assert(sizeof...(D) > 0, "the function returns at least one tensor");
  static_assert(((D != any_dtype) && ...),
                "a result's element type is not known to C++ (it comes from a param): as<f32, any_shape>(x) states it");
  using types = type_list<tensor<D, S>...>;
  using host = std::tuple<array<D>...>;
};
template <dtype D, class S, std::size_t N>
struct results_of<std::array<tensor<D, S>, N>> {
  static_assert(N > 0, "the function returns at least one tensor");
  static_assert(
      D != any_dtype,
      "the result's element type is not known to C++ (it comes from a param): as<f32, any_shape>(x) states it");
  template <std::size_t... I>
  static auto repeat(std::index_sequence<I...>) -> type_list<std::conditional_t<I == N, void, tensor<D, S>>...>;
  using types = decltype(repeat(std::make_index_sequence<N>{}));
  using host = std::array<array<D>, N>;
};

/// A traced function's result as nodes.
template <dtype D, class S>
void nodes_of(const tensor<D, S>& t, node_ref* to) {
  *to = t.node();
}
template <class... T>
void nodes_of(const std::tuple<T...>& t, node_ref* to) {
  std::apply([&](const T&... x) { ((*to++ = x.node()), ...); }, t);
}
template <class T, std::size_t N>
void nodes_of(const std::array<T, N>& t, node_ref* to) {
  for (const T& x : t) *to++ = x.node();
}
template <class... T>
constexpr std::size_t count_of(type_list<T...>) {
  return sizeof...(T);
}

template <dtype D>
const any_view& make_result(array<D>& to, const dims& d, memory* m) {
  to = make_array<D>(d, m);
  return to;
}
template <dtype D>
const any_view& make_only(void* to, int, const dims& d, memory* m) {
  return make_result(*static_cast<array<D>*>(to), d, m);
}
template <class Host, std::size_t... I>
const any_view& make_nth(void* to, int index, const dims& d, memory* m, std::index_sequence<I...>) {
  auto& all = *static_cast<Host*>(to);
  const any_view* made = nullptr;
  ((index == static_cast<int>(I) ? void(made = &make_result(std::get<I>(all), d, m)) : void()), ...);
  return *made;
}
template <class Host>
const any_view& make_some(void* to, int index, const dims& d, memory* m) {
  return make_nth<Host>(to, index, d, m, std::make_index_sequence<std::tuple_size_v<Host>>{});
}

/// The two ways of calling, with each parameter's type spelled out so that braces and conversions work.
template <class Host, class Results, class... P>
class typed_calls;
template <class Host, class... R, class... P>
class typed_calls<Host, type_list<R...>, P...> {
 public:
  /// Runs and gives new arrays. Throws shape_error, type_error or argument_error for arguments that do not fit, and
  /// what compilation and the user's memory resource or executor throw; then nothing has changed.
  Host operator()(const call_argument<P>&... x) const {
    const any_view* const views[] = {x.get()..., nullptr};
    Host out;
    if constexpr (std::same_as<Host, array<type_of_first()>>)
      call_values(*function_, views, {&make_only<type_of_first()>, &out});
    else
      call_values(*function_, views, {&make_some<Host>, &out});
    return out;
  }
  /// Runs and writes: results first, `f.into(y0, y1, x)`. Allocates nothing once it is compiled for these extents. The
  /// results overlap neither each other nor the arguments (argument_error).
  void into(const result_view<R::type>&... y, const call_argument<P>&... x) const {
    const any_view* const views[] = {x.get()..., y.get()...};
    call_into(*function_, views);
  }

 protected:
  typed_calls() = default;
  explicit typed_calls(function_ref f) : function_(std::move(f)) {}

  function_ref function_;

 private:
  static constexpr dtype type_of_first() {
    constexpr dtype all[] = {R::type...};
    return all[0];
  }
};

}  // namespace detail

/// A function of tensors, compiled for each set of extents at its first call and cached. Immutable, cheap to copy,
/// callable from many threads at once. Arguments are arrays, views and vectors; results are arrays.
template <class Signature>
class compiled;
template <class R, class... P>
class [[nodiscard]] compiled<R(P...)>
    : public detail::typed_calls<typename detail::results_of<R>::host, typename detail::results_of<R>::types, P...> {
  using base = detail::typed_calls<typename detail::results_of<R>::host, typename detail::results_of<R>::types, P...>;

 public:
  /// What C++ knows of the result: `tensor<f32, shape<dim("n"), 10>>`, or a std::tuple or std::array of such.
  using result = R;
  /// The arrays that a call gives.
  using host = typename detail::results_of<R>::host;

  explicit compiled(detail::function_ref f) : base(std::move(f)) {}

  /// What it did so far.
  call_stats stats() const { return detail::stats_of(*this->function_); }
  /// The graph as it was traced, params by name: an ir::graph.
  auto graph() const { return detail::graph_of(*this->function_); }
  /// What the library chose for the latest extents: kernels, the schedule of each as calls, what bounds it, its loops;
  /// memory. Prints.
  tenon::explanation explain() const { return detail::explain(*this->function_); }
  /// Where values lie between the kernels, for the latest extents: text that prints, and a drawing. Empty before the
  /// first call.
  workspace_plan memory_plan() const { return detail::memory_plan(*this->function_); }
  /// How each kernel does on these arguments: time, operations and bytes a second beside the measured peaks of the
  /// machine, and its busiest loop as assembly. Compiles if need be, and throws as a call does. Calls more than once:
  /// what is `inout` changes as often.
  tenon::explanation bench(const detail::call_argument<P>&... x) const {
    const detail::any_view* const views[] = {x.get()..., nullptr};
    return detail::bench(*this->function_, views);
  }
  /// Plain loops over what a call computes, to be scheduled by hand: a tenon::schedule. `extents`, one list for each
  /// argument, are needed where the parameters' types leave them open. schedule_error when they are not all known, or
  /// the target has no loops; shape_error when they do not fit the parameters.
  auto schedule(std::initializer_list<dims> extents = {}) const {
    return tenon::schedule<R(P...)>(this->function_, extents);
  }
  /// Replays what `json()` of a schedule wrote. schedule_error when the text is damaged, or a step does not fit here.
  template <std::convertible_to<std::string_view> Text>
  auto schedule(const Text& json) const {
    return tenon::schedule<R(P...)>(this->function_, std::string_view(json));
  }
};

}  // namespace tenon
