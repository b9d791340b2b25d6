#include "tenon/core/extent.hpp"

namespace tenon {
namespace {

void add(extents& to, extent_t x) {
  if (to.size < dims::max_rank) to.e[to.size] = x;
  ++to.size;
}

}  // namespace

extents::extents(std::initializer_list<any_extent> l) {
  for (any_extent x : l) add(*this, x.v);
}
extents::extents(const std::vector<extent_t>& l) {
  for (extent_t x : l) add(*this, x);
}
extents::extents(const dims& d) {
  for (extent_t x : d) add(*this, x);
}

}  // namespace tenon
