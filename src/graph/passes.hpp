// The graph passes: one .cpp each in passes/, one line here, one place in src/pipeline.cpp.
#pragma once
#include <functional>
#include <string_view>

#include "graph/node.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// Rebuilds a graph from its leaves up, iteratively. `f` gets each node with its operands already rewritten and answers
/// its replacement, or null to keep it. Results are hash-consed, so equal sub-expressions become one. Inputs keep their
/// order; one that `f` replaces is replaced in the list.
graph rewrite(const graph&, const std::function<node_ref(node_table&, const node_ref&)>& f);

/// Replaces params by the constants that `find` knows by name. Throws argument_error that lists every missing one, and
/// shape_error or type_error for one whose value does not have the stated extents or type.
graph bind_params(const graph&, const std::function<node_ref(const node& param)>& find);
/// Replaces the inputs' types by those of a call, and infers everything again: named extents become numbers.
graph specialize(const graph&, std::span<const value_type> inputs);
/// Library operators become the operators they are written in, until none is left.
graph expand_library(const graph&);
/// Evaluates what depends on constants alone, by the native functions, within a budget of bytes per value.
graph fold_constants(const graph&, std::int64_t max_bytes = std::int64_t{1} << 30);
/// Identities: reshape of reshape, transposes that cancel or do nothing, casts to the same type, x + 0, x * 1.
graph simplify(const graph&);
/// Operators become what lowers well, where their plain definition does not: transposed convolutions become
/// convolutions.
graph legalize(const graph&);

/// Throws compile_error that names the node and the broken invariant: operand counts, types as inferred, acyclic order,
/// projections, inputs that are inputs.
void verify(const graph&);

}  // namespace tenon::ir
