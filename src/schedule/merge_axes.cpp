#include "schedule/merge_axes.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace tenon::scheduling {

using namespace ir;
namespace {

class merger {
 public:
  merger(computation& c, std::size_t axis)
      : c_(c), a_(c.kernel.make()), first_(c.axes[axis]), second_(c.axes[axis + 1]), axis_(axis) {}

  bool merge() {
    if (!first_.variable->is(expr_kind::variable) || !second_.variable->is(expr_kind::variable)) return false;
    const expr_ref roots[] = {c_.value};
    const std::vector<expr_ref> all = post_order(roots);
    for (expr_ref e : all)
      if (e->is(expr_kind::load) && !place(e->payload, e->indices())) return false;
    std::vector<expr_ref> result;
    for (const computation::axis& x : c_.axes) result.push_back(x.variable);
    if (!place(c_.output, result)) return false;
    if (used_elsewhere(all)) return false;
    apply();
    return true;
  }

 private:
  bool mentions(expr_ref e) const {
    return contains(e, [&](expr_ref x) { return x == first_.variable || x == second_.variable; });
  }

  /// Finds the dimension of a buffer that the first axis runs over; none if it has neither. False: it cannot be merged.
  bool place(std::int64_t id, std::span<const expr_ref> indices) {
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(id)];
    std::optional<std::size_t> at;
    for (std::size_t d = 0; d < indices.size(); ++d) {
      if (!mentions(indices[d])) continue;
      if (at || d + 1 == indices.size() || indices[d] != first_.variable || indices[d + 1] != second_.variable)
        return false;
      at = d++;
    }
    if (at && (!b.strides.empty() || b.extents[*at] != first_.extent || b.extents[*at + 1] != second_.extent))
      return false;
    const auto [known, fresh] = dimension_.try_emplace(id, at);
    return known->second == at;
  }

  /// As a number, or in the extent or mask of something: anywhere but as a whole index of a load.
  bool used_elsewhere(const std::vector<expr_ref>& all) const {
    for (expr_ref e : all) {
      const bool load = e->is(expr_kind::load);
      for (std::size_t i = 0; i < e->operands.size(); ++i) {
        const bool index = load && i + 1 < e->operands.size();
        const expr_ref o = e->operands[i];
        if (!index && (o == first_.variable || o == second_.variable)) return true;
      }
    }
    return c_.value == first_.variable || c_.value == second_.variable;
  }

  void apply() {
    const expr_ref both = a_.fresh_variable(), extent = a_.mul(first_.extent, second_.extent);
    for (const auto& [id, at] : dimension_) {
      if (!at) continue;
      buffer& b = c_.kernel.buffers[static_cast<std::size_t>(id)];
      b.extents[*at] = extent;
      b.extents.erase(b.extents.begin() + static_cast<std::ptrdiff_t>(*at) + 1);
    }
    c_.value = a_.rewrite(c_.value, [&](expr_ref e) -> expr_ref {
      if (!e->is(expr_kind::load)) return nullptr;
      const std::optional<std::size_t> at = dimension_.at(e->payload);
      if (!at) return nullptr;
      std::vector<expr_ref> indices(e->indices().begin(), e->indices().end());
      indices[*at] = both;
      indices.erase(indices.begin() + static_cast<std::ptrdiff_t>(*at) + 1);
      return a_.load(e->type, e->payload, indices, e->mask());
    });
    computation::axis& x = c_.axes[axis_];
    x.variable = both;
    x.extent = extent;
    x.size = first_.size * second_.size;
    c_.axes.erase(c_.axes.begin() + static_cast<std::ptrdiff_t>(axis_) + 1);
  }

  computation& c_;
  expr_arena& a_;
  const computation::axis first_, second_;
  const std::size_t axis_;
  std::map<std::int64_t, std::optional<std::size_t>> dimension_;
};

}  // namespace

void merge_axes(computation& c) {
  for (std::size_t d = 0; d + 1 < c.axes.size();)
    if (!merger(c, d).merge()) ++d;
}

}  // namespace tenon::scheduling
