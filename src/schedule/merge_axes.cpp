#include "schedule/merge_axes.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace tenon::scheduling {

using namespace ir;
namespace {

/// Two variables that follow each other, as axes of the result or as loops of a reduction.
struct neighbours {
  expr_ref first, second, first_extent, second_extent;
};

std::vector<neighbours> all_neighbours(const computation& c) {
  std::vector<neighbours> all;
  for (std::size_t d = 0; d + 1 < c.axes.size(); ++d) {
    const computation::axis &x = c.axes[d], &y = c.axes[d + 1];
    if (x.variable->is(expr_kind::variable) && y.variable->is(expr_kind::variable))
      all.push_back({x.variable, y.variable, x.extent, y.extent});
  }
  for (expr_ref e : post_order(c.values()))
    for (int i = 0; e->is(expr_kind::reduce) && i + 1 < e->loops(); ++i)
      all.push_back({e->loop_variable(i), e->loop_variable(i + 1), e->loop_extent(i), e->loop_extent(i + 1)});
  return all;
}

class merger {
 public:
  merger(computation& c, const std::vector<neighbours>& all, const neighbours& wanted)
      : c_(c), a_(c.kernel.make()), all_(all), pairs_{wanted}, nodes_(post_order(c.values())) {}

  bool merge() {
    // A buffer has its dimensions merged for all who read it: their variables become one with these.
    for (std::size_t k = 0; k < pairs_.size(); ++k) {
      const bool placed = each_access([&](std::int64_t id, auto indices) { return place(id, indices, pairs_[k]); });
      if (!placed || !each_access([&](std::int64_t id, auto indices) { return follow(id, indices); })) return false;
    }
    if (std::ranges::any_of(pairs_, [&](const neighbours& p) { return used_elsewhere(p); })) return false;
    apply();
    return true;
  }

 private:
  template <class F>
  bool each_access(F f) const {
    std::vector<expr_ref> result;
    for (const computation::axis& x : c_.axes) result.push_back(x.variable);
    if (!f(c_.output, std::span<const expr_ref>(result))) return false;
    for (const computation::result& r : c_.also)
      if (!f(r.buffer, std::span<const expr_ref>(r.indices))) return false;
    return std::ranges::all_of(nodes_, [&](expr_ref e) {
      return !e->is(expr_kind::load) || f(e->payload, std::span<const expr_ref>(e->indices()));
    });
  }

  /// Finds the dimension of a buffer that the pair's first variable runs over. False: they cannot be merged.
  bool place(std::int64_t id, std::span<const expr_ref> indices, const neighbours& p) {
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(id)];
    for (std::size_t d = 0; d < indices.size(); ++d) {
      if (!contains(indices[d], [&](expr_ref x) { return x == p.first || x == p.second; })) continue;
      if (d + 1 == indices.size() || indices[d] != p.first || indices[d + 1] != p.second) return false;
      if (!b.strides.empty() || b.extents[d] != p.first_extent || b.extents[d + 1] != p.second_extent) return false;
      const auto [known, fresh] = dimension_.try_emplace(id, d++);
      if (known->second + 1 != d) return false;
    }
    return true;
  }
  /// What else runs over the dimensions that become one: neighbours too, or nothing is merged.
  bool follow(std::int64_t id, std::span<const expr_ref> indices) {
    const auto at = dimension_.find(id);
    if (at == dimension_.end()) return true;
    const auto here = [&](const neighbours& p) {
      return p.first == indices[at->second] && p.second == indices[at->second + 1];
    };
    if (std::ranges::any_of(pairs_, here)) return true;
    const auto found = std::ranges::find_if(all_, here);
    if (found == all_.end()) return false;
    for (const neighbours& p : pairs_)
      if (p.first == found->second || p.second == found->first) return false;
    pairs_.push_back(*found);
    return true;
  }

  /// As a number, or in the extent or mask of something: anywhere but as a whole index of a load.
  bool used_elsewhere(const neighbours& p) const {
    for (expr_ref e : nodes_) {
      const bool load = e->is(expr_kind::load);
      const std::size_t own = e->is(expr_kind::reduce) ? 2 * static_cast<std::size_t>(e->loops()) : 0;
      for (std::size_t i = 0; i < e->operands.size(); ++i) {
        const bool index = load && i + 1 < e->operands.size(), variable = i < own && i % 2 == 0;
        if (!index && !variable && (e->operands[i] == p.first || e->operands[i] == p.second)) return true;
      }
      // Another reduction with one of the two as its own.
      for (int i = 0; e->is(expr_kind::reduce) && i < e->loops(); ++i) {
        const expr_ref v = e->loop_variable(i);
        if (v == p.first && (i + 1 == e->loops() || e->loop_variable(i + 1) != p.second)) return true;
        if (v == p.second && (i == 0 || e->loop_variable(i - 1) != p.first)) return true;
      }
    }
    return std::ranges::any_of(c_.values(), [&](expr_ref v) { return v == p.first || v == p.second; });
  }

  void apply() {
    std::map<expr_ref, std::pair<expr_ref, expr_ref>> merged;  // by the first variable: the new one and its extent
    for (const neighbours& p : pairs_) merged[p.first] = {a_.fresh_variable(), a_.mul(p.first_extent, p.second_extent)};
    for (const auto& [id, at] : dimension_) {
      buffer& b = c_.kernel.buffers[static_cast<std::size_t>(id)];
      b.extents[at] = a_.mul(b.extents[at], b.extents[at + 1]);
      b.extents.erase(b.extents.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    const auto rewritten = [&](expr_ref e) -> expr_ref {
      if (e->is(expr_kind::reduce)) {
        std::vector<std::pair<expr_ref, expr_ref>> loops;
        for (int i = 0; i < e->loops(); ++i) {
          const auto m = merged.find(e->loop_variable(i));
          loops.push_back(m == merged.end() ? std::pair(e->loop_variable(i), e->loop_extent(i)) : m->second);
          i += m != merged.end();
        }
        return a_.reduce(e->reducer(), loops, e->body());
      }
      if (!e->is(expr_kind::load) || !dimension_.contains(e->payload)) return nullptr;
      const std::size_t at = dimension_.at(e->payload);
      std::vector<expr_ref> indices(e->indices().begin(), e->indices().end());
      indices[at] = merged.at(indices[at]).first;
      indices.erase(indices.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      return a_.load(e->type, e->payload, indices, e->mask());
    };
    c_.value = a_.rewrite(c_.value, rewritten);
    for (computation::result& r : c_.also) {
      r.value = a_.rewrite(r.value, rewritten);
      if (const auto at = dimension_.find(r.buffer); at != dimension_.end()) {
        r.indices[at->second] = merged.at(r.indices[at->second]).first;
        r.indices.erase(r.indices.begin() + static_cast<std::ptrdiff_t>(at->second) + 1);
      }
    }
    for (std::size_t d = 0; d + 1 < c_.axes.size(); ++d) {
      const auto m = merged.find(c_.axes[d].variable);
      if (m == merged.end()) continue;
      c_.axes[d] = {m->second.first, m->second.second, c_.axes[d].size * c_.axes[d + 1].size};
      c_.axes.erase(c_.axes.begin() + static_cast<std::ptrdiff_t>(d) + 1);
    }
  }

  computation& c_;
  expr_arena& a_;
  const std::vector<neighbours>& all_;
  std::vector<neighbours> pairs_;  // that become one, all or none
  std::vector<expr_ref> nodes_;
  std::map<std::int64_t, std::size_t> dimension_;  // of each buffer that has the pairs: which, and the next
};

}  // namespace

void merge_axes(computation& c) {
  for (bool merged = true; merged;) {
    const std::vector<neighbours> all = all_neighbours(c);
    merged = std::ranges::any_of(all, [&](const neighbours& p) { return merger(c, all, p).merge(); });
  }
}

}  // namespace tenon::scheduling
