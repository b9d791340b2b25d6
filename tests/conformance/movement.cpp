// Movement: every result element is looked up by its own rule and must be that very element.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "table.hpp"

namespace conformance {

namespace {
template <class List>
std::string joined(char open, const List& l, char close) {
  std::string s(1, open);
  for (std::size_t i = 0; i < l.size(); ++i) {
    if (i) s += ',';
    s += std::to_string(l[i]);
  }
  s += close;
  return s;
}
}  // namespace
std::string text(const std::vector<int>& l) { return joined('{', l, '}'); }
std::string text(const shape_t& l) { return joined('[', l, ']'); }

namespace {

using axes = std::vector<int>;

/// out[i] = in[from(i)].
reference looked_up(shape_t out, std::function<shape_t(const shape_t&)> from) {
  return [=](const std::vector<values>& in) {
    values y(in[0].type, out);
    for_each(out, [&](const shape_t& i) { y.at(i) = in[0].at(from(i)); });
    return one(y);
  };
}
/// The same elements in the same order.
reference relabelled(shape_t out) {
  return [=](const std::vector<values>& in) {
    values y = in[0];
    y.shape = out;
    return one(y);
  };
}

/// A call on one operand of this shape; for floats NaN and infinities move too, and for every type strided operands.
class movement {
 public:
  movement(dtype t, cases& c) : type_(t), c_(c) {}
  void operator()(column where, std::string attrs, shape_t in, const reference& r, bool extra = false) {
    c_.add(where, attrs, {filled(type_, in, fill::plain, ++seed_)}, r);
    if (!extra) return;
    for (int layout = 1; layout <= 3; ++layout)
      c_.add(column::strided, attrs, {filled(type_, in, fill::plain, ++seed_)}, r, layout);
    if (!tenon::is_float(type_)) return;
    c_.add(column::nan, attrs, {filled(type_, in, fill::nan, ++seed_)}, r);
    c_.add(column::infinities, attrs, {filled(type_, in, fill::infinities, ++seed_)}, r);
  }
  values make(shape_t s) { return filled(type_, s, fill::plain, ++seed_); }

 private:
  dtype type_;
  cases& c_;
  std::uint64_t seed_ = 5;
};

void put(table& t, const char* name, std::function<void(movement&, cases&, dtype)> f) {
  t.push_back({name, any_type, [=](dtype d) {
                 cases c;
                 movement m(d, c);
                 f(m, c, d);
                 return c;
               }});
}

void add_relabels(table& t) {
  put(t, "reshape", [](movement& m, cases& c, dtype) {
    const auto to = [&](column w, shape_t in, shape_t out, std::string given = "", bool extra = false) {
      m(w, "{.to = " + (given.empty() ? text(out) : given) + "}", in, relabelled(out), extra);
    };
    to(column::random, {4, 6, 5}, {8, 15}, "", true);
    to(column::random, {4, 6}, {2, 2, 3, 2});
    to(column::random, {12, 5}, {4, 15}, "[dyn,15]");
    to(column::empty, {3, 0}, {0, 7});
    to(column::rank_0, {}, {1, 1});
    to(column::rank_0, {1}, {}, "[]");
    to(column::size_1, {1, 1}, {1});
    to(column::odd, {7, 11}, {11, 7}, "", true);
    c.missing(column::negative_axis, "no axis");
  });
  put(t, "flatten", [](movement& m, cases&, dtype) {
    m(column::random, "", {4, 3, 5}, relabelled({4, 15}), true);
    m(column::random, "{.axis = 0}", {4, 3}, relabelled({1, 12}));
    m(column::random, "{.axis = 2}", {4, 3}, relabelled({12, 1}));
    m(column::empty, "", {2, 0, 3}, relabelled({2, 0}));
    m(column::rank_0, "{.axis = 0}", {}, relabelled({1, 1}));
    m(column::size_1, "", {1, 1, 1}, relabelled({1, 1}));
    m(column::odd, "", {3, 7, 11}, relabelled({3, 77}), true);
    m(column::negative_axis, "{.axis = -1}", {3, 4, 5}, relabelled({12, 5}));
  });
  put(t, "squeeze", [](movement& m, cases& c, dtype d) {
    m(column::random, "", {4, 1, 5, 1}, relabelled({4, 5}), true);
    m(column::random, "{.axes = {1}}", {4, 1, 1}, relabelled({4, 1}));
    m(column::empty, "", {0, 1}, relabelled({0}));
    m(column::rank_0, "", {}, relabelled({}));
    m(column::size_1, "", {1, 1}, relabelled({}));
    m(column::odd, "", {1, 37}, relabelled({37}), true);
    m(column::negative_axis, "{.axes = {-1}}", {1, 3, 1}, relabelled({1, 3}));
    c.refused(column::negative_axis, "an axis of another extent than 1", "{.axes = {-2}}",
              {filled(d, {1, 3, 1}, fill::small, 1)});
  });
  put(t, "unsqueeze", [](movement& m, cases&, dtype) {
    m(column::random, "{.axes = {0,2}}", {4, 5}, relabelled({1, 4, 1, 5}), true);
    m(column::empty, "{.axes = {1}}", {0, 3}, relabelled({0, 1, 3}));
    m(column::rank_0, "{.axes = {0}}", {}, relabelled({1}));
    m(column::size_1, "{.axes = {0}}", {1}, relabelled({1, 1}));
    m(column::odd, "{.axes = {1}}", {37}, relabelled({37, 1}), true);
    m(column::negative_axis, "{.axes = {-1,0}}", {3, 5}, relabelled({1, 3, 5, 1}));
  });
}

void add_permutations(table& t) {
  put(t, "transpose", [](movement& m, cases& c, dtype d) {
    const auto by = [&](column w, shape_t in, axes order, axes plain, bool extra = false) {
      shape_t out;
      for (int a : plain) out.push_back(in[static_cast<std::size_t>(a)]);
      m(w, order.empty() ? "" : "{.axes = " + text(order) + "}", in,
        looked_up(out,
                  [=](const shape_t& i) {
                    shape_t x(i.size());
                    for (std::size_t k = 0; k < i.size(); ++k) x[static_cast<std::size_t>(plain[k])] = i[k];
                    return x;
                  }),
        extra);
    };
    by(column::random, {4, 6, 5}, {}, {0, 2, 1}, true);
    by(column::random, {4, 6, 5}, {2, 0, 1}, {2, 0, 1}, true);
    by(column::random, {4, 6, 5}, {1, 2, 0}, {1, 2, 0});
    by(column::random, {3, 2, 5, 4}, {0, 3, 1, 2}, {0, 3, 1, 2});
    by(column::empty, {3, 0}, {}, {1, 0});
    c.refused(column::rank_0, "no axes to swap", "", {filled(d, {}, fill::small, 1)});
    by(column::size_1, {1, 1}, {}, {1, 0});
    by(column::odd, {37, 19}, {}, {1, 0}, true);
    by(column::negative_axis, {3, 4, 5}, {-1, 0, -2}, {2, 0, 1});
  });
  put(t, "reverse", [](movement& m, cases&, dtype) {
    const auto along = [&](column w, shape_t in, axes list, bool extra = false) {
      std::vector<bool> on(in.size(), list.empty());
      for (int a : list) on[static_cast<std::size_t>(normal(a, in.size()))] = true;
      m(w, list.empty() ? "" : "{.axes = " + text(list) + "}", in,
        looked_up(in,
                  [=](shape_t i) {
                    for (std::size_t k = 0; k < i.size(); ++k)
                      if (on[k]) i[k] = in[k] - 1 - i[k];
                    return i;
                  }),
        extra);
    };
    along(column::random, {4, 6, 5}, {}, true);
    along(column::random, {4, 6}, {0}, true);
    along(column::empty, {3, 0}, {});
    along(column::rank_0, {}, {});
    along(column::size_1, {1, 1}, {});
    along(column::odd, {3, 37}, {1}, true);
    along(column::negative_axis, {3, 4, 5}, {-1, -3});
  });
  put(t, "roll", [](movement& m, cases& c, dtype d) {
    const auto by = [&](column w, shape_t in, axes shift, axes list, bool extra = false) {
      m(w, "{.shift = " + text(shift) + (list.empty() ? "" : ", .axes = " + text(list)) + "}", in,
        looked_up(in,
                  [=](shape_t i) {
                    for (std::size_t k = 0; k < shift.size(); ++k) {
                      const auto a = list.empty() ? k : static_cast<std::size_t>(normal(list[k], in.size()));
                      i[a] = ((i[a] - shift[k]) % in[a] + in[a]) % in[a];
                    }
                    return i;
                  }),
        extra);
    };
    by(column::random, {4, 6, 5}, {1, -2}, {}, true);
    by(column::random, {4, 6}, {9}, {1}, true);
    by(column::empty, {3, 0}, {1}, {0});
    c.refused(column::rank_0, "no axis", "{.shift = {1}}", {filled(d, {}, fill::small, 1)});
    by(column::size_1, {1}, {3}, {});
    by(column::odd, {3, 37}, {5}, {1}, true);
    by(column::negative_axis, {3, 7}, {-10}, {-1});
  });
}

void add_copies(table& t) {
  put(t, "broadcast_to", [](movement& m, cases& c, dtype) {
    const auto to = [&](column w, shape_t in, shape_t out, std::string given = "", bool extra = false) {
      m(
          w, "{.to = " + (given.empty() ? text(out) : given) + "}", in,
          [=](const std::vector<values>& x) {
            values y(x[0].type, out);
            for_each(out, [&](const shape_t& i) { y.at(i) = x[0].broadcast_at(i); });
            return one(y);
          },
          extra);
    };
    to(column::random, {4, 1, 5}, {4, 6, 5}, "", true);
    to(column::random, {5}, {5, 5});
    to(column::random, {5, 1}, {3, 5, 7}, "[3,dyn,7]");
    to(column::empty, {1, 3}, {0, 3});
    to(column::rank_0, {}, {3, 5});
    to(column::size_1, {1}, {1, 1});
    to(column::odd, {3, 1}, {3, 37}, "", true);
    c.missing(column::negative_axis, "no axis");
  });
  put(t, "tile", [](movement& m, cases& c, dtype) {
    const auto by = [&](column w, shape_t in, axes repeats, bool extra = false) {
      shape_t out = in;
      for (std::size_t k = 0; k < in.size(); ++k) out[k] *= repeats[k];
      m(w, "{.repeats = " + text(repeats) + "}", in,
        looked_up(out,
                  [=](shape_t i) {
                    for (std::size_t k = 0; k < i.size(); ++k) i[k] %= in[k];
                    return i;
                  }),
        extra);
    };
    by(column::random, {4, 3}, {2, 3}, true);
    by(column::random, {2, 3, 4}, {1, 2, 1});
    by(column::empty, {3, 2}, {2, 0});
    by(column::empty, {0, 2}, {2, 2});
    by(column::rank_0, {}, {});
    by(column::size_1, {1}, {1});
    by(column::odd, {37}, {3}, true);
    c.missing(column::negative_axis, "no axis");
  });
  put(t, "repeat", [](movement& m, cases& c, dtype d) {
    const auto by = [&](column w, shape_t in, int n, int axis, bool extra = false) {
      const auto a = static_cast<std::size_t>(normal(axis, in.size()));
      shape_t out = in;
      out[a] *= n;
      m(w, "{.count = " + std::to_string(n) + ", .axis = " + std::to_string(axis) + "}", in,
        looked_up(out,
                  [=](shape_t i) {
                    i[a] /= n;
                    return i;
                  }),
        extra);
    };
    by(column::random, {4, 5}, 3, 0, true);
    by(column::random, {4, 5}, 2, 1);
    by(column::empty, {3, 2}, 0, 0);
    by(column::empty, {0, 2}, 2, 0);
    c.refused(column::rank_0, "no axis", "{.count = 2, .axis = 0}", {filled(d, {}, fill::small, 1)});
    by(column::size_1, {1}, 1, 0);
    by(column::odd, {3, 13}, 3, 1, true);
    by(column::negative_axis, {3, 4, 2}, 2, -2);
  });
  put(t, "concat", [](movement& m, cases& c, dtype d) {
    const auto join = [&](column w, std::vector<shape_t> in, int axis, fill how = fill::plain, int layout = 0) {
      const auto a = static_cast<std::size_t>(normal(axis, in[0].size()));
      shape_t out = in[0];
      std::vector<values> x;
      for (std::size_t k = 0; k < in.size(); ++k) {
        if (k) out[a] += in[k][a];
        x.push_back(filled(d, in[k], how, 31 + k));
      }
      c.add(
          w, "{.axis = " + std::to_string(axis) + "}", std::move(x),
          [=](const std::vector<values>& v) {
            values y(d, out);
            for_each(out, [&](shape_t i) {
              real& to = y.at(i);
              std::size_t k = 0;
              for (; i[a] >= v[k].shape[a]; ++k) i[a] -= v[k].shape[a];
              to = v[k].at(i);
            });
            return one(y);
          },
          layout);
    };
    join(column::random, {{4, 5}, {3, 5}, {2, 5}}, 0);
    join(column::random, {{4, 5}, {4, 2}}, 1);
    join(column::random, {{3}}, 0);
    join(column::empty, {{0, 5}, {2, 5}, {0, 5}}, 0);
    join(column::empty, {{0}, {0}}, 0);
    c.refused(column::rank_0, "no axis", "", {m.make({}), m.make({})});
    join(column::size_1, {{1}, {1}}, 0);
    join(column::odd, {{3, 37}, {3, 11}, {3, 1}}, 1);
    for (int layout = 1; layout <= 3; ++layout) join(column::strided, {{4, 3, 5}, {4, 2, 5}}, 1, fill::plain, layout);
    if (tenon::is_float(d)) {
      join(column::nan, {{3, 4}, {2, 4}}, 0, fill::nan);
      join(column::infinities, {{3, 4}, {2, 4}}, 0, fill::infinities);
    }
    join(column::negative_axis, {{3, 4}, {3, 2}}, -1);
    join(column::negative_axis, {{3, 4}, {1, 4}}, -2);
  });
}

struct pad_case {
  std::string mode;
  axes before, after;
};
reference padded(shape_t in, pad_case p, real value) {
  shape_t out = in;
  for (std::size_t k = 0; k < in.size(); ++k) out[k] += p.before[k] + p.after[k];
  return [=](const std::vector<values>& x) {
    values y(x[0].type, out);
    for_each(out, [&](shape_t i) {
      real& to = y.at(i);
      for (std::size_t k = 0; k < i.size(); ++k) {
        std::int64_t& j = i[k];
        const std::int64_t n = in[k];
        j -= p.before[k];
        if (p.mode == "constant" && (j < 0 || j >= n)) {
          to = value;
          return;
        }
        if (p.mode == "edge") j = std::clamp<std::int64_t>(j, 0, n - 1);
        // One step at a time, as often as it takes.
        while (p.mode == "wrap" && (j < 0 || j >= n)) j += j < 0 ? n : -n;
        while (p.mode == "reflect" && (j < 0 || j >= n)) j = n == 1 ? 0 : j < 0 ? -j : 2 * (n - 1) - j;
      }
      to = x[0].at(i);
    });
    return one(y);
  };
}

void add_pad_and_slice(table& t) {
  put(t, "pad", [](movement& m, cases& c, dtype d) {
    const auto by = [&](column w, shape_t in, pad_case p, bool extra = false) {
      const bool plain = p.mode == "constant";
      m(w,
        "{.before = " + text(p.before) + ", .after = " + text(p.after) + ", .mode = " + p.mode +
            (plain ? ", .value = 3}" : "}"),
        in, padded(in, p, d == b8 ? 1 : 3), extra);
    };
    by(column::random, {4, 5}, {"constant", {1, 2}, {3, 0}}, true);
    by(column::random, {4, 5}, {"edge", {2, 1}, {1, 3}}, true);
    by(column::random, {4, 5}, {"reflect", {2, 3}, {3, 4}}, true);
    by(column::random, {4, 5}, {"wrap", {2, 1}, {3, 0}}, true);
    by(column::random, {3}, {"reflect", {7}, {8}});
    by(column::random, {3}, {"wrap", {7}, {8}});
    by(column::random, {2, 3, 4}, {"constant", {0, 1, 0}, {0, 1, 2}});
    by(column::empty, {0, 2}, {"constant", {1, 0}, {1, 1}});
    by(column::empty, {0}, {"constant", {0}, {0}});
    by(column::rank_0, {}, {"constant", {}, {}});
    by(column::size_1, {1}, {"reflect", {2}, {1}});
    by(column::size_1, {1, 1}, {"edge", {1, 1}, {1, 1}});
    by(column::odd, {3, 37}, {"constant", {0, 3}, {1, 5}}, true);
    c.missing(column::negative_axis, "no axis");
  });
  put(t, "slice", [](movement& m, cases& c, dtype d) {
    constexpr int end = 2147483647;
    const auto by = [&](column w, shape_t in, axes start, axes stop, axes step, axes list, bool extra = false) {
      // Python's rule, by counting the positions that it visits.
      std::vector<std::vector<std::int64_t>> visited(in.size());
      for (std::size_t k = 0; k < in.size(); ++k) {
        visited[k].resize(static_cast<std::size_t>(in[k]));
        std::iota(visited[k].begin(), visited[k].end(), 0);
      }
      for (std::size_t k = 0; k < start.size(); ++k) {
        const auto a = list.empty() ? k : static_cast<std::size_t>(normal(list[k], in.size()));
        const std::int64_t n = in[a], by = step.empty() ? 1 : step[k];
        std::int64_t first = start[k] < 0 ? start[k] + n : start[k], last = stop[k] < 0 ? stop[k] + n : stop[k];
        visited[a].clear();
        if (by > 0) {
          for (std::int64_t p = std::max<std::int64_t>(first, 0); p < std::min(last, n); p += by)
            visited[a].push_back(p);
        } else {
          if (stop[k] == end) last = -1;
          for (std::int64_t p = std::min(first, n - 1); p > std::max<std::int64_t>(last, -1); p += by)
            visited[a].push_back(p);
        }
      }
      shape_t out;
      for (const auto& v : visited) out.push_back(static_cast<std::int64_t>(v.size()));
      std::string attrs = "{.start = " + text(start) + ", .stop = " + text(stop);
      if (!step.empty()) attrs += ", .step = " + text(step);
      if (!list.empty()) attrs += ", .axes = " + text(list);
      m(w, attrs + "}", in,
        looked_up(out,
                  [=](shape_t i) {
                    for (std::size_t k = 0; k < i.size(); ++k) i[k] = visited[k][static_cast<std::size_t>(i[k])];
                    return i;
                  }),
        extra);
    };
    by(column::random, {8, 9}, {1, 2}, {7, end}, {}, {}, true);
    by(column::random, {8, 9}, {1, 8}, {end, 0}, {2, -3}, {}, true);
    by(column::random, {8, 9}, {-3}, {-1}, {}, {});
    by(column::random, {8, 9}, {20}, {end}, {-2}, {1}, true);
    by(column::random, {8, 9}, {-20}, {20}, {3}, {0});
    by(column::random, {8, 9}, {end}, {end}, {-1}, {0});
    by(column::random, {8, 9}, {5}, {-20}, {-1}, {0});
    by(column::empty, {8, 9}, {5}, {3}, {}, {});
    by(column::empty, {0, 9}, {0}, {end}, {}, {});
    c.refused(column::rank_0, "no axis", "{.start = {0}, .stop = {1}}", {filled(d, {}, fill::small, 1)});
    by(column::size_1, {1}, {0}, {1}, {}, {});
    by(column::odd, {3, 37}, {1}, {36}, {2}, {1}, true);
    by(column::negative_axis, {4, 6}, {1}, {5}, {2}, {-1});
    by(column::negative_axis, {4, 6}, {-1}, {end}, {-1}, {-2});
  });
}

void add_bitcast(table& t) {
  t.push_back({"bitcast", [](dtype d) { return d != b8; },
               [](dtype d) {
                 const dtype to = d == f32    ? i32
                                  : d == i32  ? f32
                                  : d == f64  ? i64
                                  : d == i64  ? f64
                                  : d == f16  ? bf16
                                  : d == bf16 ? f16
                                              : u8;
                 cases c;
                 const std::string attrs = "{.to = " + std::string(tenon::name(to)) + "}";
                 const auto by = [&](column w, shape_t s, fill how = fill::plain, int layout = 0) {
                   c.add(
                       w, attrs, {filled(d, s, how, 77)},
                       [=](const std::vector<values>& in) {
                         values y(to, s);
                         for (std::size_t i = 0; i < y.v.size(); ++i) {
                           std::byte b[8]{};
                           encode(d, in[0].v[i], b);
                           y.v[i] = decode(to, b);
                         }
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {6, 7});
                 by(column::empty, {0});
                 by(column::rank_0, {});
                 by(column::size_1, {1});
                 by(column::odd, {37});
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, fill::plain, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {9}, fill::nan);
                   by(column::infinities, {9}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) { return call{column::random, "{.to = u8}", {filled(d, {2}, fill::small, 1)}, {}}; }});
}

}  // namespace

void add_movement(table& t) {
  add_relabels(t);
  add_permutations(t);
  add_copies(t);
  add_pad_and_slice(t);
  add_bitcast(t);
}

}  // namespace conformance
