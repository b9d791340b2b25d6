// Native functions of operators: kernels per operator and element type over a shared strided driver, and the generic
// native context and program for what has no kernel of its own.
#pragma once
#include <array>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/with_dtype.hpp"
#include "graph/op_def.hpp"
#include "loop/symbol.hpp"
#include "ops/meaning.hpp"
#include "ops/number.hpp"

namespace tenon::ir::native {

using detail::type_c;

/// f(type_c<D>) for the run-time type; `otherwise` for any_dtype.
template <class R, class F>
R with_dtype(dtype d, R otherwise, F f) {
  return d == any_dtype ? otherwise : detail::with_dtype(d, f);
}
template <class Op>
const typename Op::attrs& attrs_of(const native_call& c) {
  return *static_cast<const typename Op::attrs*>(c.attrs);
}
/// The unsigned integer of the same size: movement looks at sizes alone.
constexpr dtype bits_type(dtype d) {
  switch (size_of(d)) {
    case 1:
      return u8;
    case 2:
      return u16;
    case 4:
      return u32;
    default:
      return u64;
  }
}

/// The result type of an operator whose main operand has type D, and whether it takes D.
template <class Op, dtype D>
constexpr detail::type_outcome types_for() {
  dtype t[8]{};
  constexpr int n = Op::operands < 8 ? Op::operands : 8;
  for (int k = 0; k < n; ++k) t[k] = Op::operand_type(k, D);
  return Op::types(typename Op::attrs{}, detail::dtypes{t, n});
}

// ---- strided loops

/// Loops over the elements of several strided values at once; axes of one element are dropped and axes that follow each
/// other in every value are merged.
struct strided_loops {
  static constexpr int max_values = 4;
  int rank = 0, values = 0;
  extent_t extents[dims::max_rank]{};
  extent_t strides[max_values][dims::max_rank]{};  ///< in elements
  bool empty = false;

  void add_axis(extent_t extent, const extent_t* stride_of_each);
  /// Merges axes; at least one is left.
  void finish();
};
/// Runs `row(n, pointers, strides)` along the last axis for every index of the others.
using row_fn = void (*)(const void* attrs, extent_t n, char* const* data, const extent_t* strides);
void run_rows(const strided_loops&, row_fn, const void* attrs, char* const* data, const int* sizes);
/// A map's loops: result first, then operands broadcast to it.
void run_map(const native_call&, row_fn);

// ---- maps

template <class Op, class... V>
inline auto scalar_of(const typename Op::attrs& at, V... v) {
  if constexpr (requires { ops::meaning<Op>::scalar(at, v...); })
    return ops::meaning<Op>::scalar(at, v...);
  else
    return ops::meaning<Op>::scalar(v...);
}
template <class S>
inline auto load_num(const S* p) {
  const auto v = from_stored(*p);
  return num<std::remove_const_t<decltype(v)>>(v);
}

/// One row of a map. Operands that are contiguous or constant along it have loops that the compiler vectorises.
template <class Op, dtype Out, dtype... In>
struct map_kernel {
  using A = typename Op::attrs;
  using S = stored_t<Out>;
  static void row(const void* attrs, extent_t n, char* const* data, const extent_t* s) {
    run(*static_cast<const A*>(attrs), n, data, s, std::make_index_sequence<sizeof...(In)>{});
  }
  template <std::size_t... K>
  static void run(const A& at, extent_t n, char* const* data, const extent_t* s, std::index_sequence<K...>) {
    S* out = reinterpret_cast<S*>(data[0]);
    const auto put = [&](extent_t i, auto... v) { out[i] = to_stored<S>(scalar_of<Op>(at, v...).v); };
    if (s[0] == 1 && ((s[K + 1] == 1) && ...)) {
      for (extent_t i = 0; i < n; ++i) put(i, load_num(pointer<In>(data[K + 1]) + i)...);
      return;
    }
    if constexpr (sizeof...(In) == 2) {
      constexpr auto first = [](auto a, auto...) { return a; };
      constexpr auto second = [](auto, auto b, auto...) { return b; };
      constexpr auto da = first(type_c<In>{}...), db = second(type_c<In>{}...);
      const auto* a = pointer<da()>(data[1]);
      const auto* b = pointer<db()>(data[2]);
      if (s[0] == 1 && s[1] == 1 && s[2] == 0) {
        const auto fixed = load_num(b);
        for (extent_t i = 0; i < n; ++i) put(i, load_num(a + i), fixed);
        return;
      }
      if (s[0] == 1 && s[1] == 0 && s[2] == 1) {
        const auto fixed = load_num(a);
        for (extent_t i = 0; i < n; ++i) put(i, fixed, load_num(b + i));
        return;
      }
    }
    for (extent_t i = 0; i < n; ++i) put(i * s[0], load_num(pointer<In>(data[K + 1]) + i * s[K + 1])...);
  }
  template <dtype D>
  static const stored_t<D>* pointer(const char* p) {
    return reinterpret_cast<const stored_t<D>*>(p);
  }
};
template <class Op, dtype D, std::size_t... K>
native_fn map_function(std::index_sequence<K...>) {
  return [](const native_call& c) {
    run_map(c, map_kernel<Op, types_for<Op, D>().out, Op::operand_type(static_cast<int>(K), D)...>::row);
  };
}

// ---- the generic context

/// Element offset of indices.
inline extent_t offset_of(const native_operand& o, const index_list<extent_t>& i) {
  extent_t at = 0;
  for (int d = 0; d < i.size; ++d) at += i[d] * o.strides[d];
  return at;
}
/// f(indices) for every index below the extents, in row-major order.
template <class F>
void for_each_index(const index_list<extent_t>& extents, F f) {
  for (int d = 0; d < extents.size; ++d)
    if (extents[d] <= 0) return;
  index_list<extent_t> i;
  for (int d = 0; d < extents.size; ++d) i.push_back(0);
  for (;;) {
    f(std::as_const(i));
    int d = extents.size - 1;
    for (; d >= 0; --d) {
      if (++i[d] < extents[d]) break;
      i[d] = 0;
    }
    if (d < 0) return;
  }
}

template <class T>
num<T> identity_of(reducer r) {
  using limits = std::numeric_limits<T>;
  switch (r) {
    case reducer::sum:
      return convert<T>(0);
    case reducer::prod:
      return convert<T>(1);
    case reducer::max:
      return limits::has_infinity ? static_cast<T>(-limits::infinity()) : limits::lowest();
    case reducer::min:
      return limits::has_infinity ? limits::infinity() : limits::max();
    case reducer::all:
      return convert<T>(1);
    default:
      return convert<T>(0);
  }
}
template <class T>
num<T> combined(reducer r, num<T> a, num<T> b) {
  if constexpr (std::is_same_v<T, bool>) {
    return r == reducer::all ? a & b : a | b;
  } else {
    switch (r) {
      case reducer::sum:
        return a + b;
      case reducer::prod:
        return a * b;
      case reducer::max:
        return max(a, b);
      default:
        return min(a, b);
    }
  }
}
/// Whether argmax or argmin prefers a later `v` to `best`.
template <class T>
bool preferred(reducer r, num<T> v, num<T> best) {
  if (best.v != best.v) return false;
  return v.v != v.v || (r == reducer::argmax ? v.v > best.v : v.v < best.v);
}

/// The context of `compute` on numbers: operands of type D (but masks and indices), a result of type O.
template <dtype D, dtype O>
class context {
 public:
  using value = num<compute_t<D>>;
  using wide = num<accumulator_t<D>>;
  using term = num<host_t<mean_type(D)>>;
  using result_value = num<compute_t<O>>;
  using index = extent_t;
  using mask = num<bool>;
  using indices = index_list<extent_t>;
  using reducer = ir::reducer;

  explicit context(const native_call& c) : call_(c) {}
  int operands() const { return call_.inputs; }
  int rank(int k) const { return call_.in[k].shape.rank; }
  int out_rank(int k = 0) const { return call_.out[k].shape.rank; }
  extent_t extent(int k, int d) const { return call_.in[k].shape[d]; }
  extent_t exact_extent(int k, int d) const { return extent(k, d); }
  extent_t out_extent(int d) const { return call_.out[0].shape[d]; }
  bool same(extent_t a, extent_t b) const { return a == b; }

  value load(int k, const indices& i) const { return value(from_stored(at<D>(k, i))); }
  wide load_wide(int k, const indices& i) const { return wide(convert<accumulator_t<D>>(from_stored(at<D>(k, i)))); }
  term load_term(int k, const indices& i) const {
    return term(convert<host_t<mean_type(D)>>(from_stored(at<D>(k, i))));
  }
  value load_if(mask m, int k, const indices& i, value otherwise) const { return m.v ? load(k, i) : otherwise; }
  wide load_wide_if(mask m, int k, const indices& i) const { return m.v ? load_wide(k, i) : wide(accumulator_t<D>(0)); }
  mask load_mask(int k, const indices& i) const { return mask(from_stored(at<b8>(k, i))); }
  extent_t load_index(int k, const indices& i) const {
    return with_dtype(call_.in[k].type, extent_t{0},
                      [&](auto t) { return convert<extent_t>(from_stored(at<decltype(t)::value>(k, i))); });
  }

  value constant(number n) const {
    return value(n.is_integer ? convert<compute_t<D>>(n.integer) : convert<compute_t<D>>(n.real));
  }
  value lowest() const { return identity_of<compute_t<D>>(reducer::max); }
  value highest() const { return identity_of<compute_t<D>>(reducer::min); }
  extent_t to_index(number n) const { return n.is_integer ? n.integer : static_cast<extent_t>(n.real); }
  result_value to_value(extent_t i) const { return result_value(convert<compute_t<O>>(i)); }
  term to_term(extent_t i) const { return term(convert<host_t<mean_type(D)>>(i)); }
  result_value from_mask(mask m) const { return result_value(convert<compute_t<O>>(m.v)); }
  extent_t select(mask m, extent_t a, extent_t b) const { return m.v ? a : b; }
  template <class T>
  num<T> select(mask m, num<T> a, num<T> b) const {
    return m.v ? a : b;
  }

  template <class F>
  auto reduce(reducer r, const indices& extents, F f) const {
    using R = decltype(f(extents));
    R all = identity_of<decltype(R::v)>(r);
    for_each_index(extents, [&](const indices& i) { all = combined(r, all, f(i)); });
    return all;
  }
  template <class F>
  mask reduce_mask(reducer r, const indices& extents, F f) const {
    return reduce(r, extents, f);
  }
  template <class F>
  extent_t reduce_arg(reducer r, extent_t extent, F f) const {
    if (extent <= 0) return 0;
    auto best = f(extent_t{0});
    extent_t at = 0;
    for (extent_t i = 1; i < extent; ++i)
      if (const auto v = f(i); preferred(r, v, best)) {
        best = v;
        at = i;
      }
    return at;
  }

 protected:
  template <dtype E>
  const stored_t<E>& at(int k, const indices& i) const {
    return static_cast<const stored_t<E>*>(call_.in[k].data)[offset_of(call_.in[k], i)];
  }
  const native_call& call_;
};

template <class T>
T plain(num<T> v) {
  return v.v;
}
inline extent_t plain(extent_t v) { return v; }
inline bool plain(bool v) { return v; }

template <class Op, dtype D, dtype O>
void compute_all(const native_call& call) {
  context<D, O> c(call);
  const auto& at = *static_cast<const typename Op::attrs*>(call.attrs);
  const native_operand& out = call.out[0];
  index_list<extent_t> extents;
  for (extent_t e : out.shape) extents.push_back(e);
  auto* data = static_cast<stored_t<O>*>(out.data);
  for_each_index(extents, [&](const index_list<extent_t>& i) {
    data[offset_of(out, i)] = to_stored<stored_t<O>>(plain(ops::meaning<Op>::compute(c, at, i)));
  });
}

// ---- programs

/// The builder of `program` on numbers: runs it.
template <dtype D, dtype O>
class program : public context<D, O> {
 public:
  using base = context<D, O>;
  using base::base;
  using typename base::indices;
  using typename base::mask;
  using typename base::value;

  template <class T>
  class variable {
   public:
    explicit variable(T v) : v_(v) {}
    T get() const { return v_; }
    void set(T v) { v_ = v; }

   private:
    T v_;
  };
  template <class F>
  void outer(const indices& extents, F f) {
    for_each_index(extents, f);
  }
  template <class F>
  void loop(extent_t begin, extent_t end, F f) {
    for (extent_t i = begin; i < end; ++i) f(i);
  }
  template <class F>
  void lanes(extent_t begin, extent_t end, F f) {
    loop(begin, end, f);
  }
  template <class F>
  void branch(mask m, F then) {
    if (m.v) then();
  }
  template <class F, class G>
  void branch(mask m, F then, G otherwise) {
    if (m.v)
      then();
    else
      otherwise();
  }
  variable<value> local(value v) { return variable<value>(v); }
  variable<extent_t> local_index(extent_t v) { return variable<extent_t>(v); }
  template <class T>
  void store(int result, const indices& i, num<T> v) {
    result_at<O>(result, i) = to_stored<stored_t<O>>(v.v);
  }
  void store(int result, const indices& i, extent_t v) { result_at<i64>(result, i) = v; }
  value load_result(int result, const indices& i) { return value(from_stored(result_at<O>(result, i))); }
  extent_t load_result_index(int result, const indices& i) { return result_at<i64>(result, i); }

 private:
  template <dtype E>
  stored_t<E>& result_at(int k, const indices& i) {
    return static_cast<stored_t<E>*>(this->call_.out[k].data)[offset_of(this->call_.out[k], i)];
  }
};
template <class Op, dtype D, dtype O>
void run_program(const native_call& call) {
  program<D, O> p(call);
  ops::meaning<Op>::program(p, *static_cast<const typename Op::attrs*>(call.attrs));
}

// ---- the function of an operator

/// Specialised where an operator has a native function of its own: `static native_fn choose(attrs, dtypes)`, for types
/// that its rule takes.
template <class Op>
struct override_of;
/// One function for all types.
template <native_fn Run>
struct function_override {
  static native_fn choose(const auto&, detail::dtypes) { return Run; }
};
template <class Op>
concept overridden = requires(const typename Op::attrs& at, detail::dtypes t) { override_of<Op>::choose(at, t); };

template <class Op, dtype D>
native_fn function_for() {
  constexpr detail::type_outcome t = types_for<Op, D>();
  if constexpr (!t.ok)
    return nullptr;
  else if constexpr (Op::kind_of == op_kind::map)
    return map_function<Op, D>(std::make_index_sequence<static_cast<std::size_t>(Op::operands)>{});
  else if constexpr (Op::kind_of == op_kind::program)
    return run_program<Op, D, t.out>;
  else
    return compute_all<Op, D, t.out>;
}
template <class Op>
native_fn choose(const void* attrs, detail::dtypes t) {
  const auto& at = *static_cast<const typename Op::attrs*>(attrs);
  const detail::type_outcome types = Op::types(at, t);
  if (!types.ok || types.out == any_dtype) return nullptr;
  for (int k = 0; k < t.n; ++k)
    if (t[k] == any_dtype) return nullptr;
  if constexpr (overridden<Op>) {
    return override_of<Op>::choose(at, t);
  } else {
    dtype main = t.n == 0 ? types.out : t[Op::main_operand];
    // Elements that only move are their bits: four functions serve all types.
    if constexpr (Op::kind_of == op_kind::movement && Op::operands > 0) {
      main = bits_type(main);
      return main == u8    ? function_for<Op, u8>()
             : main == u16 ? function_for<Op, u16>()
             : main == u32 ? function_for<Op, u32>()
                           : function_for<Op, u64>();
    } else {
      return with_dtype(main, native_fn{}, [](auto d) { return function_for<Op, decltype(d)::value>(); });
    }
  }
}

}  // namespace tenon::ir::native
