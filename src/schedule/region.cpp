#include "schedule/region.hpp"

#include <algorithm>

namespace tenon::scheduling {

using kind = nest::relation::kind;

namespace {
// The loops around each place where the loop stands.
void open_around(const std::vector<item>& list, int loop, std::vector<int>& path, std::vector<bool>& open) {
  for (const item& i : list) {
    if (i.what != item::kind::loop) continue;
    path.push_back(i.id);
    if (i.id == loop)
      for (int id : path) open[static_cast<std::size_t>(id)] = true;
    open_around(i.body, loop, path, open);
    path.pop_back();
  }
}
}  // namespace

regions::regions(const nest& n, int at) : n_(n), open_(n.loops.size()) {
  std::vector<int> path;
  if (at >= 0) open_around(plan(n), at, path, open_);
}

std::int64_t regions::width(int id) const {
  const nest::loop& l = n_.at(id);
  if (l.replaced.empty()) return inside(id) ? std::max<std::int64_t>(l.extent - 1, 0) : 0;
  for (const nest::relation& x : n_.relations) {
    if (x.what == kind::fuse) {
      if (x.outer != id && x.inner != id) continue;
      const std::int64_t both = width(x.whole);
      if (both == 0) return 0;
      if (x.inner == id || both == n_.at(x.whole).extent - 1) return l.extent - 1;
      return std::min(l.extent - 1, both / x.factor + 1);
    }
    if (x.whole != id) continue;
    return std::min(l.extent - 1, x.factor * width(x.outer) + width(x.inner));
  }
  return 0;
}

span_of regions::span(const nest::value& v, std::size_t d, const std::vector<const nest::value::read*>& reads) const {
  const std::int64_t all = v.extents[d];
  const span_of whole{.begin = {}, .offset = 0, .extent = all, .whole = true};
  std::optional<span_of> r;
  std::int64_t end = 0;
  for (const nest::value::read* read : reads) {
    const nest::index& x = read->at[d];
    if (!x.affine) return whole;
    span_of one{.begin = {}, .offset = x.offset};
    std::int64_t more = 0;
    for (const auto& [root, factor] : x.terms) {
      const std::int64_t w = width(root);
      if (w != n_.at(root).extent - 1) one.begin.emplace_back(root, factor);
      if (factor < 0) one.offset += factor * w;
      more += (factor < 0 ? -factor : factor) * w;
    }
    if (!r) {
      r = one;
      end = one.offset + more;
    }
    if (r->begin != one.begin) return whole;
    r->offset = std::min(r->offset, one.offset);
    end = std::max(end, one.offset + more);
  }
  if (!r || end - r->offset + 1 >= all) return whole;
  r->extent = end - r->offset + 1;
  return *r;
}

// factor * (the loop's index, those outside left out), in terms of the loops inside that are there.
bool regions::add(int id, std::int64_t factor, nest::index& to) const {
  const nest::loop& l = n_.at(id);
  // A loop of one trip counts, too: a tile contraction looks for its column.
  if (l.replaced.empty() && !inside(id)) return true;
  if (l.replaced.empty()) {
    const auto at = std::ranges::find(to.terms, id, &std::pair<int, std::int64_t>::first);
    if (at == to.terms.end())
      to.terms.emplace_back(id, factor);
    else
      at->second += factor;
    return true;
  }
  for (const nest::relation& x : n_.relations) {
    if (x.what == kind::fuse && (x.outer == id || x.inner == id)) return width(id) == 0;
    if (x.what == kind::fuse || x.whole != id) continue;
    if (x.what == kind::shift && width(x.outer) > 0) return false;
    return add(x.outer, factor * x.factor, to) && add(x.inner, factor, to);
  }
  return false;
}

std::optional<nest::index> regions::relative(const nest::index& x, const span_of& s) const {
  nest::index r{.affine = true, .terms = {}, .offset = x.offset - s.offset};
  if (!x.affine) return {};
  for (const auto& [root, factor] : x.terms) {
    // From 0 on everything counts, also what is the same inside.
    if ((s.whole || width(root) == n_.at(root).extent - 1) && !is_inside(root)) return {};
    if (!add(root, factor, r)) return {};
  }
  return r;
}

// Whether all indices of the loop are made inside.
bool regions::is_inside(int id) const {
  const nest::loop& l = n_.at(id);
  if (l.extent <= 1) return true;
  if (l.replaced.empty()) return inside(id);
  return std::ranges::any_of(n_.relations, [&](const nest::relation& x) {
    if (x.what == kind::fuse) return (x.outer == id || x.inner == id) && is_inside(x.whole);
    return x.whole == id && is_inside(x.outer) && is_inside(x.inner);
  });
}

bool regions::dense(int root) const { return dense(root, true); }

// `last`: what follows the loop's indices lies outside of the axis. Elsewhere it is the next block's.
bool regions::dense(int id, bool last) const {
  const nest::loop& l = n_.at(id);
  if (l.replaced.empty()) return true;
  for (const nest::relation& x : n_.relations) {
    // Of a fused loop all or nothing.
    if (x.what == kind::fuse && (x.outer == id || x.inner == id))
      return width(id) == 0 || (dense(x.whole) && width(x.whole) == n_.at(x.whole).extent - 1);
    if (x.what == kind::fuse || x.whole != id) continue;
    const bool blocks = width(x.outer) > 0;
    if (!last && x.has_tail(l.extent) && width(id) > 0 && width(id) < l.extent - 1) return false;
    return dense(x.outer, last) && dense(x.inner, last && n_.at(x.outer).extent == 1) &&
           (!blocks || width(x.inner) == n_.at(x.inner).extent - 1);
  }
  return false;
}

namespace {
bool holds_reader(const std::vector<item>& list, const nest& n, int loop, int reduction, bool inside) {
  for (const item& i : list) {
    const bool reads = reduction < 0
                           ? i.what == item::kind::store || i.what == item::kind::contract
                           : (i.what == item::kind::update || i.what == item::kind::contract) && i.id == reduction;
    if (inside && reads) return true;
    if (i.what == item::kind::loop && holds_reader(i.body, n, loop, reduction, inside || i.id == loop)) return true;
  }
  return false;
}
}  // namespace

std::vector<const nest::value::read*> served(const nest& n, const nest::stage& s) {
  std::vector<const nest::value::read*> r;
  const std::vector<item> all = plan(n);
  for (const nest::value::read& x : n.values[static_cast<std::size_t>(s.value)].reads)
    if (holds_reader(all, n, s.at, x.reduction, false)) r.push_back(&x);
  return r;
}

std::vector<span_of> stage_spans(const nest& n, const nest::stage& s) {
  const regions at(n, s.at);
  std::vector<span_of> r;
  const bool reads = s.what != nest::stage::kind::write;
  const nest::value& v = reads ? n.values[static_cast<std::size_t>(s.value)] : n.result;
  const std::vector<const nest::value::read*> of = reads ? served(n, s) : std::vector{&n.result.reads[0]};
  for (std::size_t d = 0; d < v.extents.size(); ++d) r.push_back(at.span(v, d, of));
  return r;
}

std::int64_t elements_of_line(const nest& n, const nest::stage& s) {
  constexpr std::int64_t line_bytes = 64;
  return line_bytes / n.values[static_cast<std::size_t>(s.value)].bytes;
}

std::vector<std::int64_t> stage_extents(const nest& n, const nest::stage& s) {
  std::vector<std::int64_t> r;
  for (const span_of& x : stage_spans(n, s)) r.push_back(std::max<std::int64_t>(x.extent, 1));
  if (s.packed >= 0) {
    std::int64_t& e = r[static_cast<std::size_t>(s.packed)];
    e = (e + s.width - 1) / s.width * s.width;
  }
  return r;
}

std::optional<std::pair<nest::index, nest::index>> in_panels(const nest& n, const nest::index& x, std::int64_t width) {
  std::pair<nest::index, nest::index> r;
  auto& [panel, column] = r;
  std::int64_t most = x.offset % width;
  if (x.offset < 0) return {};
  panel.offset = x.offset / width;
  column.offset = x.offset % width;
  for (const auto& [id, factor] : x.terms) {
    if (factor < 0) return {};
    if (factor % width == 0) {
      panel.terms.emplace_back(id, factor / width);
    } else {
      column.terms.emplace_back(id, factor);
      most += factor * (n.at(id).extent - 1);
    }
  }
  if (most >= width) return {};
  return r;
}

namespace {
// Whether the index of `whole` is made of the loop's.
bool made_of(const nest& n, int whole, int loop) {
  if (whole == loop) return true;
  return std::ranges::any_of(n.relations, [&](const nest::relation& x) {
    if (x.what == kind::fuse) return (x.outer == whole || x.inner == whole) && made_of(n, x.whole, loop);
    return x.whole == whole && (made_of(n, x.outer, loop) || made_of(n, x.inner, loop));
  });
}
}  // namespace

bool independent(const nest& n, const nest::value::read& r, int loop) {
  return std::ranges::all_of(r.at, [&](const nest::index& i) {
    return i.affine && std::ranges::none_of(i.terms, [&](const auto& t) { return made_of(n, t.first, loop); });
  });
}

namespace {
// By how much the index of `whole` grows with the loop's, the others as they are; nothing when that differs.
std::optional<std::int64_t> growth(const nest& n, int whole, int loop) {
  if (whole == loop) return 1;
  if (!made_of(n, whole, loop)) return 0;
  for (const nest::relation& x : n.relations) {
    if (x.what == kind::fuse || x.whole != whole) continue;
    const auto outer = growth(n, x.outer, loop), inner = growth(n, x.inner, loop);
    if (!outer || !inner || (x.what == kind::shift && *outer != 0)) return {};
    return *outer * x.factor + *inner;
  }
  return {};
}
std::optional<std::int64_t> growth(const nest& n, const nest::index& i, int loop) {
  if (!i.affine) return {};
  std::int64_t sum = 0;
  for (const auto& [root, factor] : i.terms) {
    const auto g = growth(n, root, loop);
    if (!g) return {};
    sum += factor * *g;
  }
  return sum;
}
}  // namespace

std::optional<std::int64_t> stride_along(const nest& n, int value, int read, int loop) {
  const nest::value& v = n.values[static_cast<std::size_t>(value)];
  const nest::value::read& x = v.reads[static_cast<std::size_t>(read)];
  const nest::stage* kept = nullptr;
  for (const nest::stage& s : n.stages)
    if (s.keeps() && s.what == nest::stage::kind::read && s.value == value) kept = &s;
  if (!kept && v.strides.size() != v.extents.size()) return {};
  std::int64_t sum = 0, stride = 1;
  for (std::size_t d = v.extents.size(); d-- > 0;) {
    auto by = growth(n, x.at[d], loop);
    std::int64_t elements = kept ? stride : v.strides[d];
    if (kept && static_cast<int>(d) == kept->packed) {
      // Along the columns of one panel.
      const regions at(n, kept->at);
      const auto i = at.relative(x.at[d], at.span(v, d, served(n, *kept)));
      const auto parts = i ? in_panels(n, *i, kept->width) : std::nullopt;
      if (!parts ||
          std::ranges::find(parts->first.terms, loop, &std::pair<int, std::int64_t>::first) != parts->first.terms.end())
        return {};
      elements = 1;
    } else if (kept) {
      if (kept->packed >= 0 && by != 0) return {};
      stride *= kept->extents[d];
    }
    if (!by) return {};
    sum += *by * elements;
  }
  return sum;
}

}  // namespace tenon::scheduling
