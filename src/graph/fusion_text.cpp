// What was fused, as text: the graph kernel by kernel, and the reasons.
#include <fmt/format.h>

#include <algorithm>

#include "graph/fuse.hpp"
#include "graph/op_def.hpp"
#include "graph/text.hpp"

namespace tenon::ir {

std::string to_string(const fusion_note& n) {
  using why = fusion_note::reason;
  const std::string name(n.value->op->name), other(n.other ? n.other->op->name : "");
  const auto traded = [&] {
    return fmt::format("{:.3g} operations more rather than {:.3g} bytes written and read", n.operations, n.bytes);
  };
  switch (n.why) {
    case why::result:
      return name + " is stored: it is a result";
    case why::own_loops:
      return fmt::format("{} is stored: {} has loops of its own", name, other);
    case why::viewed:
      return fmt::format("{} is stored: {} is a view of it", name, other);
    case why::products:
      return n.times > 0 ? fmt::format("{} is stored: {} reads each element {:.4g} times", name, other, n.times)
                         : fmt::format("{} is stored: {} reads parts of it", name, other);
    case why::full:
      return fmt::format("{} is stored: the kernel of {} holds {} operators already", name, other, max_group);
    case why::apart:
      return fmt::format("{} is stored: several kernels read it, one is that of {}", name, other);
    case why::epilogue:
      return fmt::format("{} is stored: it is made from a contraction in registers", name);
    case why::one_kind:
      return fmt::format("{} is stored: contractions and the loops of {} do not share a kernel", name, other);
    case why::masked:
      return fmt::format("{} is stored: {} reads it under a condition", name, other);
    case why::copies:
      return fmt::format("{} is stored: it is read in {:.0f} different places of the kernel of {}", name, n.times,
                         other);
    case why::too_often:
      return fmt::format("{} is stored: in the kernel of {} it would be computed {:.4g} times, {}", name, other,
                         n.times, traded());
    case why::not_enabled:
      return name + " is stored: fusion is off";
    case why::beside:
      return n.other ? fmt::format("{} is stored beside the result: the kernel of {} reads it too", name, other)
                     : name + " is stored beside the result: it is a result too";
    case why::strips:
      return fmt::format("{} is stored: cut into strips of its rows, the products of {} would cost more", name, other);
    case why::in_strips:
      return fmt::format(
          "{} is computed in the kernel of {}, a strip of rows at a time, rather than {:.3g} bytes written "
          "and read",
          name, other, n.bytes);
    case why::sibling:
      return fmt::format("{} is stored beside the result: it is made of what {} reads", name, other);
    case why::again:
      return fmt::format("{} is computed {:.4g} times in the kernel of {}, {}", name, n.times, other, traded());
  }
  return {};
}

std::string to_string(const graph& g, const fusion& f) {
  node_map<const group*> group_of;
  for (const group& k : f.groups)
    for (const node* n : k.inlined) group_of[n] = &k;
  std::vector<const node*> order;
  node_map<std::string> comments;
  node_set placed;
  // What is in no kernel (constants, views of buffers) stands where it is first needed.
  const auto place = [&](const node* n) {
    std::vector<const node*> open{n};
    while (!open.empty()) {
      const node* top = open.back();
      const auto next =
          std::ranges::find_if(top->operands, [&](const node_ref& o) { return !placed.contains(o.get()); });
      if (next != top->operands.end()) {
        open.push_back(next->get());
        continue;
      }
      open.pop_back();
      if (placed.insert(top)) order.push_back(top);
    }
  };
  int number = 0;
  for (const group& k : f.groups) {
    const std::size_t before = order.size();
    const auto place_operands = [&](const node* n) {
      for (const node_ref& o : n->operands)
        if (!group_of.contains(o.get())) place(o.get());
    };
    std::ranges::for_each(k.inlined, place_operands);
    place_operands(k.root);
    const std::size_t first = order.size();
    if (before > 0 && before < first) comments[order[before]] = "in no kernel";
    for (const node* n : k.inlined) place(n);
    place(k.root);
    comments[order[first]] = fmt::format("kernel {}", ++number);
  }
  const std::size_t made = order.size();
  for (const node* n : post_order(g.outputs)) place(n);
  if (made < order.size()) comments[order[made]] = "in no kernel";
  return to_string(g, order, comments);
}

}  // namespace tenon::ir
