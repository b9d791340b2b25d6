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

/// Why a value has a buffer of its own, or what computing it again costs.
struct fusion_note {
  enum class reason : std::uint8_t {
    result,       ///< the caller gets it
    own_loops,    ///< `other`, a program, or a node with several results reads or makes it
    viewed,       ///< it is read through `other`, a view
    products,     ///< `other`, a contraction, reads each element `times` times; 0: parts of it
    full,         ///< the kernel of its readers holds as many nodes as one may
    apart,        ///< it is read by several kernels, one of them of `other`
    epilogue,     ///< it follows a contraction, in whose kernel it is
    one_kind,     ///< a contraction shares no kernel with the reductions of `other`
    masked,       ///< a reduction that is only read under a condition
    too_often,    ///< it would be computed `times` times for each element: `operations` more, for `bytes` less
    copies,       ///< it would be there in `times` places
    not_enabled,  ///< fusion is off
    beside,       ///< its readers' kernel stores it too: it is a result, or `other` reads it
    strips,       ///< the products of `other` would cost more, cut into strips of its rows
    in_strips,    ///< the kernel of `other`, a contraction, computes it a strip of rows at a time, not its `bytes`
    sibling,      ///< a kernel stores it whose root, `other`, reads the same
    again,        ///< it is fused, and computed `times` times for each element: `operations` more, for `bytes` less
  } why{};
  const node* value = nullptr;
  const node* other = nullptr;
  double times = 0, operations = 0, bytes = 0;
};
/// One line: "exp is stored: ...", "exp is computed again: ...".
std::string to_string(const fusion_note&);

/// Operators in one kernel, at most.
inline constexpr std::size_t max_group = 64;

/// One kernel: `root` is stored, every node in `inlined` is computed where it is read.
struct group {
  /// An inlined value that is stored as well: its axes are among the root's.
  struct output {
    const node* value;
    std::vector<int> axes;  ///< the root's axis for each of its own; -1: an axis of one element
  };
  const node* root = nullptr;
  std::vector<const node*> inlined;   ///< operands before users
  std::vector<const node*> operands;  ///< values read from buffers, in order of first use
  std::vector<output> also;
  std::vector<fusion_note> notes;  ///< why the root is stored, and what is computed more than once
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
/// Whether a kernel can compute what its products read for a strip of rows at a time, each element once.
enum class strips : std::uint8_t {
  impossible,
  costly,  ///< the products lose more than is gained
  good,
};
struct fusion_options {
  bool enabled = true;          ///< else every operator is a group of its own
  bool several_results = true;  ///< kernels may store values beside their roots
  /// Whether an input may be viewed otherwise: its elements lie without gaps.
  std::function<bool(const node&)> contiguous = [](const node&) { return true; };
  /// What becomes of a group with a depthwise convolution before its products: for the rules of schedules to say.
  /// Empty: there is no such group.
  std::function<strips(const fusion&, const group&)> as_strips{};
};
fusion fuse(const graph&, const fusion_options& = {});
/// Groups that read the same values in the same loops become one, where none of them waits for the other.
void fuse_siblings(fusion&);
/// A depthwise convolution whose only reader is a pointwise one goes into its kernel, where good strips are made of it.
void fuse_depthwise(const graph&, fusion&, const fusion_options&);

/// The graph kernel by kernel, each under a comment: what it computes in registers stands above what it stores.
std::string to_string(const graph&, const fusion&);

}  // namespace tenon::ir
