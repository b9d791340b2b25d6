// Products: matmul and einsum. 16-bit floats accumulate in f32, 8-bit integers in i32, which is then the result's type;
// i8 and u8 multiply each other, too.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

constexpr bool is_byte(dtype d) { return d == i8 || d == u8; }
/// Of sums of products: the operands' type, i32 for 8-bit integers.
constexpr type_outcome product_types(dtypes t) {
  type_outcome o = one_type(domain::numbers, t);
  if (o.ok && is_byte(o.out)) o.out = i32;
  return o;
}
/// The same, where one operand may be i8 and the other u8.
constexpr type_outcome byte_product_types(dtypes t) {
  type_outcome o;
  o.out = i32;
  return t.n == 2 && is_byte(t[0]) && is_byte(t[1]) ? o : product_types(t);
}

/// a @ b as NumPy's matmul: [..., m, k] and [..., k, n] give [..., m, n], leading axes broadcast; a vector on the left
/// is a row, on the right a column, and its axis goes. ONNX MatMul, MatMulInteger.
struct matmul_op {
  using attrs = no_attrs;
  static constexpr const char* name = "matmul";
  static constexpr op_kind kind_of = op_kind::contraction;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const dims a = s[0], b = s[1];
    if (a.rank == 0 || b.rank == 0) {
      o.refuse() << "an operand has rank 0";
      return o;
    }
    const extent_t ka = a[a.rank - 1], kb = b[b.rank > 1 ? b.rank - 2 : 0];
    if (ka >= 0 && kb >= 0 && ka != kb) {
      o.refuse() << "inner extents " << ka << " != " << kb;
      return o;
    }
    dims left, right;
    for (int i = 0; i < a.rank - 2; ++i) left.push_back(a[i]);
    for (int i = 0; i < b.rank - 2; ++i) right.push_back(b[i]);
    dims r = detail::broadcast(o, left, right);
    if (!o.ok) return o;
    if (a.rank > 1) r.push_back(a[a.rank - 2]);
    if (b.rank > 1) r.push_back(b[b.rank - 1]);
    o.out = r;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) { return byte_product_types(t); }
};

}  // namespace ops

/// Of `einsum`: the subscripts, up to 47 characters.
struct einsum_attrs {
  static constexpr int capacity = 47;
  char spec[capacity + 1]{};
  int size = 0;
  constexpr einsum_attrs() = default;
  /// What does not fit is kept as a length that the shape rule refuses.
  constexpr einsum_attrs(std::string_view s) : size(static_cast<int>(s.size())) {
    for (int i = 0; i < size && i < capacity; ++i) spec[i] = s[static_cast<std::size_t>(i)];
  }
  std::string_view view() const;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("spec", s);
  }
  friend constexpr bool operator==(const einsum_attrs&, const einsum_attrs&) = default;
};

namespace ops {

/// The subscripts of an einsum, taken apart.
struct einsum_terms {
  struct term {
    char letters[dims::max_rank]{};
    int rank = 0;
    constexpr int find(char c) const {
      for (int i = 0; i < rank; ++i)
        if (letters[i] == c) return i;
      return -1;
    }
  };
  term in[3]{};
  int operands = 0;
  term out{};
  term reduced{};  ///< letters that are summed over, in order of appearance

  constexpr einsum_terms(outcome& o, const einsum_attrs& at) {
    if (at.size > at.capacity) {
      o.refuse() << "a spec of " << at.size << " > " << at.capacity << " characters";
      return;
    }
    int p = 0;
    bool arrow = false;
    operands = 1;
    for (; p < at.size && !arrow; ++p) {
      const char c = at.spec[p];
      if (c == ' ') continue;
      if (c == ',') {
        if (operands == 3) {
          o.refuse() << "more than 3 operands";
          return;
        }
        ++operands;
      } else if (c == '-' && at.spec[p + 1] == '>') {
        arrow = true;
      } else if (!add(o, in[operands - 1], c)) {
        return;
      }
    }
    if (arrow) {
      for (++p; p < at.size; ++p)
        if (at.spec[p] != ' ' && !add(o, out, at.spec[p])) return;
      for (int i = 0; i < out.rank; ++i) {
        if (uses(out.letters[i]) == 0) {
          o.refuse() << "'" << out.letters[i] << "' is in no operand";
          return;
        }
        if (out.find(out.letters[i]) != i) {
          o.refuse() << "'" << out.letters[i] << "' is twice in the result";
          return;
        }
      }
    } else {
      // As NumPy: the letters that appear once, in alphabetical order (capitals first).
      for (char c = 'A'; c <= 'z'; ++c)
        if (uses(c) == 1 && out.rank < dims::max_rank) out.letters[out.rank++] = c;
    }
    for (int k = 0; k < operands; ++k)
      for (int i = 0; i < in[k].rank; ++i) {
        const char c = in[k].letters[i];
        if (out.find(c) >= 0 || reduced.find(c) >= 0) continue;
        if (reduced.rank == dims::max_rank) {
          o.refuse() << "more than 8 letters are summed";
          return;
        }
        reduced.letters[reduced.rank++] = c;
      }
  }

 private:
  constexpr int uses(char c) const {
    int n = 0;
    for (int k = 0; k < operands; ++k)
      for (int i = 0; i < in[k].rank; ++i) n += in[k].letters[i] == c;
    return n;
  }
  static constexpr bool add(outcome& o, term& t, char c) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
      o.refuse() << "'" << c << "' is no letter";
      return false;
    }
    if (t.rank == dims::max_rank) {
      o.refuse() << "an operand has more than 8 letters";
      return false;
    }
    t.letters[t.rank++] = c;
    return true;
  }
};

/// Einstein's summation over 1 to 3 operands: a letter that is not in the result is summed over; a repeated one is the
/// diagonal; without "->" the result has the letters that appear once, sorted. Equal letters are equal extents. NumPy
/// einsum, ONNX Einsum (without "...").
struct einsum_op {
  using attrs = einsum_attrs;
  static constexpr const char* name = "einsum";
  static constexpr op_kind kind_of = op_kind::contraction;
  static constexpr int operands = 1, max_operands = 3, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    const einsum_terms t(o, at);
    o.out = detail::any_dims();
    if (!o.ok) return o;
    if (t.operands != s.size()) {
      o.refuse() << t.operands << " terms for " << s.size() << " operands";
      return o;
    }
    extent_t of[128]{};
    for (extent_t& e : of) e = dyn;
    for (int k = 0; k < s.size(); ++k) {
      if (s[k].any()) continue;
      if (s[k].rank != t.in[k].rank) {
        o.refuse() << t.in[k].rank << " letters for rank " << s[k].rank;
        return o;
      }
      for (int i = 0; i < s[k].rank; ++i) {
        extent_t& e = of[static_cast<int>(t.in[k].letters[i])];
        if (e >= 0 && s[k][i] >= 0 && e != s[k][i]) {
          o.refuse() << "extents " << e << " != " << s[k][i] << " of " << t.in[k].letters[i];
          return o;
        }
        if (s[k][i] >= 0 || e == dyn) e = s[k][i];
      }
    }
    dims r;
    for (int i = 0; i < t.out.rank; ++i) r.push_back(of[static_cast<int>(t.out.letters[i])]);
    o.out = r;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) { return product_types(t); }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome unknown_types(dtypes t) { return product_types(t); }
};

}  // namespace ops

namespace detail {
template <fixed_string Spec>
inline constexpr einsum_attrs einsum_of{Spec.view()};
}  // namespace detail

/// The matrix product a @ b, batched and broadcast as NumPy's.
template <class A, class B>
  requires(operand<A> && operand<B>)
auto matmul(const A& a, const B& b, loc where = std::source_location::current()) {
  return detail::apply<ops::matmul_op>(where, a, b);
}

/// Einstein's summation, checked when C++ compiles: einsum<"id,jd->ij">(q, k).
template <detail::fixed_string Spec, tensor_like A>
auto einsum(const A& a, loc where = std::source_location::current()) {
  return detail::apply_static<ops::einsum_op, detail::einsum_of<Spec>>(where, a);
}
template <detail::fixed_string Spec, tensor_like A, tensor_like B>
auto einsum(const A& a, const B& b, loc where = std::source_location::current()) {
  return detail::apply_static<ops::einsum_op, detail::einsum_of<Spec>>(where, a, b);
}
template <detail::fixed_string Spec, tensor_like A, tensor_like B, tensor_like C>
auto einsum(const A& a, const B& b, const C& c, loc where = std::source_location::current()) {
  return detail::apply_static<ops::einsum_op, detail::einsum_of<Spec>>(where, a, b, c);
}
/// The same with subscripts that only the run time knows.
template <tensor_like A>
auto einsum(std::string_view spec, const A& a, loc where = std::source_location::current()) {
  return detail::apply_dynamic<ops::einsum_op>(where, einsum_attrs(spec), a);
}
template <tensor_like A, tensor_like B>
auto einsum(std::string_view spec, const A& a, const B& b, loc where = std::source_location::current()) {
  return detail::apply_dynamic<ops::einsum_op>(where, einsum_attrs(spec), a, b);
}
template <tensor_like A, tensor_like B, tensor_like C>
auto einsum(std::string_view spec, const A& a, const B& b, const C& c, loc where = std::source_location::current()) {
  return detail::apply_dynamic<ops::einsum_op>(where, einsum_attrs(spec), a, b, c);
}

}  // namespace tenon
