// An operand of a product that is made of windows itself, a depthwise convolution before a pointwise one: it is
// computed into the worker's scratch, a strip of rows at a time, and never stored whole.
#pragma once
#include <span>
#include <utility>
#include <vector>

#include "schedule/product.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

///   before: y[h, w, o] = sum over c of f(sum over taps of x[h + ., w + ., c] * t[., ., c]) * k[o, c]
///   after:  y[h, w, o] = sum over c of strip[h, w, c] * k[o, c]
/// The product reads `strip` as if all of it lay there, until a rule says of which rows it is.
class windowed_operand {
 public:
  /// Takes the windows out of the computation; nothing when it has none that the rule of windows knows for strips.
  static std::optional<windowed_operand> take(ir::computation&, const machine_model&);
  /// Puts them back.
  void undo(ir::computation&);

  std::int64_t buffer() const { return output_; }
  /// Axes of the computation: strips are cut along the first, the second is a row.
  int outer_row() const { return outer_row_; }
  int row() const { return outer_row_ + 1; }
  /// Of one outer row in scratch.
  std::int64_t row_bytes(const ir::computation&) const;
  /// Of all that the windows read.
  std::int64_t bytes_read(const ir::computation&) const;
  /// What their part of the kernel costs, added to the launch.
  void predict(ir::computation&, const machine_model&, launch&);

  /// The statement that computes the outer rows [begin, end), at most `most`, and what reads them in place of all.
  struct strip {
    ir::stmt_ref fill;
    ir::expr_ref load;
  };
  strip make(ir::computation&, const machine_model&, launch&, ir::expr_ref begin, ir::expr_ref end, ir::expr_ref most,
             std::span<const std::pair<ir::expr_ref, ir::expr_ref>> at);

 private:
  class in_place_of;  // within its life, the computation is the one of the windows
  std::vector<ir::computation::axis> axes_;
  ir::expr_ref value_ = nullptr, load_ = nullptr;
  std::int64_t output_ = 0;
  std::vector<ir::computation::result> also_;
  int outer_row_ = -1;
};

}  // namespace tenon::scheduling
