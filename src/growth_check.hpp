// Whether a graph whose extents grow (core/growing.hpp) says for every value what the graph made for that value says.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "graph/node.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {

/// shape_error for a number that looks like an extent that grows, where none does.
void refuse_growth(const ir::graph&);
/// The types with `f` of each extent.
std::vector<ir::value_type> mapped(std::span<const ir::value_type>, const std::function<extent_t(extent_t)>& f);
/// Refuses a graph in which something was decided by the value of the extent that grows (not_for_all_values): `other`
/// is made for one value, which `f` puts in its place.
void check_at(const ir::graph&, const ir::graph& other, const std::function<extent_t(extent_t)>& f);

}  // namespace tenon
