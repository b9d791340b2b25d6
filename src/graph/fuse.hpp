// Fusion: which nodes are computed into a buffer of their own, and which inside the kernels of their users.
#pragma once
#include <functional>
#include <unordered_map>
#include <vector>

#include "graph/layout.hpp"
#include "graph/node.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// A constant of one element: a literal inside kernels, never a buffer.
bool is_splat(const node&);

/// One kernel: `root` is stored, every node in `inlined` is computed where it is read.
struct group {
  const node* root = nullptr;
  std::vector<const node*> inlined;   ///< operands before users
  std::vector<const node*> operands;  ///< values read from buffers, in order of first use
};

/// The groups in an order that respects their dependencies. Nodes that are only another view of a buffer (a reshape of
/// a contiguous value, a transpose) are in no group: `alias` maps them to what they view.
struct fusion {
  std::vector<group> groups;
  std::unordered_map<const node*, const node*> alias;
  std::unordered_map<const node*, axis_order> order;  ///< of what lies in memory, and of views, where not row-major
  /// The node whose buffer holds `n`.
  const node* storage(const node* n) const {
    for (auto it = alias.find(n); it != alias.end(); it = alias.find(n)) n = it->second;
    return n;
  }
};
/// `enabled` false: every operator is a group of its own. `contiguous(input)` says which inputs may be viewed
/// otherwise.
fusion fuse(const graph&, bool enabled, const std::function<bool(const node&)>& contiguous);

/// The graph kernel by kernel, each under a comment: what it computes in registers stands above what it stores.
std::string to_string(const graph&, const fusion&);

}  // namespace tenon::ir
