#include "tenon/core/extent.hpp"

namespace tenon {

extents::extents() noexcept = default;
extents::extents(std::initializer_list<any_extent> l) {
  v.reserve(l.size());
  for (any_extent x : l) v.push_back(x.v);
}
extents::extents(std::vector<extent_t> x) noexcept : v(std::move(x)) {}
extents::extents(const dims& d) : v(d.begin(), d.end()) {}
extents::extents(const extents&) = default;
extents::extents(extents&&) noexcept = default;
extents& extents::operator=(const extents&) = default;
extents& extents::operator=(extents&&) noexcept = default;
extents::~extents() = default;

}  // namespace tenon
