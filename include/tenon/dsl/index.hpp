// Index notation: `auto [i, j, d] = axes<"i, j, d">(); compute(i, j)[sum(d)(q(i, d) * k(j, d))]`.
//
// An element x(i, j) is a graph node of rank 0 with its free axes in its type; maps and reductions over axes make
// others; `compute` closes one into a tensor. Extents: an axis takes its extent from where it indexes alone, or states
// it (axis<"r", 3> r; axis<"r", dyn> r(n)). An axis of the result that stands only in sums, as in x(i + r), is as long
// as the operands allow.
#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/core/op_kind.hpp"
#include "tenon/dsl/apply.hpp"
#include "tenon/dsl/param.hpp"

namespace tenon {

namespace detail {

/// The extent of an axis that states none.
inline constexpr extent_t inferred_extent = -2;

/// An axis in a type: its packed name, and what is known of its extent.
struct axis_info {
  extent_t name = 0, extent = inferred_extent;
  friend constexpr bool operator==(const axis_info&, const axis_info&) = default;
};
/// Distinct axes, in order of first use; the same as a value and as a template argument.
struct axis_set {
  static constexpr int capacity = 12;
  axis_info a[capacity]{};
  int n = 0;
  bool full = false;          ///< an axis did not fit
  axis_info left{}, right{};  ///< the first axis that was met with two extents
  constexpr int find(extent_t name) const {
    for (int i = 0; i < n; ++i)
      if (a[i].name == name) return i;
    return -1;
  }
  constexpr void add(const axis_info& x) {
    const int k = find(x.name);
    if (k < 0) {
      if (n == capacity)
        full = true;
      else
        a[n++] = x;
      return;
    }
    extent_t& e = a[k].extent;
    if (e >= 0 && x.extent >= 0 && e != x.extent && left.name == 0) {
      left = a[k];
      right = x;
    }
    // A number says more than a name, a name more than dyn, dyn more than nothing.
    if (e < 0 && (x.extent >= 0 || e == inferred_extent || (e == dyn && x.extent != inferred_extent))) e = x.extent;
  }
  constexpr axis_set without(const axis_set& bound) const {
    axis_set r;
    for (int i = 0; i < n; ++i)
      if (bound.find(a[i].name) < 0) r.add(a[i]);
    return r;
  }
  friend constexpr bool operator==(const axis_set&, const axis_set&) = default;
};
constexpr axis_set united(std::initializer_list<axis_set> sets) {
  axis_set r;
  for (const axis_set& s : sets)
    for (int i = 0; i < s.n; ++i) r.add(s.a[i]);
  return r;
}
constexpr text axis_name(extent_t name) {
  text t;
  t << extent_t{name_base + name};
  return t;
}
constexpr text conflict(const axis_set& s) {
  text t;
  t << "extents " << s.left.extent << " != " << s.right.extent << " of " << axis_name(s.left.name).view();
  return t;
}
template <class Op, axis_set Axes>
constexpr void check_axes() {
  if constexpr (Axes.left.name != 0) {
    tensor_error<words<written(Op::name)>(), "index notation", words<conflict(Axes)>()> refused;
    (void)refused;
  }
  static_assert(!Axes.full, "index notation: an expression has at most 12 free axes");
}

/// A sum of axes times coefficients, plus an offset: one index of a load.
struct index_form {
  struct term {
    extent_t axis = 0;  ///< packed name; inside a closed `compute` the axis's number
    extent_t extent = inferred_extent;
    extent_t coefficient = 1;
    friend constexpr bool operator==(const term&, const term&) = default;
  };
  static constexpr int capacity = 8;
  term terms[capacity]{};
  int n = 0;
  extent_t offset = 0;
  friend constexpr bool operator==(const index_form&, const index_form&) = default;
};
/// a + factor * b; argument_error when it has too many terms or overflows.
index_form combine(const index_form& a, const index_form& b, extent_t factor);
index_form scale(const index_form& a, extent_t factor, extent_t offset);

// What index notation ends in (src/dsl/index.cpp). `axes` of a reduction or of the result: packed names.
node_ref emit_index_load(const node_ref& tensor, const index_form* indices, int n, const loc&);
node_ref emit_index_value(const index_form&, const loc&);
node_ref emit_index_reduce(std::string_view reducer, const index_form* axes, int n, const node_ref& body, const loc&);
/// Throws shape_error when extents of one axis differ or an index leaves its operand, as far as they are known.
node_ref emit_compute(const index_form* axes, int n, const node_ref& body, const loc&);

/// Arithmetic of axes with integers: `2 * i + r - 1`.
template <axis_set Axes>
struct affine_index {
  static constexpr kind tenon_kind = kind::axis;
  static constexpr dtype type = i64;
  static constexpr axis_set free = Axes;
  index_form form;
};
template <axis_set Axes>
inline constexpr bool is_index_argument<affine_index<Axes>> = true;

/// Names the namespace for argument-dependent lookup of an axis's operators.
struct axis_base {};

/// An element in index notation: a node of rank 0 that depends on the axes `Free`.
template <dtype D, axis_set Free>
struct [[nodiscard]] index_expr : value_base, operators<index_expr<D, Free>> {
  static constexpr kind tenon_kind = kind::index;
  static constexpr dtype type = D;
  static constexpr axis_set free = Free;

  explicit index_expr(node_ref n) : value_base(std::move(n)) {}
};

template <std::size_t N>
consteval extent_t packed_axis_name(const fixed_string<N>& s) {
  return pack_name(s.text, N - 1);
}

}  // namespace detail

/// An axis of index notation, known by its name (1 to 10 letters, digits, underscores). `axis<"r", 3> r;` states its
/// extent, `axis<"r", dyn> r(n);` states it at run time.
template <detail::fixed_string Name, extent_t E = detail::inferred_extent>
class axis : detail::axis_base {
  static_assert(detail::packed_axis_name(Name) != 0,
                "axis: a name has 1 to 10 characters: letters, digits, underscores");
  static_assert(E >= dyn || E == detail::inferred_extent, "axis: an extent is not negative");

 public:
  static constexpr auto tenon_kind = detail::kind::axis;
  static constexpr dtype type = i64;
  static constexpr detail::axis_set free = detail::united({{{{detail::packed_axis_name(Name), E}}, 1}});

  constexpr axis()
    requires(E != dyn)
  = default;
  /// Throws argument_error when `extent` is negative.
  constexpr explicit axis(extent_t extent)
    requires(E == dyn)
      : extent_(extent) {
    if (extent < 0) throw argument_error("axis: an extent is not negative");
  }
  constexpr detail::index_form form() const {
    detail::index_form f;
    f.terms[0] = {free.a[0].name, extent_, 1};
    f.n = 1;
    return f;
  }

 private:
  extent_t extent_ = E;
};

namespace detail {

template <fixed_string N, extent_t E>
inline constexpr bool is_index_argument<axis<N, E>> = true;
template <class T>
inline constexpr bool is_axis = false;
template <fixed_string N, extent_t E>
inline constexpr bool is_axis<axis<N, E>> = true;
/// An axis itself: what reductions and `compute` take.
template <class T>
concept an_axis = is_axis<std::remove_cvref_t<T>>;

template <class A>
constexpr index_form form_of(const A& a) {
  if constexpr (is_axis<A>)
    return a.form();
  else
    return a.form;
}

// ---- arithmetic of axes: sums, differences and integer multiples stay indices
template <index_argument A, index_argument B>
auto operator+(const A& a, const B& b) {
  return affine_index<united({A::free, B::free})>{combine(form_of(a), form_of(b), 1)};
}
template <index_argument A, index_argument B>
auto operator-(const A& a, const B& b) {
  return affine_index<united({A::free, B::free})>{combine(form_of(a), form_of(b), -1)};
}
template <index_argument A, std::integral I>
auto operator+(const A& a, I b) {
  return affine_index<A::free>{scale(form_of(a), 1, static_cast<extent_t>(b))};
}
template <index_argument A, std::integral I>
auto operator+(I b, const A& a) {
  return a + b;
}
template <index_argument A, std::integral I>
auto operator-(const A& a, I b) {
  return affine_index<A::free>{scale(form_of(a), 1, -static_cast<extent_t>(b))};
}
template <index_argument A, std::integral I>
auto operator-(I b, const A& a) {
  return affine_index<A::free>{scale(form_of(a), -1, static_cast<extent_t>(b))};
}
template <index_argument A, std::integral I>
auto operator*(const A& a, I b) {
  return affine_index<A::free>{scale(form_of(a), static_cast<extent_t>(b), 0)};
}
template <index_argument A, std::integral I>
auto operator*(I b, const A& a) {
  return a * b;
}

// ---- operands of an operator in index notation: elements or numbers
template <class T>
inline constexpr axis_set free_of = axis_set{};
template <class T>
  requires requires { T::free; }
inline constexpr axis_set free_of<T> = T::free;

template <class A>
auto as_element(const loc& where, const A& a) {
  if constexpr (kind_of<A> == kind::axis) {
    return index_expr<i64, A::free>(emit_index_value(form_of(a), where));
  } else if constexpr (kind_of<A> == kind::tensor) {
    constexpr dims d = A::shape_type::value;
    if constexpr (d.rank > 0) {
      tensor_error<"index notation", "a tensor has no indices here", words<written(d)>()> refused;
      (void)refused;
    }
    return index_expr<A::type, axis_set{}>(emit_index_load(a.node(), nullptr, 0, where));
  } else {
    return a;
  }
}
template <>
struct apply_to<kind::index> {
  template <class Op, auto Attrs, class... A>
  static auto call(const loc& where, const void* attrs, const A&... a) {
    return make<Op, Attrs>(where, attrs, as_element(where, a)...);
  }

 private:
  template <class Op, auto Attrs, class... E>
  static auto make(const loc& where, const void* attrs, const E&... e) {
    // Of one element of each operand one element.
    if constexpr ((Op::kind_of != ops::op_kind::map && Op::kind_of != ops::op_kind::library) || Op::results != 1) {
      tensor_error<words<written(Op::name)>(), "takes no element: name the axes"> refused;
      (void)refused;
    }
    using shapes_ = inferred<Op, Attrs, typename shape_of_type<E>::type...>;
    using types_ = inferred_types<Op, Attrs, dtype_of<E>...>;
    constexpr axis_set axes = united({free_of<E>...});
    check<Op, shapes_, types_, E...>();
    check_axes<Op, axes>();
    const argument operands[] = {operand_of(e)...};
    return index_expr<types_::value.out, axes>(emit(definition<Op>(), attrs, operands, sizeof...(E), where));
  }
};

/// An axis beside an element; where `Alone` also beside another axis or an integer.
template <class A, class B, bool Alone>
concept axis_with =
    (index_argument<A> && (kind_of<B> == kind::index || (Alone && (index_argument<B> || std::integral<B>)))) ||
    (index_argument<B> && (kind_of<A> == kind::index || (Alone && std::integral<A>)));
#define TENON_AXIS_OPERATOR(symbol, op, alone)                    \
  template <class A, class B>                                     \
    requires axis_with<A, B, alone>                               \
  auto operator symbol(const A& a, const B& b) {                  \
    return apply<ops::op>(std::source_location::current(), a, b); \
  }
// Beside an element an axis is its position, of type i64; so it is in comparisons, divisions and remainders.
TENON_AXIS_OPERATOR(+, add_op, false)
TENON_AXIS_OPERATOR(-, sub_op, false)
TENON_AXIS_OPERATOR(*, mul_op, false)
TENON_AXIS_OPERATOR(<, less_op, true)
TENON_AXIS_OPERATOR(<=, less_equal_op, true)
TENON_AXIS_OPERATOR(>, greater_op, true)
TENON_AXIS_OPERATOR(>=, greater_equal_op, true)
TENON_AXIS_OPERATOR(/, div_op, true)
TENON_AXIS_OPERATOR(%, mod_op, true)
#undef TENON_AXIS_OPERATOR

// ---- reductions over axes
constexpr text unknown_axis(const axis_set& bound, const axis_set& body, bool reduces) {
  text t;
  for (int i = 0; i < bound.n; ++i) {
    const int k = body.find(bound.a[i].name);
    const bool stated = bound.a[i].extent != inferred_extent;
    if (reduces && k < 0 && !stated) return t << axis_name(bound.a[i].name).view() << " indexes nothing", t;
    if (reduces && k >= 0 && body.a[k].extent == inferred_extent && !stated)
      return t << "axis " << axis_name(bound.a[i].name).view() << ": state its extent", t;
    if (!reduces && k < 0 && !stated) return t << axis_name(bound.a[i].name).view() << " indexes nothing", t;
  }
  return t;
}

/// sum(d): waits for the expression to reduce.
template <class Op, axis_set Bound>
class reduction_over {
 public:
  constexpr explicit reduction_over(const index_form* axes) {
    for (int i = 0; i < Bound.n; ++i) axes_[i] = axes[i];
  }
  template <class E>
    requires(kind_of<E> != kind::none)
  auto operator()(const E& e, loc where = std::source_location::current()) const {
    return reduce(as_element(where, e), where);
  }

 private:
  template <dtype D, axis_set F>
  auto reduce(const index_expr<D, F>& e, const loc& where) const {
    using types_ = inferred_types<Op, typename Op::attrs{}, D>;
    if constexpr (!types_::value.ok) refuse_types<Op, types_, D>();
    check_axes<Op, united({Bound, F})>();
    if constexpr (unknown_axis(Bound, F, true).size != 0) {
      tensor_error<words<written(Op::name)>(), "index notation", words<unknown_axis(Bound, F, true)>()> refused;
      (void)refused;
    }
    return index_expr<types_::value.out, F.without(Bound)>(
        emit_index_reduce(Op::name, axes_, Bound.n, e.node(), where));
  }

  index_form axes_[axis_set::capacity];
};

/// A reduction: sum(x), sum(x, {.axes = {0}}), sum.with<{.axes = {0}}>(x), and sum(d)(x(i, d)) over axes.
template <class Op>
struct reduce_fn : attr_fn<Op> {
  using attr_fn<Op>::operator();
  template <an_axis... A>
    requires(sizeof...(A) > 0)
  constexpr auto operator()(const A&... a) const {
    static_assert(Op::reduces_by_axis, "index notation reduces by sum, prod, max, min, all and any");
    static_assert(united({A::free...}).n == sizeof...(A), "index notation: an axis is named twice");
    const index_form forms[] = {a.form()...};
    return reduction_over<Op, united({A::free...})>(forms);
  }
};

// ---- loads
/// What an index says of its axes: an axis that stands alone takes the extent of the dimension.
template <class I>
constexpr axis_set index_axes(const dims& d, int at) {
  axis_set s = I::free;
  if constexpr (is_axis<I>) {
    const extent_t e = d.any() ? dyn : d[at];
    if (s.a[0].extent == inferred_extent || (s.a[0].extent == dyn && e != dyn)) s.a[0].extent = e;
  }
  return s;
}
struct index_load_name {
  static constexpr const char* name = "index";
};
template <class... I>
struct load_of {
  template <dims D>
  static constexpr axis_set axes() {
    axis_set r;
    int at = 0;
    (add_all(r, index_axes<I>(D, at++)), ...);
    // A stated extent beside the dimension's own: the two must agree.
    at = 0;
    (check_stated(r, I::free, is_axis<I>, D, at++), ...);
    return r;
  }

 private:
  static constexpr void add_all(axis_set& r, const axis_set& s) {
    for (int i = 0; i < s.n; ++i) r.add(s.a[i]);
  }
  static constexpr void check_stated(axis_set& r, const axis_set& s, bool alone, const dims& d, int at) {
    if (alone && !d.any()) r.add({s.a[0].name, d[at]});
  }
};

template <class T, class... I>
auto load(const T& t, const I&... i) {
  constexpr dims d = T::shape_type::value;
  if constexpr (!d.any() && d.rank != static_cast<int>(sizeof...(I))) {
    constexpr text why = [] {
      text w;
      w << static_cast<int>(sizeof...(I)) << " indices for rank " << d.rank;
      return w;
    }();
    tensor_error<"index notation", words<why>(), words<written(d)>()> refused;
    (void)refused;
    return index_expr<T::type, axis_set{}>({});
  } else {
    constexpr axis_set axes = load_of<I...>::template axes<d>();
    check_axes<index_load_name, axes>();
    const index_form forms[] = {form_of(i)..., index_form{}};
    return index_expr<T::type, axes>(
        emit_index_load(t.node(), forms, static_cast<int>(sizeof...(I)), std::source_location::current()));
  }
}

// ---- compute
struct compute_name {
  static constexpr const char* name = "compute";
};
constexpr text free_axis(const axis_set& out, const axis_set& body) {
  text t;
  for (int i = 0; i < body.n; ++i)
    if (out.find(body.a[i].name) < 0)
      return t << "axis " << axis_name(body.a[i].name).view() << " is bound by nothing", t;
  return t;
}
constexpr dims computed_shape(const axis_set& out, const axis_set& body) {
  dims d;
  for (int i = 0; i < out.n; ++i) {
    const int k = body.find(out.a[i].name);
    extent_t e = out.a[i].extent;
    if (k >= 0 && e < 0 && body.a[k].extent != inferred_extent) e = body.a[k].extent;
    d.push_back(e == inferred_extent ? dyn : e);
  }
  return d;
}

/// compute(i, j): waits for the expression of one element.
template <axis_set Out>
class computation {
 public:
  computation(const index_form* axes, loc where) : where_(where) {
    for (int i = 0; i < Out.n; ++i) axes_[i] = axes[i];
  }
  template <class E>
    requires(kind_of<E> != kind::none)
  auto operator[](const E& e) const {
    return close(as_element(where_, e));
  }

 private:
  template <dtype D, axis_set F>
  auto close(const index_expr<D, F>& e) const {
    if constexpr (free_axis(Out, F).size != 0) {
      tensor_error<"compute", words<free_axis(Out, F)>()> refused;
      (void)refused;
      return tensor<D, any_shape>{};
    } else if constexpr (unknown_axis(Out, F, false).size != 0) {
      tensor_error<"compute", words<unknown_axis(Out, F, false)>()> refused;
      (void)refused;
      return tensor<D, any_shape>{};
    } else {
      check_axes<compute_name, united({Out, F})>();
      return made(std::type_identity<tensor<D, to_shape<computed_shape(Out, F)>>>{},
                  emit_compute(axes_, Out.n, e.node(), where_));
    }
  }

  index_form axes_[axis_set::capacity];
  loc where_;
};
template <class... A>
auto computation_of(const loc& where, const A&... a) {
  static_assert(united({A::free..., axis_set{}}).n == sizeof...(A), "compute: an axis is named twice");
  static_assert(sizeof...(A) <= dims::max_rank, "compute: the rank is at most 8");
  const index_form forms[] = {a.form()..., index_form{}};
  return computation<united({A::free..., axis_set{}})>(forms, where);
}

// ---- axes<"i, j, d">
struct name_list {
  static constexpr int capacity = axis_set::capacity;
  char s[capacity][max_name_length + 2]{};
  int length[capacity]{};
  int n = 0;
  bool ok = true;
};
constexpr name_list split_names(std::string_view names) {
  name_list r;
  bool in = false;
  for (char c : names) {
    if (c == ' ' || c == ',') {
      in = false;
      continue;
    }
    if (!in && r.n == name_list::capacity) {
      r.ok = false;
      return r;
    }
    if (!in) ++r.n;
    in = true;
    int& k = r.length[r.n - 1];
    if (k > max_name_length)
      r.ok = false;
    else
      r.s[r.n - 1][k++] = c;
  }
  return r;
}
template <fixed_string Names, int I>
consteval auto nth_name() {
  constexpr name_list all = split_names(Names.view());
  fixed_string<static_cast<std::size_t>(all.length[I]) + 1> r;
  for (int i = 0; i < all.length[I]; ++i) r.text[i] = all.s[I][i];
  return r;
}
template <fixed_string Names, int... I>
constexpr auto make_axes(std::integer_sequence<int, I...>) {
  return std::tuple<axis<nth_name<Names, I>()>...>{};
}

}  // namespace detail

/// Several axes at once: `auto [i, j] = axes<"i, j">();`.
template <detail::fixed_string Names>
constexpr auto axes() {
  static_assert(detail::split_names(Names.view()).ok, "axes: at most 12 names of 1 to 10 characters");
  return detail::make_axes<Names>(std::make_integer_sequence<int, detail::split_names(Names.view()).n>{});
}

/// A position along an axis as an element of type i64: `cast<f32>(position(i))`, `select(equal(position(i), j), ...)`.
template <detail::index_argument A>
auto position(const A& a, loc where = std::source_location::current()) {
  return detail::as_element(where, a);
}

// One overload for each rank: no defaulted location can follow a pack.
/// The tensor whose element at the given axes is the expression: `compute(i, j)[x(i) * y(j)]`. An axis in the
/// expression that neither `compute` nor a reduction binds is an error of the C++ compiler.
template <detail::an_axis... None>
  requires(sizeof...(None) == 0)
auto compute(loc where = std::source_location::current()) {
  return detail::computation_of<None...>(where);
}
template <detail::an_axis A>
auto compute(const A& a, loc where = std::source_location::current()) {
  return detail::computation_of(where, a);
}
template <detail::an_axis A, detail::an_axis B>
auto compute(const A& a, const B& b, loc where = std::source_location::current()) {
  return detail::computation_of(where, a, b);
}
template <detail::an_axis A, detail::an_axis B, detail::an_axis C>
auto compute(const A& a, const B& b, const C& c, loc where = std::source_location::current()) {
  return detail::computation_of(where, a, b, c);
}
template <detail::an_axis A, detail::an_axis B, detail::an_axis C, detail::an_axis D>
auto compute(const A& a, const B& b, const C& c, const D& d, loc where = std::source_location::current()) {
  return detail::computation_of(where, a, b, c, d);
}
template <detail::an_axis A, detail::an_axis B, detail::an_axis C, detail::an_axis D, detail::an_axis E>
auto compute(const A& a, const B& b, const C& c, const D& d, const E& e, loc where = std::source_location::current()) {
  return detail::computation_of(where, a, b, c, d, e);
}
template <detail::an_axis A, detail::an_axis B, detail::an_axis C, detail::an_axis D, detail::an_axis E,
          detail::an_axis F>
auto compute(const A& a, const B& b, const C& c, const D& d, const E& e, const F& f,
             loc where = std::source_location::current()) {
  return detail::computation_of(where, a, b, c, d, e, f);
}

template <dtype D, class S>
template <detail::index_argument... I>
auto tensor<D, S>::operator()(const I&... indices) const {
  return detail::load(*this, indices...);
}
template <detail::index_argument... I>
auto param::operator()(const I&... indices) const {
  return detail::load(*this, indices...);
}
template <dtype D, class S>
template <detail::index_argument... I>
auto param_of<D, S>::operator()(const I&... indices) const {
  return detail::load(*this, indices...);
}

}  // namespace tenon
