// What no step may make of a nest.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schedule/region.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

// Copies of the innermost statement: code generation takes time in proportion to them.
constexpr std::int64_t most_copies = 256;
// What fits into registers or on the stack (the verifier's limit).
constexpr std::int64_t local_bytes = 4096;
// A worker's scratch is made for the longest kernel of a callable.
constexpr std::int64_t stage_bytes = std::int64_t{64} << 20;
constexpr std::int64_t most_rows = ir::contraction::most_rows, most_columns = ir::contraction::most_columns;

class checker {
 public:
  explicit checker(const nest& n) : n_(n) {}

  objection run() {
    check_order();
    check_places();
    if (n_.tile_row >= 0) check_tile();
    if (!found_.why.empty()) return std::move(found_);
    const std::vector<item> all = plan(n_);
    for (std::size_t s = 0; s < n_.stages.size(); ++s)
      if (!n_.stages[s].gone) check_stage(static_cast<int>(s), all);
    for (std::size_t id = 0; id < n_.loops.size(); ++id) {
      const nest::loop& l = n_.loops[id];
      if (l.kind != loop_kind::parallel || !l.replaced.empty()) continue;
      if (all.back().what == item::kind::loop && all.back().id == static_cast<int>(id)) {
        if (all.size() > 1)
          refuse(static_cast<int>(id),
                 fmt::format("{} is computed before the parallel loop {}, which every thread would repeat",
                             accumulator(all.front().id), l.name));
      } else {
        refuse(static_cast<int>(id), fmt::format("the parallel loop {} is not the outermost one", l.name));
      }
    }
    complete_.assign(n_.reductions.size(), false);
    walk(all, -1, 1);
    return std::move(found_);
  }

 private:
  const nest::loop& loop(int id) const { return n_.loops[static_cast<std::size_t>(id)]; }
  static std::string accumulator(int r) { return fmt::format("acc{}", r); }
  void refuse(int loop, std::string why) {
    if (found_.why.empty()) found_ = {std::move(why), loop};
  }

  // Loops of reductions: where they may stand.
  void check_order() {
    int inner = -1;  // the last loop of a reduction
    std::vector<int> ranks;
    for (std::size_t r = 0; r < n_.reductions.size(); ++r)
      if (n_.reductions[r].inside < 0) add_rank(static_cast<int>(r), ranks);
    for (int id : n_.order) {
      const nest::loop& l = loop(id);
      if (l.of_result() && inner >= 0 && n_.reductions.size() > 1)
        return refuse(id,
                      fmt::format("{} of the result would be inside of {} of {}; with {} reductions in the nest their "
                                  "loops stay inside",
                                  l.name, loop(inner).name, accumulator(loop(inner).reduction), n_.reductions.size()));
      if (l.reduction < 0) continue;
      if (inner >= 0 && std::ranges::find(ranks, l.reduction) < std::ranges::find(ranks, loop(inner).reduction))
        return refuse(id, fmt::format("{} of {} would be inside of {} of {}, which begins when {} is complete", l.name,
                                      accumulator(l.reduction), loop(inner).name, accumulator(loop(inner).reduction),
                                      accumulator(l.reduction)));
      inner = id;
    }
  }
  void add_rank(int r, std::vector<int>& ranks) const {
    ranks.push_back(r);
    for (std::size_t inner = 0; inner < n_.reductions.size(); ++inner)
      if (n_.reductions[inner].inside == r) add_rank(static_cast<int>(inner), ranks);
  }

  // Reductions that are told where to be computed: before those that read them.
  void check_places() {
    const std::vector<int> data = [&] {
      std::vector<int> r;
      for (int id : n_.order)
        if (loop(id).of_result()) r.push_back(id);
      return r;
    }();
    const auto level = [&](std::size_t r) -> std::ptrdiff_t {
      const nest::reduction& d = n_.reductions[r];
      if (d.at >= 0) return std::ranges::find(data, d.at) - data.begin() + 1;
      std::ptrdiff_t needed = 0;
      for (std::size_t i = 0; i < data.size(); ++i)
        if (n_.matters(loop(data[i]), d)) needed = static_cast<std::ptrdiff_t>(i) + 1;
      return needed;
    };
    if (n_.reductions.size() < 2) return;
    for (std::size_t r = 0; r < n_.reductions.size(); ++r)
      for (int earlier : n_.reductions[r].needs) {
        const auto e = static_cast<std::size_t>(earlier);
        if (n_.reductions[e].inside >= 0 || n_.reductions[r].inside >= 0 || level(e) <= level(r)) continue;
        const int blame = n_.reductions[e].at >= 0 ? n_.reductions[e].at : n_.reductions[r].at;
        refuse(blame, fmt::format("{} reads {}, which would be computed further inside",
                                  accumulator(static_cast<int>(r)), accumulator(earlier)));
      }
  }

  // What a tile contraction stands for: for r..., i, j: acc[i, j] += a(i, r) * b(r, j), and the store.
  void check_tile() {
    const int row = n_.tile_row, column = n_.tile_column;
    const std::string names = fmt::format("{} x {}", loop(row).name, loop(column).name);
    for (int id : {row, column})
      if (!loop(id).replaced.empty())
        return refuse(row, fmt::format("{} of the tile {} was {}", loop(id).name, names, loop(id).replaced));
    bool begun = false;
    int around = -1;
    for (int id : n_.order) {
      const nest::loop& l = loop(id);
      if (l.reduction >= 0 && (l.kind != loop_kind::serial || l.cut))
        return refuse(id, fmt::format("{} of the tile contraction {} is more than a plain loop", l.name, names));
      begun |= id == row || id == column || l.reduction >= 0;
      if (!begun) around = id;
      if (begun && l.of_result() && id != row && id != column)
        return refuse(id, fmt::format("{} would be inside of the tile contraction {}", l.name, names));
    }
    const nest::reduction& d = n_.reductions[0];
    if (d.at >= 0 && d.at != around)
      return refuse(row, fmt::format("acc0 is computed in {}, not where the tile {} begins", loop(d.at).name, names));
    if (loop(row).extent > most_rows || loop(column).extent > most_columns)
      return refuse(row, fmt::format("a tile of {} x {}; {} x {} are allowed", loop(row).extent, loop(column).extent,
                                     most_rows, most_columns));
    for (int id : {row, column})
      if (loop(id).kind != loop_kind::serial || loop(id).cut || loop(id).extent < 1)
        return refuse(id, fmt::format("{} of the tile {} is more than a plain loop", loop(id).name, names));
    if (n_.row_factor() < 0)
      return refuse(column,
                    fmt::format("one operand would have to be the same for all {}, the other one for all {} and "
                                "contiguous in {}",
                                loop(column).name, loop(row).name, loop(column).name));
    const auto sums = std::ranges::count_if(n_.order, [&](int id) { return loop(id).reduction >= 0; });
    if (!n_.tile_function.empty() && sums != 1)
      return refuse(row,
                    fmt::format("the tile function {} sums over one loop, and acc0 has {}", n_.tile_function, sums));
    check_rows(row, names);
    for (std::size_t id = 0; id < n_.loops.size(); ++id)
      if (loop(static_cast<int>(id)).reduction >= 0 && loop(static_cast<int>(id)).replaced.empty() &&
          fused_tail(static_cast<int>(id), false))
        return refuse(static_cast<int>(id),
                      fmt::format("{} is fused of blocks with a tail", loop(static_cast<int>(id)).name));
    for (const nest::relation& x : n_.relations)
      if (x.masked && x.has_tail(loop(x.whole).extent) && loop(x.whole).stage < 0)
        return refuse(column, fmt::format("{} is masked, which no tile contraction is", loop(x.inner).name));
  }
  // All tiles have all rows, or their number is known where the tiles are.
  void check_rows(int row, const std::string& names) {
    if (fused_tail(row, false)) return refuse(row, fmt::format("{} is fused of blocks with a tail", loop(row).name));
    for (int id = row; id >= 0;) {
      const auto x = std::ranges::find_if(n_.relations, [&](const nest::relation& r) {
        return r.what != nest::relation::kind::fuse && (r.inner == id || r.outer == id);
      });
      if (x == n_.relations.end()) return;
      const nest::loop& outer = loop(x->outer);
      const std::int64_t extent = loop(x->whole).extent;
      const bool apart = x->inner == row && outer.replaced.empty() && outer.cut == extent / x->factor;
      if (x->has_tail(extent) && (x->masked || !apart))
        return refuse(row,
                      fmt::format("the tile {} has a tail of rows: {} is no multiple of {}; split with tail::shift, "
                                  "or partition {}",
                                  names, extent, x->factor, outer.name));
      id = x->whole;
    }
  }
  // Whether blocks with a tail were fused on the way to this loop.
  bool fused_tail(int id, bool fused) const {
    return std::ranges::any_of(n_.relations, [&](const nest::relation& x) {
      if (x.what == nest::relation::kind::fuse)
        return x.whole == id && (fused_tail(x.outer, true) || fused_tail(x.inner, true));
      if (x.inner != id && x.outer != id) return false;
      return (fused && x.has_tail(loop(x.whole).extent)) || fused_tail(x.whole, fused);
    });
  }

  void check_stage(int s, const std::vector<item>& all) {
    const nest::stage& stage = n_.stages[static_cast<std::size_t>(s)];
    const nest::loop& at = loop(stage.at);
    if (!at.replaced.empty()) return refuse(stage.at, fmt::format("{} is kept inside of {}", stage.name, at.name));
    if (!stands(all, s))
      return refuse(stage.at,
                    fmt::format("nothing inside of {} {} {}", at.name,
                                stage.what == nest::stage::kind::write ? "writes" : "reads", source(stage).name));
    std::string changed;
    const std::vector<std::int64_t> now = stage_extents(n_, stage);
    if (now != stage.extents)
      return refuse(stage.at, fmt::format("{} would hold [{}] and not [{}]: this step is to be taken before",
                                          stage.name, fmt::join(now, ", "), fmt::join(stage.extents, ", ")));
    double bytes = source(stage).bytes;
    for (std::int64_t e : stage.extents) bytes *= static_cast<double>(e);
    if (stage.keeps() && bytes > static_cast<double>(stage_bytes))
      return refuse(stage.at, fmt::format("{} would hold {:.0f} bytes inside of {}; {} are allowed", stage.name, bytes,
                                          at.name, stage_bytes));
    const regions inside(n_, stage.at);
    if (stage.what == nest::stage::kind::write)
      for (const nest::index& x : n_.result.reads[0].at)
        for (const auto& [root, factor] : x.terms)
          if (!inside.dense(root))
            return refuse(stage.at,
                          fmt::format("the loops inside of {} leave elements out along {}", at.name, loop(root).name));
    for (int r : source(stage).needs)
      for (int root : n_.reductions[static_cast<std::size_t>(r)].axes)
        if (inside.width(root) > 0)
          return refuse(stage.at, fmt::format("{} is made of {}, which differs along {} inside of {}", stage.name,
                                              accumulator(r), loop(root).name, at.name));
  }
  const nest::value& source(const nest::stage& s) const {
    return s.value < 0 ? n_.result : n_.values[static_cast<std::size_t>(s.value)];
  }
  static bool stands(const std::vector<item>& list, int s) {
    return std::ranges::any_of(
        list, [&](const item& i) { return (i.what == item::kind::copy && i.id == s) || stands(i.body, s); });
  }

  // Of a loop's body in its code: a few vectors stand one after the other, more are a loop and its end.
  static std::int64_t copies_of(const nest::loop& l) {
    if (l.kind == loop_kind::unrolled) return std::max<std::int64_t>(l.extent, 1);
    if (l.cut) return 2;
    if (l.kind != loop_kind::vectorized) return 1;
    const std::int64_t vectors = (l.extent + l.width - 1) / l.width;
    return vectors <= 5 ? std::max<std::int64_t>(vectors, 1) : 2;
  }
  // `vector`: the vectorized loop around.
  void walk(const std::vector<item>& list, int vector, std::int64_t copies) {
    for (const item& i : list) {
      if (i.what == item::kind::declare) complete_[static_cast<std::size_t>(i.id)] = false;
      if (i.what == item::kind::declare && vector >= 0) check_accumulators(i, vector);
      if (i.what == item::kind::contract && vector >= 0)
        refuse(vector, fmt::format("the tile contraction {} x {} is inside of the vectorized loop {}",
                                   loop(n_.tile_row).name, loop(n_.tile_column).name, loop(vector).name));
      if (i.what == item::kind::copy) check_copy(i.id, vector);
      if (i.what == item::kind::update) complete_[static_cast<std::size_t>(i.id)] = true;
      if (i.what != item::kind::loop) continue;
      const nest::loop& l = loop(i.id);
      int inside = vector;
      std::int64_t times = copies;
      if (l.kind == loop_kind::vectorized) {
        if (vector >= 0)
          refuse(i.id, fmt::format("{} and, inside of it, {} would both be vectorized", loop(vector).name, l.name));
        inside = i.id;
      }
      times *= copies_of(l);
      if (times > most_copies && copies_of(l) > 1)
        refuse(i.id,
               fmt::format("there would be {} copies of the innermost statement; {} are allowed", times, most_copies));
      walk(i.body, inside, std::min(times, most_copies));
    }
  }
  void check_copy(int s, int vector) {
    const nest::stage& stage = n_.stages[static_cast<std::size_t>(s)];
    if (vector >= 0 && stage.what == nest::stage::kind::prefetch)
      refuse(vector, fmt::format("{} is vectorized, and lines of {} are asked for one by one", loop(vector).name,
                                 source(stage).name));
    if (vector >= 0 && loop(vector).stage != s)
      refuse(stage.at, fmt::format("{} would be inside of the vectorized loop {}", stage.name, loop(vector).name));
    for (int r : source(stage).needs)
      if (!complete_[static_cast<std::size_t>(r)])
        refuse(stage.at, fmt::format("{} is made of {}, which is not complete there", stage.name, accumulator(r)));
  }
  void check_accumulators(const item& i, int vector) {
    const nest::reduction& r = n_.reductions[static_cast<std::size_t>(i.id)];
    double bytes = r.bytes;
    for (int id : i.over) bytes *= static_cast<double>(loop(id).extent);
    if (bytes > static_cast<double>(local_bytes))
      refuse(vector, fmt::format("each lane of {} would keep {:.0f} bytes of {}; {} are allowed", loop(vector).name,
                                 bytes, accumulator(i.id), local_bytes));
  }

  const nest& n_;
  std::vector<bool> complete_;  // of each reduction: whether its last step lies behind
  objection found_;
};

}  // namespace

objection object_to(const nest& n) { return checker(n).run(); }

}  // namespace tenon::scheduling
