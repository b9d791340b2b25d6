#include "graph/placement.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace tenon::ir {
namespace {

using blocks = std::span<const lifetime>;
using index_list = std::vector<std::uint32_t>;

// Pairs of blocks alive at once that placing by size may look at: whole graphs of some 2,000 steps, longer ones when
// their values die soon.
constexpr std::size_t pairs_at_least = std::size_t{1} << 21, pairs_per_block = 32;
constexpr int rounds = 8;  // of placing by size, fewer where there are many pairs

index_list sorted(std::size_t n, auto before) {
  index_list order(n);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), before);
  return order;
}
// What is born at one step: the largest first.
index_list by_birth(blocks b) {
  return sorted(b.size(), [&](std::uint32_t x, std::uint32_t y) {
    if (b[x].first != b[y].first) return b[x].first < b[y].first;
    return b[x].bytes != b[y].bytes ? b[x].bytes > b[y].bytes : x < y;
  });
}
index_list by_death(blocks b) {
  return sorted(b.size(), [&](std::uint32_t x, std::uint32_t y) {
    return b[x].last != b[y].last ? b[x].last < b[y].last : x < y;
  });
}

// The free parts of [0, room), no two of which touch.
class free_list {
 public:
  explicit free_list(std::int64_t room) : room_(room) {
    if (room) add(0, room);
  }
  std::int64_t room() const { return room_; }

  // Takes the smallest gap that holds `bytes`, at the end of the gap that is nearer to an end of the room, so that what
  // is free stays in one piece.
  std::int64_t take(std::int64_t bytes) {
    auto fit = by_size_.lower_bound({bytes, 0});
    if (fit == by_size_.end()) {
      grow(bytes);
      fit = by_size_.lower_bound({bytes, 0});
    }
    const auto [size, start] = *fit;
    by_size_.erase(fit);
    by_start_.erase(start);
    const std::int64_t at = room_ - (start + size) < start ? start + size - bytes : start;
    if (at > start) add(start, at - start);
    if (at + bytes < start + size) add(at + bytes, start + size - at - bytes);
    return at;
  }

  void give(std::int64_t start, std::int64_t bytes) {
    auto after = by_start_.lower_bound(start);
    if (after != by_start_.end() && after->first == start + bytes) {
      bytes += after->second;
      after = remove(after);
    }
    if (after != by_start_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == start) {
        start = before->first;
        bytes += before->second;
        remove(before);
      }
    }
    add(start, bytes);
  }

 private:
  using gaps = std::map<std::int64_t, std::int64_t>;  // start -> size

  void add(std::int64_t start, std::int64_t bytes) {
    by_start_[start] = bytes;
    by_size_.insert({bytes, start});
  }
  gaps::iterator remove(gaps::iterator gap) {
    by_size_.erase({gap->second, gap->first});
    return by_start_.erase(gap);
  }
  // Until the last gap holds `bytes`.
  void grow(std::int64_t bytes) {
    std::int64_t open = 0;
    if (!by_start_.empty())
      if (const auto last = std::prev(by_start_.end()); last->first + last->second == room_) open = last->second;
    const std::int64_t end = room_;
    room_ += bytes - open;
    give(end, bytes - open);
  }

  std::int64_t room_;
  gaps by_start_;
  std::set<std::pair<std::int64_t, std::int64_t>> by_size_;
};

// In the order of the steps, each block in the gap that fits best.
placement by_step(blocks b, std::int64_t peak) {
  free_list free(peak);
  placement p{0, std::vector<std::int64_t>(b.size())};
  const index_list deaths = by_death(b);
  auto dead = deaths.begin();
  for (const std::uint32_t i : by_birth(b)) {
    for (; b[*dead].last < b[i].first; ++dead)
      if (b[*dead].bytes) free.give(p.offset[*dead], b[*dead].bytes);
    if (b[i].bytes) p.offset[i] = free.take(b[i].bytes);
    p.bytes = std::max(p.bytes, p.offset[i] + b[i].bytes);
  }
  return p;
}

// The largest first, each at the lowest offset that is free during its life; those that reach beyond the peak then
// before all others, as often as it pays. Nothing when too many blocks live at once.
std::optional<placement> by_size(blocks b, std::int64_t peak) {
  const index_list births = by_birth(b), deaths = by_death(b);
  const std::size_t limit = pairs_at_least + pairs_per_block * b.size();
  // Blocks that live when block births[k] is born are older[starts[k]] up to older[starts[k + 1]]; those born while it
  // lives follow it in `births`. Together they are all that it may not overlap.
  std::vector<std::size_t> starts{0}, rank(b.size()), place_in_alive(b.size());
  index_list older, alive;
  auto dead = deaths.begin();
  for (std::size_t k = 0; k < births.size(); ++k) {
    const std::uint32_t i = births[k];
    for (; b[*dead].last < b[i].first; ++dead) {
      const std::size_t at = place_in_alive[*dead];
      place_in_alive[alive.back()] = at;
      alive[at] = alive.back();
      alive.pop_back();
    }
    if (older.size() + alive.size() > limit) return {};
    older.insert(older.end(), alive.begin(), alive.end());
    starts.push_back(older.size());
    rank[i] = k;
    place_in_alive[i] = alive.size();
    alive.push_back(i);
  }
  std::vector<std::uint8_t> early(b.size());
  std::vector<std::pair<std::int64_t, std::int64_t>> taken;  // start, end
  placement best;
  std::size_t work = 0;
  for (int round = 0; round < rounds; ++round) {
    placement p{0, std::vector<std::int64_t>(b.size(), -1)};
    const auto meets = [&](std::uint32_t i) {
      if (p.offset[i] >= 0) taken.emplace_back(p.offset[i], p.offset[i] + b[i].bytes);
    };
    for (const std::uint32_t i : sorted(b.size(), [&](std::uint32_t x, std::uint32_t y) {
           if (early[x] != early[y]) return early[x] > early[y];
           return b[x].bytes != b[y].bytes ? b[x].bytes > b[y].bytes : x < y;
         })) {
      taken.clear();
      const std::size_t k = rank[i];
      for (std::size_t j = starts[k]; j < starts[k + 1]; ++j) meets(older[j]);
      for (std::size_t j = k + 1; j < births.size() && b[births[j]].first <= b[i].last; ++j) meets(births[j]);
      std::sort(taken.begin(), taken.end());
      std::int64_t at = 0;
      for (const auto& [start, end] : taken) {
        if (start >= at + b[i].bytes) break;
        at = std::max(at, end);
      }
      p.offset[i] = at;
      p.bytes = std::max(p.bytes, at + b[i].bytes);
    }
    for (std::size_t i = 0; i < b.size(); ++i) early[i] += p.offset[i] + b[i].bytes > peak;
    if (round == 0 || p.bytes < best.bytes) best = std::move(p);
    work += older.size();
    if (best.bytes <= peak || work > limit) break;
  }
  return best;
}

}  // namespace

std::int64_t peak_of(blocks b) {
  const index_list deaths = by_death(b);
  std::int64_t now = 0, most = 0;
  auto dead = deaths.begin();
  for (const std::uint32_t i : by_birth(b)) {
    for (; b[*dead].last < b[i].first; ++dead) now -= b[*dead].bytes;
    most = std::max(most, now += b[i].bytes);
  }
  return most;
}

placement place(blocks b) {
  const std::int64_t peak = peak_of(b);
  placement p = by_step(b, peak);
  if (p.bytes > peak)
    if (std::optional<placement> other = by_size(b, peak); other && other->bytes < p.bytes) return *std::move(other);
  return p;
}

}  // namespace tenon::ir
