// Control flow: nodes with bodies, which are graphs of their own. All bodies of a node take the same values, and see no
// others: what the user's lambda reads from around it is an operand.
//
//   while {.states = n}   operands: n states, then what the bodies read. Bodies: condition -> b8[], body -> n states.
//                         Results: the states when the condition is false.
//   if                    operands: condition b8[], then what the bodies read. Bodies: then, else. Results: of one.
//   scan {.states = n, .scanned = k, .reverse}
//                         operands: n states, k values that are scanned along their first axis, then what the body
//                         reads. The body takes n states, one element of each scanned value and what it reads, and
//                         gives n states and what is collected. Results: the last states, the collected elements.
#pragma once
#include <span>
#include <vector>

#include "graph/op_def.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

struct control_attrs {
  std::vector<graph> bodies;
  int states = 0, scanned = 0;
  bool reverse = false;  ///< scan: from the last element to the first
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("states", s.states);
    v("scanned", s.scanned);
    v("reverse", s.reverse);
  }
  friend bool operator==(const control_attrs&, const control_attrs&);
};

const op_def& while_definition();
const op_def& if_definition();
const op_def& scan_definition();

bool has_bodies(const op_def&);
inline bool has_bodies(const node& n) { return has_bodies(*n.op); }
/// None for every other operator.
std::span<const graph> bodies_of(const node&);
/// States the types of a node that has bodies, and makes these the operands' types'; throws as make_node does.
void infer_control(node&);

/// A program that writes some elements of its result, which begins as a copy of operand 0 or is its memory, and does
/// not read operand 0 itself.
bool is_update(const node&);

}  // namespace tenon::ir
