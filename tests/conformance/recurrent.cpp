// Recurrent layers, adaptive pooling and diag, by plain loops.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }

/// What a call has beside x, w and r, and how many of it.
struct layer {
  std::string cell{};
  std::int64_t length = 3, batch = 2, inputs = 3, hidden = 2, directions = 1;
  bool reverse = false, batch_first = false, flag = false, lengths = false;
  int operands = 3;  ///< of those before the lengths
  std::int64_t gates() const { return cell == "rnn" ? 1 : cell == "gru" ? 3 : 4; }
  bool is_lstm() const { return cell == "lstm"; }
  std::string attrs() const {
    std::string s = "{.direction = ";
    s += directions == 2 ? "bidirectional" : reverse ? "reverse" : "forward";
    if (batch_first) s += ", .batch_first = true";
    if (flag) s += cell == "gru" ? ", .linear_before_reset = true" : ", .input_forget = true";
    return s + "}";
  }
  shape_t state() const {
    return batch_first ? shape_t{batch, directions, hidden} : shape_t{directions, batch, hidden};
  }
};

std::vector<values> operands_of(dtype d, const layer& l, fill fills) {
  const std::int64_t rows = l.gates() * l.hidden;
  std::vector<values> in = {
      filled(d, l.batch_first ? shape_t{l.batch, l.length, l.inputs} : shape_t{l.length, l.batch, l.inputs}, fills,
             361),
      filled(d, {l.directions, rows, l.inputs}, fill::small, 362),
      filled(d, {l.directions, rows, l.hidden}, fill::small, 363)};
  if (l.operands > 3) in.push_back(filled(d, {l.directions, 2 * rows}, fill::small, 364));
  if (l.operands > 4) in.push_back(filled(d, l.state(), fill::small, 365));
  if (l.is_lstm() && l.operands > 5) in.push_back(filled(d, l.state(), fill::small, 366));
  if (l.is_lstm() && l.operands > 6) in.push_back(filled(d, {l.directions, 3 * l.hidden}, fill::small, 367));
  if (l.lengths) {
    values n(i64, {l.batch});
    for (std::int64_t b = 0; b < l.batch; ++b) n.at({b}) = static_cast<real>((b * 2 + 1) % (l.length + 1));
    in.push_back(n);
  }
  return in;
}

std::vector<values> run(dtype d, const layer& l, const std::vector<values>& in) {
  const std::int64_t H = l.hidden, rows = l.gates() * H;
  std::vector<values> y = {values(d, l.batch_first ? shape_t{l.batch, l.length, l.directions, H}
                                                   : shape_t{l.length, l.directions, l.batch, H}),
                           values(d, l.state())};
  if (l.is_lstm()) y.emplace_back(d, l.state());
  const auto state_at = [&](std::int64_t k, std::int64_t b, std::int64_t h) {
    return l.batch_first ? shape_t{b, k, h} : shape_t{k, b, h};
  };
  // Errors grow from step to step; what is off is stated by the number of operations before it.
  const auto off = [&](std::int64_t step) {
    return epsilon(d) * static_cast<real>((step + 1) * 64 * (l.inputs + H + 2));
  };
  for (std::int64_t k = 0; k < l.directions; ++k)
    for (std::int64_t b = 0; b < l.batch; ++b) {
      std::vector<real> h(static_cast<std::size_t>(H)), c(static_cast<std::size_t>(H));
      for (std::int64_t i = 0; i < H; ++i) {
        if (l.operands > 4) h[static_cast<std::size_t>(i)] = in[4].at(state_at(k, b, i));
        if (l.is_lstm() && l.operands > 5) c[static_cast<std::size_t>(i)] = in[5].at(state_at(k, b, i));
      }
      const std::int64_t end = l.lengths ? static_cast<std::int64_t>(in.back().at({b})) : l.length;
      const bool backwards = l.reverse || k == 1;
      for (std::int64_t step = 0; step < l.length; ++step) {
        const std::int64_t t = backwards ? l.length - 1 - step : step;
        const auto out = [&](std::int64_t i) { return l.batch_first ? shape_t{b, t, k, i} : shape_t{t, k, b, i}; };
        if (t >= end) {
          for (std::int64_t i = 0; i < H; ++i) y[0].set(out(i), 0, 0);
          continue;
        }
        const auto from_input = [&](std::int64_t row) {
          real s = l.operands > 3 ? in[3].at({k, row}) : 0;
          for (std::int64_t j = 0; j < l.inputs; ++j)
            s += in[0].at(l.batch_first ? shape_t{b, t, j} : shape_t{t, b, j}) * in[1].at({k, row, j});
          return s;
        };
        const auto from_state = [&](std::int64_t row, const std::vector<real>& state) {
          real s = l.operands > 3 ? in[3].at({k, rows + row}) : 0;
          for (std::int64_t j = 0; j < H; ++j) s += state[static_cast<std::size_t>(j)] * in[2].at({k, row, j});
          return s;
        };
        std::vector<real> next(h.size()), next_c(c.size());
        std::vector<real> reset_state(h.size());
        if (l.cell == "gru")
          for (std::int64_t i = 0; i < H; ++i)
            reset_state[static_cast<std::size_t>(i)] =
                sigmoid(from_input(H + i) + from_state(H + i, h)) * h[static_cast<std::size_t>(i)];
        for (std::int64_t i = 0; i < H; ++i) {
          const auto n = static_cast<std::size_t>(i);
          if (l.cell == "rnn") {
            next[n] = std::tanh(from_input(i) + from_state(i, h));
          } else if (l.cell == "gru") {
            const real z = sigmoid(from_input(i) + from_state(i, h));
            const real reset = sigmoid(from_input(H + i) + from_state(H + i, h));
            const real fresh = std::tanh(from_input(2 * H + i) + (l.flag ? reset * from_state(2 * H + i, h)
                                                                         : from_state(2 * H + i, reset_state)));
            next[n] = (1 - z) * fresh + z * h[n];
          } else {
            const auto peep = [&](std::int64_t gate, real cell) {
              return l.operands > 6 ? in[6].at({k, gate * H + i}) * cell : 0;
            };
            const real in_gate = sigmoid(from_input(i) + from_state(i, h) + peep(0, c[n]));
            const real forget =
                l.flag ? 1 - in_gate : sigmoid(from_input(2 * H + i) + from_state(2 * H + i, h) + peep(2, c[n]));
            next_c[n] = forget * c[n] + in_gate * std::tanh(from_input(3 * H + i) + from_state(3 * H + i, h));
            const real out_gate = sigmoid(from_input(H + i) + from_state(H + i, h) + peep(1, next_c[n]));
            next[n] = out_gate * std::tanh(next_c[n]);
          }
        }
        h = next;
        c = next_c;
        for (std::int64_t i = 0; i < H; ++i) y[0].set(out(i), h[static_cast<std::size_t>(i)], off(step));
      }
      for (std::int64_t i = 0; i < H; ++i) {
        y[1].set(state_at(k, b, i), h[static_cast<std::size_t>(i)], off(l.length));
        if (l.is_lstm())
          y[2].set(state_at(k, b, i), c[static_cast<std::size_t>(i)],
                   off(l.length) * (1 + std::fabs(c[static_cast<std::size_t>(i)])));
      }
    }
  return y;
}

void add_layer(table& t, const char* cell) {
  t.push_back({cell, floats, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, layer l, fill fills = fill::small, int layout = 0) {
                   l.cell = cell;
                   // All operands before the lengths, where there are some.
                   if (l.lengths) l.operands = l.is_lstm() ? 7 : 5;
                   if (!l.is_lstm()) l.operands = std::min(l.operands, 5);
                   if (l.flag && l.cell == "rnn") l.flag = false;
                   c.add(
                       w, l.attrs(), operands_of(d, l, fills),
                       [=](const std::vector<values>& in) { return run(d, l, in); }, layout);
                 };
                 by(column::random, {});
                 by(column::random, {.length = 5, .operands = 4});
                 by(column::random, {.length = 4, .directions = 2, .operands = 7});
                 by(column::random, {.reverse = true, .flag = true, .operands = 6});
                 by(column::random, {.length = 4, .batch = 3, .batch_first = true, .flag = true, .operands = 7});
                 by(column::random, {.length = 4, .batch = 3, .directions = 2, .lengths = true});
                 // Longer ones are scanned: 17 is the first that is.
                 by(column::random, {.length = 16, .operands = 4});
                 by(column::random, {.length = 17, .operands = 4});
                 by(column::random, {.length = 23, .directions = 2, .flag = true, .operands = 7});
                 by(column::random, {.length = 20, .batch = 3, .reverse = true, .batch_first = true, .operands = 5});
                 by(column::random, {.length = 19, .batch = 3, .directions = 2, .lengths = true});
                 by(column::empty, {.batch = 0});
                 by(column::empty, {.length = 0, .operands = 5});
                 by(column::size_1, {.length = 1, .batch = 1, .inputs = 1, .hidden = 1});
                 by(column::odd, {.length = 3, .batch = 5, .inputs = 37, .hidden = 7, .operands = 4});
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {.operands = 5}, fill::small, layout);
                 c.missing(column::nan, "gates of NaN are NaN: sigmoid and tanh have them");
                 c.missing(column::infinities, "sigmoid and tanh have them");
                 c.refused(
                     column::rank_0, "no axis", "",
                     {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 1)});
                 c.refused(column::rank_0, "weights of another extent", "",
                           {filled(d, {2, 2, 3}, fill::small, 1), filled(d, {1, 8, 4}, fill::small, 1),
                            filled(d, {1, 8, 2}, fill::small, 1)});
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_adaptive(table& t, const char* name, bool largest) {
  t.push_back({name, [=](dtype d) { return largest ? d != b8 : tenon::is_float(d); },
               [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, std::vector<int> to, fill fills = fill::small,
                                     int layout = 0) {
                   const std::size_t lead = x.size() - to.size();
                   c.add(
                       w, "{.to = " + text(to) + "}", {filled(d, x, fills, 371)},
                       [=](const std::vector<values>& v) {
                         shape_t out = x;
                         for (std::size_t k = 0; k < to.size(); ++k) out[lead + k] = to[k];
                         values y(d, out);
                         for_each(out, [&](const shape_t& i) {
                           shape_t part(to.size()), begin(to.size());
                           for (std::size_t k = 0; k < to.size(); ++k) {
                             const std::int64_t n = x[lead + k], m = to[k];
                             begin[k] = i[lead + k] * n / m;
                             part[k] = ((i[lead + k] + 1) * n + m - 1) / m - begin[k];
                           }
                           real sum = 0, size = 0, most = -std::numeric_limits<real>::infinity();
                           bool nan = false;
                           for_each(part, [&](const shape_t& r) {
                             shape_t from = i;
                             for (std::size_t k = 0; k < to.size(); ++k) from[lead + k] = begin[k] + r[k];
                             const real e = v[0].at(from);
                             nan = nan || std::isnan(e);
                             most = std::max(most, e);
                             sum += e;
                             size += std::fabs(e);
                           });
                           const auto n = static_cast<real>(count(part));
                           if (largest)
                             y.at(i) = nan ? std::numeric_limits<real>::quiet_NaN() : most;
                           else
                             y.set(i, sum / n, std::isfinite(size) ? size / n * (n + 1) * epsilon(d) : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 9, 7}, {3, 3});
                 by(column::random, {2, 3, 4}, {7});
                 by(column::random, {2, 12}, {1});
                 by(column::empty, {0, 3, 4, 4}, {2, 2});
                 c.refused(column::empty, "no elements", "{.to = {2}}", {filled(d, {3, 0}, fill::small, 1)});
                 by(column::size_1, {1, 1}, {1});
                 by(column::odd, {3, 5, 37}, {11});
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, {3}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 19}, {4}, fill::nan);
                   by(column::infinities, {3, 19}, {4}, fill::infinities);
                 }
                 c.refused(column::rank_0, "no axis", "{.to = {2}}", {filled(d, {}, fill::small, 1)});
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_diag(table& t) {
  t.push_back({"diag", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int k, fill fills = fill::small, int layout = 0) {
                   c.add(
                       w, "{.diagonal = " + std::to_string(k) + "}", {filled(d, x, fills, 372)},
                       [=](const std::vector<values>& v) {
                         const std::int64_t down = std::max(-k, 0), right = std::max(k, 0);
                         if (x.size() == 2) {
                           const std::int64_t n = std::max<std::int64_t>(std::min(x[0] - down, x[1] - right), 0);
                           values y(d, {n});
                           for (std::int64_t i = 0; i < n; ++i) y.at({i}) = v[0].at({i + down, i + right});
                           return one(y);
                         }
                         const std::int64_t n = x[0] + down + right;
                         values y(d, {n, n});
                         for (std::int64_t i = 0; i < x[0]; ++i) y.at({i + down, i + right}) = v[0].at({i});
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {5}, 0);
                 by(column::random, {4}, 2);
                 by(column::random, {4}, -3);
                 by(column::random, {4, 6}, 0);
                 by(column::random, {4, 6}, 3);
                 by(column::random, {6, 4}, -1);
                 by(column::empty, {0}, 0);
                 by(column::empty, {0}, 2);
                 by(column::empty, {3, 4}, 7);
                 by(column::size_1, {1}, 0);
                 by(column::odd, {7, 37}, 5);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 1, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {9}, 1, fill::nan);
                   by(column::infinities, {9}, -1, fill::infinities);
                 }
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_recurrent(table& t) {
  for (const char* cell : {"rnn", "gru", "lstm"}) add_layer(t, cell);
}
void add_rare_pooling(table& t) {
  add_adaptive(t, "adaptive_avg_pool", false);
  add_adaptive(t, "adaptive_max_pool", true);
  add_diag(t);
}

}  // namespace conformance
