// From the order of a nest's loops to what stands inside of what.
#include <algorithm>

#include "schedule/nest.hpp"

namespace tenon::scheduling {

namespace {

class planner {
 public:
  explicit planner(const nest& n) : n_(n) {
    for (int id : n.order)
      if (loop(id).of_result()) data_.push_back(id);
  }
  std::vector<item> run() {
    std::vector<item> all = inside(0);
    for (std::size_t s = 0; s < n_.stages.size(); ++s)
      if (!n_.stages[s].gone) place_stage(static_cast<int>(s), all);
    return all;
  }

 private:
  const nest::loop& loop(int id) const { return n_.loops[static_cast<std::size_t>(id)]; }
  // Where reduction r stands in the order; what has no loops comes last.
  std::size_t place(int r) const {
    const auto it = std::ranges::find_if(n_.order, [&](int id) { return loop(id).reduction == r; });
    return static_cast<std::size_t>(it - n_.order.begin());
  }
  std::size_t place_of_loop(int id) const {
    return static_cast<std::size_t>(std::ranges::find(n_.order, id) - n_.order.begin());
  }
  // Inside of the loop that was asked for, else as soon as all loops are open that it depends on and that are outside
  // of its own.
  std::size_t level(int r) const {
    const nest::reduction& d = n_.reductions[static_cast<std::size_t>(r)];
    std::size_t needed = 0;
    if (d.at >= 0) return static_cast<std::size_t>(std::ranges::find(data_, d.at) - data_.begin()) + 1;
    for (std::size_t i = 0; i < data_.size(); ++i)
      if (n_.matters(loop(data_[i]), d) && place_of_loop(data_[i]) < place(r)) needed = i + 1;
    return needed;
  }

  std::vector<item> inside(std::size_t open) {
    std::vector<item> list;
    if (n_.tile_row >= 0 && open + 2 == data_.size()) return {{.what = item::kind::contract, .id = 0}};
    for (std::size_t r = 0; r < n_.reductions.size(); ++r)
      if (n_.reductions[r].inside < 0 && level(static_cast<int>(r)) == open) reduce(static_cast<int>(r), open, list);
    if (open == data_.size())
      list.push_back({.what = item::kind::store});
    else
      list.push_back({.what = item::kind::loop, .id = data_[open], .body = inside(open + 1)});
    return list;
  }
  void reduce(int r, std::size_t open, std::vector<item>& list) {
    const nest::reduction& d = n_.reductions[static_cast<std::size_t>(r)];
    std::vector<int> all, over;
    for (int id : n_.order) {
      const bool own = loop(id).reduction == r;
      const bool more =
          loop(id).of_result() && d.inside < 0 && n_.matters(loop(id), d) &&
          std::ranges::find(data_.begin() + static_cast<std::ptrdiff_t>(open), data_.end(), id) != data_.end();
      if (own || more) all.push_back(id);
      if (more) over.push_back(id);
    }
    list.push_back({.what = item::kind::declare, .id = r, .over = over});
    list.push_back(nested(over, {{.what = item::kind::init, .id = r}}));
    std::vector<item> body;
    for (std::size_t inner = 0; inner < n_.reductions.size(); ++inner)
      if (n_.reductions[inner].inside == r) reduce(static_cast<int>(inner), data_.size(), body);
    body.push_back({.what = item::kind::update, .id = r});
    if (all.empty())
      std::ranges::move(body, std::back_inserter(list));
    else
      list.push_back(nested(all, std::move(body)));
  }

  // What a stage reads is copied right before the loops that read it; what it writes, behind those that write.
  void place_stage(int s, std::vector<item>& list) const {
    const nest::stage& stage = n_.stages[static_cast<std::size_t>(s)];
    for (item& i : list) {
      if (i.what != item::kind::loop) continue;
      place_stage(s, i.body);
      if (i.id != stage.at) continue;
      const auto touches = [&](const item& x) { return touched(x, stage); };
      const auto first = std::ranges::find_if(i.body, touches);
      if (first == i.body.end()) continue;
      const item keep{.what = item::kind::keep, .id = s};
      const item copy = nested(stage.order, {{.what = item::kind::copy, .id = s}});
      if (stage.what == nest::stage::kind::write) {
        i.body.insert(i.body.begin(), keep);
        i.body.push_back(copy);
      } else {
        const auto at = i.body.insert(first, copy);
        if (stage.keeps()) i.body.insert(at, keep);
      }
    }
  }
  bool touched(const item& i, const nest::stage& s) const {
    const bool store = i.what == item::kind::store || i.what == item::kind::contract;
    const bool update = i.what == item::kind::update || i.what == item::kind::contract;
    if (s.what == nest::stage::kind::write) {
      if (store) return true;
    } else if (store || update) {
      for (const nest::value::read& r : n_.values[static_cast<std::size_t>(s.value)].reads)
        if (r.reduction < 0 ? store : update && r.reduction == i.id) return true;
    }
    return std::ranges::any_of(i.body, [&](const item& x) { return touched(x, s); });
  }
  static item nested(const std::vector<int>& loops, std::vector<item> body) {
    if (loops.empty()) return std::move(body.front());
    for (std::size_t i = loops.size(); i-- > 0;) {
      item l{.what = item::kind::loop, .id = loops[i], .body = std::move(body)};
      body.clear();
      body.push_back(std::move(l));
    }
    return std::move(body.front());
  }

  const nest& n_;
  std::vector<int> data_;
};

}  // namespace

std::vector<item> plan(const nest& n) { return planner(n).run(); }

}  // namespace tenon::scheduling
