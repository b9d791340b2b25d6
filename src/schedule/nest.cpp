#include "schedule/nest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schedule/region.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

class printer {
 public:
  printer(const nest& n, int marked) : n_(n), marked_(marked) {}
  std::string run() {
    line(0, n_.header);
    if (n_.fixed)
      out_ += n_.result_text;
    else
      print(plan(n_), 1);
    return std::move(out_);
  }

 private:
  void line(int indent, std::string_view s) { out_ += fmt::format("{:{}}{}\n", "", 2 * indent, s); }
  void print(const std::vector<item>& list, int indent) {
    const std::size_t outside = kept_.size();
    for (const item& i : list) print(i, indent);
    kept_.resize(outside);
  }
  void print(const item& i, int indent) {
    const auto r = static_cast<std::size_t>(i.id);
    switch (i.what) {
      case item::kind::loop:
        line(indent, loop_text(i.id));
        return print(i.body, indent + 1);
      case item::kind::declare: {
        std::vector<std::string> over;
        for (int id : i.over) {
          const nest::loop& l = n_.loops[static_cast<std::size_t>(id)];
          over.push_back(fmt::format("{} < {}", l.name, l.extent));
        }
        if (!over.empty()) line(indent, fmt::format("acc{}[{}]", i.id, fmt::join(over, ", ")));
        return;
      }
      case item::kind::init:
        return line(indent, fmt::format("acc{} = start of {}", i.id, ir::name(n_.reductions[r].combine)));
      case item::kind::update:
        return line(indent, kept(n_.reductions[r].text));
      case item::kind::store:
        return line(indent, kept(n_.result_text));
      case item::kind::contract: {
        const nest::loop &row = n_.at(n_.tile_row), &column = n_.at(n_.tile_column);
        const bool here = n_.tile_row == marked_ || n_.tile_column == marked_;
        line(indent, fmt::format("tile {} < {}, {} < {}{}{}", row.name, row.extent, column.name, column.extent,
                                 n_.tile_function.empty() ? "" : " by " + n_.tile_function, here ? "  <-- here" : ""));
        for (int id : n_.order)
          if (n_.at(id).reduction >= 0) line(indent + 1, loop_text(id));
        line(indent + 2, kept(n_.reductions[r].text));
        return line(indent + 1, kept(n_.result_text));
      }
      case item::kind::keep: {
        const nest::stage& s = n_.stages[r];
        kept_.push_back(i.id);
        return line(indent, fmt::format("{}[{}]", s.name, fmt::join(s.extents, ", ")));
      }
      case item::kind::copy:
        return line(indent, copy_text(n_.stages[r]));
    }
  }
  // What is kept is read there: by its name, with the indices of the value.
  std::string kept(std::string text) const {
    for (int s : kept_) {
      const nest::stage& stage = n_.stages[static_cast<std::size_t>(s)];
      const bool reads = stage.what == nest::stage::kind::read;
      const nest::value& v = reads ? n_.values[static_cast<std::size_t>(stage.value)] : n_.result;
      for (const nest::value::read& x : v.reads) {
        std::vector<std::string> at;
        for (const nest::index& i : x.at) at.push_back(index_text(i));
        const std::string now = fmt::format("{}[{}]", stage.name, fmt::join(at, ", "));
        for (std::size_t place = 0; (place = text.find(x.text, place)) != std::string::npos; place += now.size())
          text.replace(place, x.text.size(), now);
      }
    }
    return text;
  }
  std::string index_text(const nest::index& x) const {
    if (!x.affine) return "...";
    std::string s;
    for (const auto& [root, factor] : x.terms) {
      s += s.empty() ? "" : " + ";
      s += n_.at(root).name;
      if (factor != 1) s += fmt::format(" * {}", factor);
    }
    if (x.offset || s.empty()) s += fmt::format("{}{}", s.empty() ? "" : " + ", x.offset);
    return s;
  }
  // Of one element: where it is kept, and which one of the value it is.
  std::string copy_text(const nest::stage& s) const {
    const regions at(n_, s.at);
    const std::vector<span_of> spans = stage_spans(n_, s);
    std::vector<std::string> here, there;
    for (std::size_t d = 0; d < spans.size(); ++d) {
      std::string local = n_.at(s.roots[d]).name;
      if (static_cast<int>(d) == s.packed) local = fmt::format("{} * {} + {}", local, s.width, n_.at(s.column).name);
      if (s.what == nest::stage::kind::prefetch && d + 1 == spans.size())
        local = fmt::format("{} * {}", local, elements_of_line(n_, s));
      here.push_back(local);
      std::string global;
      for (const auto& [root, factor] : spans[d].begin) {
        const std::string b = begin_text(at, root);
        if (!b.empty()) global += factor == 1 ? b + " + " : fmt::format("({}) * {} + ", b, factor);
      }
      if (spans[d].offset) global += fmt::format("{} + ", spans[d].offset);
      there.push_back(global + local);
    }
    const nest::value& v =
        s.what == nest::stage::kind::write ? n_.result : n_.values[static_cast<std::size_t>(s.value)];
    const std::string kept_at = fmt::format("{}[{}]", s.name, fmt::join(here, ", "));
    if (s.what == nest::stage::kind::write) return fmt::format("{}[{}] = {}", v.name, fmt::join(there, ", "), kept_at);
    std::string from = v.text;
    for (std::size_t d = there.size(); d-- > 0;) {
      const std::string place = fmt::format("{{{}}}", d);
      for (std::size_t p = 0; (p = from.find(place, p)) != std::string::npos; p += there[d].size())
        from.replace(p, place.size(), there[d]);
    }
    if (s.what == nest::stage::kind::prefetch) return fmt::format("prefetch {}, {} trips ahead", from, s.ahead);
    return fmt::format("{} = {}", kept_at, from);
  }
  // The least index that the loops inside leave to an axis; empty: 0.
  std::string begin_text(const regions& at, int id) const {
    const nest::loop& l = n_.at(id);
    if (l.replaced.empty()) return at.inside(id) ? "" : l.name;
    for (const nest::relation& x : n_.relations) {
      if (x.what == nest::relation::kind::fuse) {
        if (x.outer == id)
          return at.width(x.whole) == l.extent * x.factor - 1
                     ? ""
                     : fmt::format("{} / {}", begin_text(at, x.whole), x.factor);
        if (x.inner == id) return at.width(x.whole) ? "" : fmt::format("{} % {}", begin_text(at, x.whole), x.factor);
        continue;
      }
      if (x.whole != id) continue;
      std::string outer = begin_text(at, x.outer);
      const std::string inner = begin_text(at, x.inner);
      if (!outer.empty()) outer = fmt::format("{} * {}", outer, x.factor);
      if (!outer.empty() && x.what == nest::relation::kind::shift)
        outer = fmt::format("min({}, {})", outer, l.extent - x.factor);
      return outer + (outer.empty() || inner.empty() ? "" : " + ") + inner;
    }
    return "";
  }
  std::string loop_text(int id) {
    const nest::loop& l = n_.loops[static_cast<std::size_t>(id)];
    std::string kind;
    if (l.kind == loop_kind::parallel) kind = "parallel ";
    if (l.kind == loop_kind::vectorized) kind = fmt::format("vectorized({}) ", l.width);
    if (l.kind == loop_kind::unrolled) kind = "unrolled ";
    std::string s = fmt::format("{}for {} in [0, {})", kind, l.name, l.extent);
    if (l.cut) s += fmt::format(", apart from {} on", l.cut);
    const std::string from = origin(id);
    if (!from.empty()) s += "  // " + from;
    if (id == marked_) s += "  <-- here";
    return s;
  }
  // What the last loop of a relation says of the one that it replaced.
  std::string origin(int id) const {
    for (const nest::relation& x : n_.relations) {
      const auto name = [&](int l) -> const std::string& { return n_.loops[static_cast<std::size_t>(l)].name; };
      const nest::loop& whole = n_.loops[static_cast<std::size_t>(x.whole)];
      if (x.what == nest::relation::kind::fuse) {
        if (x.whole == id)
          return fmt::format("{} = {} / {}, {} = {} % {}", name(x.outer), whole.name, x.factor, name(x.inner),
                             whole.name, x.factor);
      } else if (x.inner == id) {
        const std::string outer = fmt::format("{} * {}", name(x.outer), x.factor);
        if (x.what == nest::relation::kind::shift)
          return fmt::format("{} = min({}, {}) + {}", whole.name, outer, whole.extent - x.factor, name(id));
        return fmt::format(
            "{} = {} + {}{}", whole.name, outer, name(id),
            x.has_tail(whole.extent) ? fmt::format(" where < {}{}", whole.extent, x.masked ? ", masked" : "") : "");
      }
    }
    return {};
  }

  const nest& n_;
  int marked_;
  std::vector<int> kept_;  // stages whose memory is there
  std::string out_;
};

}  // namespace

bool nest::matters(const loop& l, const reduction& r) const {
  return std::ranges::any_of(l.roots, [&](int a) { return std::ranges::find(r.axes, a) != r.axes.end(); });
}

const std::vector<int>& nest::order_of(int id) const {
  const int s = at(id).stage;
  return s < 0 ? order : stages[static_cast<std::size_t>(s)].order;
}
std::vector<int>& nest::order_of(int id) { return const_cast<std::vector<int>&>(std::as_const(*this).order_of(id)); }

int nest::row_factor() const {
  if (reductions.size() != 1) return -1;
  for (int a = 0; a < 2; ++a) {
    const auto &x = reductions[0].factors[a], &y = reductions[0].factors[1 - a];
    if (x.first < 0 || y.first < 0) return -1;
    const auto same = [&](const std::pair<int, int>& f, int loop) {
      return independent(*this, values[static_cast<std::size_t>(f.first)].reads[static_cast<std::size_t>(f.second)],
                         loop);
    };
    if (same(x, tile_column) && same(y, tile_row) && stride_along(*this, y.first, y.second, tile_column) == 1) return a;
  }
  return -1;
}

std::string to_string(const nest& n, int marked) { return printer(n, marked).run(); }

std::string label_of(std::string_view readable, const std::vector<std::string>& before) {
  int same = 1;
  for (const std::string& b : before) same += b == readable || b.starts_with(std::string(readable) + "#");
  return same == 1 ? std::string(readable) : fmt::format("{}#{}", readable, same);
}

}  // namespace tenon::scheduling
