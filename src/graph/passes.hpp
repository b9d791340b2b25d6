// The graph passes: one .cpp each in passes/, one line here, one place in src/pipeline.cpp.
#pragma once
#include <functional>
#include <string_view>

#include "graph/node.hpp"
#include "graph/pass_settings.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// Rebuilds a graph from its leaves up, iteratively. `f` gets each node with its operands already rewritten and answers
/// its replacement, or null to keep it. Results are hash-consed, so equal sub-expressions become one. Inputs keep their
/// order; one that `f` replaces is replaced in the list.
graph rewrite(const graph&, const std::function<node_ref(node_table&, const node_ref&)>& f);

/// How often a value is read by other nodes and given as an output, in the graph before the rewriting.
using use_count = std::function<int(const node_ref& rewritten)>;
/// The same for rewrites that must not repeat the work of a value that others need too.
graph rewrite(const graph&, const std::function<node_ref(node_table&, const node_ref&, const use_count&)>& f);

/// Replaces params by the constants that `find` knows by name. Throws argument_error that lists every missing one, and
/// shape_error or type_error for one whose value does not have the stated extents or type.
graph bind_params(const graph&, const std::function<node_ref(const node& param)>& find);
/// Replaces the inputs' types by those of a call, and infers everything again: named extents become numbers.
graph specialize(const graph&, std::span<const value_type> inputs);
/// Replaces extents, in inputs and attributes, by `value_of` them, and infers everything again.
graph bind_extents(const graph&, extent_t (*value_of)(void*, extent_t), void* context);
/// The outputs of `g` for these values of its inputs.
std::vector<node_ref> inlined(const graph& g, std::span<const node_ref> inputs);
/// Each body in place of what `f` makes of it, the innermost first; f keeps inputs and types.
graph in_bodies(const graph&, const std::function<graph(const graph& body)>& f);

// The passes of the list. Each is a function of the graph and of the options of passes.

/// Library operators become the operators they are written in, until none is left.
graph expand_library(const graph&, const pass_settings& = {});
/// What can be said with fewer or simpler nodes, with the same bits: identities, chains of movement, of casts.
graph canonicalize(const graph&, const pass_settings& = {});
/// Evaluates what depends on constants alone, by the native functions, within a budget of bytes and work per value.
graph fold_constants(const graph&, const pass_settings& = {});
/// Views go to the ends of kernels, where they cost nothing: behind what reductions and contractions make, before maps
/// of buffers.
graph move_views(const graph&, const pass_settings& = {});
/// Factors per channel behind and before contractions go into their constant weights, and with them what is added.
graph fold_scale(const graph&, const pass_settings& = {});
/// Contractions of one value with several constant weights become one with all of them.
graph combine_parallel(const graph&, const pass_settings& = {});
/// On request: contractions, and cheap maps between them, in 16-bit floats.
graph mixed_precision(const graph&, const pass_settings& = {});
/// What is equal for real numbers but not bit for bit.
graph fast_math(const graph&, const pass_settings& = {});
/// Operators become what lowers well, where their plain definition does not: transposed convolutions become
/// convolutions.
graph legalize(const graph&, const pass_settings& = {});

/// Throws compile_error that names the node and the broken invariant: operand counts, types as inferred, acyclic order,
/// projections, inputs that are inputs.
void verify(const graph&);

}  // namespace tenon::ir
