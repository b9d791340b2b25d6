// Which part of a value the loops inside of one loop touch.
#pragma once
#include <optional>

#include "schedule/nest.hpp"

namespace tenon::scheduling {

/// Along one dimension: `extent` elements from sum of factor * (the least index of the axis) + offset on.
struct span_of {
  std::vector<std::pair<int, std::int64_t>> begin;  ///< axis by its first loop, factor
  std::int64_t offset = 0, extent = 1;
  bool whole = false;  ///< all of the dimension, from 0 on
};

class regions {
 public:
  /// What is outside of the body of loop `at`, itself too, has one index there. -1: nothing is outside.
  regions(const nest&, int at);
  /// Whether the loop runs inside: has several indices.
  bool inside(int loop) const { return !open_[static_cast<std::size_t>(loop)]; }
  /// The greatest distance of two indices of a loop that is there, or that others replaced.
  std::int64_t width(int loop) const;
  /// Of the dimension's indices in these reads.
  span_of span(const nest::value&, std::size_t dimension, const std::vector<const nest::value::read*>&) const;
  /// The index less the span's begin as sum of factor * loop + offset, over loops that are inside; nothing when it is
  /// not of this form.
  std::optional<nest::index> relative(const nest::index&, const span_of&) const;
  /// Whether the loops inside give the axis every index from its least to its greatest one, and the `width` of them is
  /// less only at the end of the axis.
  bool dense(int root) const;

 private:
  bool is_inside(int loop) const;
  bool dense(int loop, bool last) const;
  bool add(int loop, std::int64_t factor, nest::index& to) const;

  const nest& n_;
  std::vector<bool> open_;
};

/// The elements along each dimension that the stage holds; a packed dimension's are rounded up to whole panels.
std::vector<std::int64_t> stage_extents(const nest&, const nest::stage&);
/// Of what a prefetch asks for, at each place.
std::int64_t elements_of_line(const nest&, const nest::stage&);
/// Where the stage's memory begins, and what of each dimension it is.
std::vector<span_of> stage_spans(const nest&, const nest::stage&);
/// The reads of the stage's value that its memory serves: those inside of its loop.
std::vector<const nest::value::read*> served(const nest&, const nest::stage&);
/// An index within a packed dimension's panel, and the panel's: both are sums over loops; nothing if they are not.
std::optional<std::pair<nest::index, nest::index>> in_panels(const nest&, const nest::index& relative,
                                                             std::int64_t width);
/// Whether the element that is read is the same for all trips of the loop.
bool independent(const nest&, const nest::value::read&, int loop);
/// By how much the value's element moves in memory with the loop, of this read, stages taken into account; nothing when
/// that is no number.
std::optional<std::int64_t> stride_along(const nest&, int value, int read, int loop);

}  // namespace tenon::scheduling
