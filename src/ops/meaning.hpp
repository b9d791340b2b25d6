// What an operator means. Its struct, in include/tenon/ops, is what a user's compiler must know: name, attributes and
// rules. What its elements are is known to the library alone, as a specialisation beside its TENON_DEFINE:
//
//   template <>
//   struct meaning<relu_op> : relu_op {
//     template <class V>
//     static V scalar(V x) {
//       return max(x, x.like(0));
//     }
//   };
//
// It has one of
//   scalar(V...), scalar(const attrs&, V...)   map operators: one function of scalars
//   compute(C& c, const attrs&, const I& i)    the result element at indices i, in the generic terms of a context
//   program(P& p, const attrs&)                loops, conditions, loads and stores of its own
//   expand(const attrs&, X...)                 library operators: written in other operators, on tensors
// and may have
//   is_view                                    the result is the operand's elements in the same row-major order
//   prefers_channels_last(const attrs&, shapes)  better off with the second axis innermost in memory
//   is_ready(const attrs&, shapes)             whether the extents that `expand` needs are known; without it: it needs
//   none
//
// The context C of `compute` is native (the element is computed) or symbolic (its expression is built):
//   C::value, C::index, C::mask, C::indices (index_list<C::index>)
//   c.operands(), c.rank(k), c.out_rank()      numbers
//   c.extent(k, d), c.out_extent(d)            indices
//   c.exact_extent(k, d)                       the same as a number: code is made for this extent alone
//   c.load(k, indices) -> value                operand k, in its compute type (f32 for f16 and bf16)
//   c.load_wide(k, indices) -> wide            the same in its accumulator type (i32 for 8-bit integers)
//   c.load_term(k, indices) -> term            the same in the type of a mean's sum (64 bits for integers)
//   c.load_if(mask, k, indices, otherwise)     reads only where the mask holds
//   c.load_wide_if(mask, k, indices)           the same in the accumulator type, else 0
//   c.load_bits(dtype, k, indices) -> value    the stored bits as another type of the same size
//   c.load_mask(k, indices) -> mask            a b8 operand
//   c.load_index(k, indices) -> index          an integer operand as an index
//   c.constant(number) -> value, c.lowest(), c.highest()  of operand 0's (or `main_operand`'s) compute type
//   c.to_index(number) -> index
//   c.to_value(index) -> value of the result's compute type; c.from_mask(mask) -> value
//   c.to_term(index) -> term                   of operand 0's (or `main_operand`'s) type
//   c.select(mask, a, b)                       values or indices
//   c.same(index, index) -> bool               whether two indices are known to be equal; a hint, false is always right
//   c.reduce(C::reducer, extents, f)           f(indices) -> value or wide; sum, prod, max, min in index order
//   c.reduce_mask(reducer, extents, f)         f(indices) -> mask; all, any
//   c.reduce_arg(reducer, extent, f) -> index  f(index) -> value; argmax, argmin: the first best, NaN counts as best
// Masks combine with & | !, indices with + - * / % (both >= 0) and comparisons, values with everything in prim.hpp.
//
// The builder P of `program` adds statements:
//   p.outer(extents, f)                        parallel loops: f(indices)
//   p.loop(begin, end, f)                      a serial loop: f(index)
//   p.lanes(begin, end, f)                     a loop whose trips know nothing of each other: side by side, in vectors.
//                                              Conditions and the bounds of loops inside of it are the same for all
//                                              trips; what is made inside is one for each
//   p.branch(mask, f[, otherwise])
//   p.local(value) -> a variable with get() and set(value); p.local_index(index) the same for indices
//   p.store(result, indices, value), p.load_result(result, indices) -> value; and all that C has
//   p.load_result_index(result, indices) -> index        of a result of i64
#pragma once
#include "tenon/ops/op.hpp"

namespace tenon::ops {

// Hide the objects tenon::min and tenon::max inside operators, so that calls there find the scalars' own functions.
struct nothing;
void min(nothing);
void max(nothing);

/// Operators that no header knows have their meaning in their struct.
template <class Op>
struct meaning : Op {};

}  // namespace tenon::ops
