// Scalar bodies: what `compute` and `elementwise` compute for one element, as graph nodes of rank 0.
//
// Leaves are constants and
//   argument {operand, type}             element of an operand, of `elementwise`
//   index_load {operand, indices, type}  operand k at affine indices, of `compute`
//   index_value {index}                  a position, as i64
// and inside are map operators and index_reduce {reducer, axes}.
//
// While a user writes an expression it is open: an index_load has its tensor as graph operand and axes are packed
// names. `compute` closes it: operands and axes become numbers, the axes of each reduction their own.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "graph/op_def.hpp"
#include "tenon/dsl/index.hpp"

namespace tenon::ir {

using detail::index_form;

struct argument_attrs {
  int operand = 0;
  dtype type{};
  friend bool operator==(const argument_attrs&, const argument_attrs&) = default;
};
struct index_load_attrs {
  int operand = -1;  ///< -1 while open
  dtype type{};
  std::vector<index_form> indices;
  friend bool operator==(const index_load_attrs&, const index_load_attrs&) = default;
};
struct index_value_attrs {
  index_form index;
  friend bool operator==(const index_value_attrs&, const index_value_attrs&) = default;
};
struct index_reduce_attrs {
  reducer how{};
  std::vector<index_form::term> axes;
  friend bool operator==(const index_reduce_attrs&, const index_reduce_attrs&) = default;
};

struct body_axis {
  std::string name;
  extent_t extent = detail::inferred_extent;  ///< as stated
  friend bool operator==(const body_axis&, const body_axis&) = default;
};
struct compute_attrs {
  int rank = 0;  ///< the first axes are the result's
  std::vector<body_axis> axes;
  std::vector<dtype> operands;
  node_ref body;
};
struct elementwise_attrs {
  std::string name;
  std::vector<dtype> operands;
  node_ref body;
};

const op_def& argument_definition();
const op_def& index_load_definition();
const op_def& index_value_definition();
const op_def& index_reduce_definition();
/// The two that graphs hold.
const op_def& compute_definition();
const op_def& elementwise_definition();

/// Structure of closed bodies.
bool same_body(const node&, const node&);
/// A body with its library operators written out, checked to hold maps, reductions and leaves alone: argument_error
/// that begins with `what` names the operator that is none.
node_ref expanded_body(const node_ref& body, std::string_view what);

/// "{(i,j) = sum(d)(a0[i,d] * a1[j,d]) / f32(8); f32, f32}" and "{swish(f32) = a0 / (f32(1) + exp(-a0))}".
std::string print_compute(const compute_attrs&);
std::string print_elementwise(const elementwise_attrs&);
attrs_ref parse_compute(std::string_view);
attrs_ref parse_elementwise(std::string_view);

/// Extents of all axes of a closed body for these operands: numbers, `dyn`, named; the outcome refuses what differs.
struct axis_extents {
  std::vector<extent_t> of;
  detail::outcome result;
};
axis_extents extents_of(const compute_attrs&, detail::shapes);
/// The dimension that an axis indexes alone: (operand, dimension), or (-1, 0).
struct axis_source {
  int operand = -1, dimension = 0;
};
axis_source source_of(const compute_attrs&, extent_t axis);

expr_ref lower_compute(lower_context&, const void* attrs, std::span<const expr_ref> indices);
/// Runs it element by element on the semantics of loop/evaluate.hpp.
void run_compute(const native_call&);

}  // namespace tenon::ir
