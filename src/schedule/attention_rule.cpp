// Attention: both products and the softmax between them, a block of queries at a time, on the tile contraction.
//   parallel for units: batches x blocks of queries
//     queries[d, i] = the block's queries, transposed
//     for blocks of keys that some query of the block sees
//       for tiles of keys:   scores[s, i] = score of sum over d of key[s, d] * queries[d, i]
//       for i, vectorized:   largest[i], total[i], and scores[s, i] = exp(scores[s, i] - shift)
//       for tiles of i:      sums[i, e] = sums[i, e] * fading[i] + sum over s of scores[s, i] * value[s, e]
//     result[i, e] = sums[i, e] * normal[i]
// Scores lie with a key's queries side by side: keys and values are read as they come, each row of scores is a lane and
// no vector is ever summed across. Where all keys are one block, the largest score is known before any exponential is
// taken; else what was summed before fades by exp(shift before - shift now) (Milakov and Gimelshein, "Online normalizer
// calculation for softmax"; Dao et al., "FlashAttention").
//
// Few queries, as a decoder's step has, would leave most lanes empty. Each is a unit of its own then, and lanes go
// along the depth:
//   for tiles of keys:    scores[s] = score of sum over d, vectorized, of key[s, d] * query[d]
//   for s, vectorized:    scores[s] = exp(scores[s] - shift)
//   for e, vectorized:    result[e] = normal * sum over s of scores[s] * value[s, e]
#include <algorithm>
#include <limits>
#include <string>

#include "schedule/attention.hpp"
#include "schedule/register_tile.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Queries of a block: keys and values are read once for all of them.
constexpr int most_queries = 48;
// Up to so many keys are one block; with more, blocks are of about this size.
constexpr extent_t longest_exact = 2048, keys_of_block = 512;

extent_t ceil_div(extent_t a, extent_t b) { return (a + b - 1) / b; }

class builder {
 public:
  builder(computation& c, const attention& p, const machine_model& m)
      : c_(c), a_(c.kernel.make()), p_(p), m_(m), type_(p.result->type) {
    lanes_ = m.vector_bits / 8 / size_of(type_);
    queries_ = p.row < 0 ? 1 : axis(p.row).size;
    keys_ = c.at_call(p.keys());
    depth_ = c.at_call(p.dot->loop_extent(0));
    columns_ = axis(p.column).size;
    online_ = keys_ > longest_exact;
    choose_tiles();
  }

  stmt_ref build() {
    const bool few = goes_along_depth();
    if (few)
      rows_ = 1;
    else
      add_scratch();
    std::vector<expr_ref> extents;
    std::vector<const computation::axis*> outer;
    for (int d = 0; d < static_cast<int>(c_.axes.size()); ++d)
      if (d != p_.row && d != p_.column && axis(d).size != 1) {
        outer.push_back(&axis(d));
        extents.push_back(axis(d).extent);
      }
    const expr_ref length = p_.row < 0 ? a_.index(1) : axis(p_.row).extent;
    extents.push_back(p_.row < 0 ? a_.index(1) : blocks(length, rows_));
    const fused_loop f = fuse_loops(a_, extents);
    for (std::size_t i = 0; i < outer.size(); ++i) at_.emplace_back(outer[i]->variable, f.indices[i]);
    first_ = a_.mul(f.indices.back(), a_.index(rows_));
    present_ = p_.row < 0 ? a_.index(1) : a_.min(a_.index(rows_), a_.sub(length, first_));
    const expr_ref seen = keys_seen();
    if (few) return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, one_query(seen)});
    std::vector<stmt_ref> list{transpose_queries()};
    if (!online_) {
      list.push_back(block_of_keys(a_.index(0), seen));
    } else {
      list.push_back(start());
      const expr_ref number = a_.fresh_variable(), begin = a_.mul(number, a_.index(keys_per_block_));
      list.push_back(over(number, a_.index(0), blocks(seen, keys_per_block_),
                          block_of_keys(begin, a_.min(a_.add(begin, a_.index(keys_per_block_)), seen))));
    }
    list.push_back(finish());
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, make_block(std::move(list))});
  }

  /// Of all units, for one thread: two multiply-adds of a vector a nanosecond, and about as much again for the rest.
  std::int64_t nanoseconds() const {
    double points = 1;
    for (const computation::axis& x : c_.axes) points *= static_cast<double>(x.size);
    return static_cast<std::int64_t>(points / static_cast<double>(columns_) * static_cast<double>(keys_) *
                                     static_cast<double>(depth_ + columns_) / (2.0 * lanes_));
  }

 private:
  using bindings = std::vector<std::pair<expr_ref, expr_ref>>;

  const computation::axis& axis(int d) const { return c_.axes[static_cast<std::size_t>(d)]; }
  expr_ref blocks(expr_ref extent, std::int64_t size) {
    return size == 1 ? extent : a_.div(a_.add(extent, a_.index(size - 1)), a_.index(size));
  }
  stmt_ref over(expr_ref variable, expr_ref begin, expr_ref end, stmt_ref body) {
    return make_stmt(loop{variable, begin, end, loop_kind::serial, 1, std::move(body)});
  }
  stmt_ref across(expr_ref variable, expr_ref begin, expr_ref end, stmt_ref body, int vectors = 1) {
    return make_stmt(loop{variable, begin, end, loop_kind::vectorized, vectors * lanes_, std::move(body)});
  }
  expr_ref load(std::int64_t buffer, std::initializer_list<expr_ref> at) {
    return a_.load(type_, buffer, std::vector<expr_ref>(at));
  }
  stmt_ref put(std::int64_t buffer, std::vector<expr_ref> at, expr_ref value) {
    return make_stmt(store{buffer, std::move(at), value, a_.boolean(true)});
  }
  // The batch, and more of the computation's variables, put into an expression.
  expr_ref placed(expr_ref e, bindings more) {
    more.insert(more.end(), at_.begin(), at_.end());
    return a_.substitute(e, more);
  }
  void bind_row(bindings& b, expr_ref i) const {
    if (p_.row >= 0) b.emplace_back(axis(p_.row).variable, a_.add(first_, i));
  }
  std::int64_t stride_bytes(const attention::operand& o, expr_ref variable) {
    const buffer& from = c_.kernel.buffers[static_cast<std::size_t>(o.load->payload)];
    const affine_form f = affine(a_, linear_index(a_, from, o.load->indices()), std::span(&variable, 1));
    return c_.at_call(f.coefficients[0]) * size_of(o.load->type);
  }

  // Rows of a block and both register tiles, at the least cost of the products.
  void choose_tiles() {
    keys_per_block_ = online_ ? ceil_div(keys_, ceil_div(keys_, keys_of_block)) : keys_;
    const std::int64_t size = size_of(type_);
    const std::int64_t key_stride = stride_bytes(p_.key, p_.key_variable()),
                       value_stride = p_.unit_value ? stride_bytes(p_.value, p_.key_variable()) : 0;
    double least = std::numeric_limits<double>::infinity();
    for (int vectors = 1; vectors * lanes_ <= most_queries; ++vectors) {
      const auto rows = static_cast<int>(std::min<extent_t>(queries_, extent_t{vectors} * lanes_));
      const register_tile scores = choose_register_tile(
          m_, {.rows = keys_per_block_, .columns = rows, .depth = depth_, .lanes = lanes_, .row_stride = key_stride});
      const register_tile sums = choose_register_tile(m_, {.rows = rows,
                                                           .columns = columns_,
                                                           .depth = keys_per_block_,
                                                           .lanes = lanes_,
                                                           .row_stride = size,
                                                           .step_stride = value_stride});
      const double cycles = static_cast<double>(ceil_div(queries_, rows)) * (scores.cycles + sums.cycles);
      if (cycles < least) {
        least = cycles;
        rows_ = rows;
        score_tile_ = scores;
        sum_tile_ = sums;
      }
      if (rows == queries_) break;
    }
    score_tile_.rows = static_cast<int>(std::min<extent_t>(score_tile_.rows, c_.at_least(p_.keys())));
    score_width_ = score_tile_.vectors * lanes_;
    sum_width_ = sum_tile_.vectors * lanes_;
    score_panels_ = static_cast<int>(ceil_div(rows_, score_width_));
    sum_panels_ = static_cast<int>(ceil_div(columns_, sum_width_));
    // Whole tiles of either kind; what is behind the block's rows belongs to nobody.
    width_ = score_panels_ * score_width_;
    pitch_ = std::max<extent_t>(width_, ceil_div(rows_, sum_tile_.rows) * sum_tile_.rows);
  }
  void add_scratch() {
    const auto scratch = [&](const char* name, std::vector<expr_ref> extents) {
      return c_.kernel.add_buffer(name, type_, scope::scratch, std::move(extents));
    };
    const expr_ref pitch = a_.index(pitch_), keys = online_ ? a_.index(keys_per_block_ + before()) : p_.keys();
    queries_buffer_ = scratch("queries", {a_.index(depth_), a_.index(width_)});
    scores_ = scratch("scores", {keys, pitch});
    largest_ = scratch("largest", {pitch});
    total_ = scratch("total", {pitch});
    fading_ = scratch("fading", {pitch});
    sums_ = scratch("sums", {pitch, a_.index(sum_panels_ * sum_width_)});
    if (!p_.unit_value)
      values_ = scratch("values", {online_ ? a_.index(keys_per_block_) : p_.keys(), a_.index(columns_)});
  }
  // A block's last tile of keys ends with it; where it begins before the block, it has room for that.
  std::int64_t before() const { return online_ ? score_tile_.rows : 0; }

  // What no query of the block sees is not looked at.
  expr_ref keys_seen() {
    if (!p_.causal) return p_.keys();
    const expr_ref row_end = p_.rows_see_more ? a_.add(first_, present_) : a_.index(1);
    const expr_ref end = a_.add(row_end, p_.causal);
    return a_.max(a_.index(0), a_.min(p_.keys(), end));
  }

  // By tiles transposed in registers where the depth lies dense; what the block does not fill is 0.
  stmt_ref transpose_queries() {
    const expr_ref i = a_.fresh_variable(), rest = a_.fresh_variable();
    const auto element = [&](expr_ref d, expr_ref lane) {
      bindings b{{p_.dot->loop_variable(0), d}};
      bind_row(b, lane);
      return put(queries_buffer_, {d, lane}, a_.cast(type_, placed(p_.query.value, b)));
    };
    std::vector<stmt_ref> list;
    const extent_t tiles = depth_ / lanes_;
    if (tiles > 0) {
      const expr_ref tile = a_.fresh_variable(), u = a_.fresh_variable();
      const stmt_ref one = element(a_.add(a_.mul(tile, a_.index(lanes_)), u), i);
      list.push_back(over(tile, a_.index(0), a_.index(tiles),
                          make_stmt(loop{u, a_.index(0), a_.index(lanes_), loop_kind::unrolled, 1, one})));
    }
    if (tiles * lanes_ < depth_)
      list.push_back(over(rest, a_.index(tiles * lanes_), a_.index(depth_), element(rest, i)));
    const stmt_ref present = across(i, a_.index(0), present_, make_block(std::move(list)));
    const expr_ref d = a_.fresh_variable(), j = a_.fresh_variable();
    const expr_ref zero = a_.constant(type_, 0), width = a_.index(width_);
    const stmt_ref nothing =
        over(d, a_.index(0), a_.index(depth_), across(j, present_, width, put(queries_buffer_, {d, j}, zero)));
    return make_block({present, make_stmt(branch{a_.less(present_, width), nothing, nullptr})});
  }
  stmt_ref start() {
    const expr_ref i = a_.fresh_variable(), j = a_.fresh_variable(), e = a_.fresh_variable();
    const expr_ref zero = a_.constant(type_, 0), none = a_.index(0);
    return make_block(
        {across(i, none, a_.index(width_), make_block({put(largest_, {i}, lowest()), put(total_, {i}, zero)})),
         over(j, none, a_.index(pitch_),
              across(e, none, a_.index(sum_panels_ * sum_width_), put(sums_, {j, e}, zero)))});
  }
  // Finite: a row that has seen nothing but -infinity fades by exp(0).
  expr_ref lowest() {
    return a_.constant(type_, type_ == f64 ? std::numeric_limits<double>::lowest()
                                           : static_cast<double>(std::numeric_limits<float>::lowest()));
  }

  // ---- few queries
  // Both operands lie dense along the depth, and a block of queries would have more lanes without one than with.
  bool goes_along_depth() {
    const expr_ref d = p_.dot->loop_variable(0);
    return queries_ * 3 <= lanes_ && depth_ * 2 > lanes_ && p_.unit_value &&
           stride_bytes(p_.key, d) == size_of(p_.key.load->type) &&
           stride_bytes(p_.query, d) == size_of(p_.query.load->type);
  }
  stmt_ref one_query(expr_ref seen) {
    scores_ = c_.kernel.add_buffer("scores", type_, scope::scratch, {p_.keys()});
    const auto local = [&](const char* name) { return c_.kernel.add_buffer(name, type_, scope::local, {}); };
    const std::int64_t best = local("best"), total = local("sum"), e = local("e"), result = local("acc");
    const expr_ref none = a_.index(0), s = a_.fresh_variable(), t = a_.fresh_variable(), k = a_.fresh_variable(),
                   column = a_.fresh_variable(), yes = a_.boolean(true), zero = a_.constant(type_, 0);
    std::vector<stmt_ref> list{dot_products(seen), make_stmt(declare{best}), put(best, {}, lowest())};
    list.push_back(across(s, none, seen, make_stmt(update{reducer::max, best, {}, load(scores_, {s}), yes})));
    const expr_ref shift = placed(shift_of(load(best, {})), {});
    list.push_back(make_stmt(declare{total}));
    list.push_back(put(total, {}, zero));
    list.push_back(across(
        t, none, seen,
        make_block({make_stmt(declare{e}), put(e, {}, a_.apply(prim::exp, a_.sub(load(scores_, {t}), shift))),
                    put(scores_, {t}, load(e, {})), make_stmt(update{reducer::sum, total, {}, load(e, {}), yes})})));
    bindings b{{axis(p_.column).variable, column}};
    bind_row(b, none);
    const auto with = [&](expr_ref of, expr_ref what, expr_ref by) {
      return a_.rewrite(of, [&](expr_ref x) { return x == what ? by : nullptr; });
    };
    const expr_ref normal = placed(with(p_.normal, p_.total, load(total, {})), b);
    const expr_ref value = placed(with(c_.value, p_.result, a_.mul(load(result, {}), normal)), b);
    std::vector<expr_ref> at;
    for (const computation::axis& x : c_.axes) at.push_back(placed(x.variable, b));
    b.emplace_back(p_.key_variable(), k);
    const expr_ref product = a_.mul(load(scores_, {k}), a_.cast(type_, placed(p_.value.value, b)));
    const stmt_ref sum = over(k, none, seen, make_stmt(update{reducer::sum, result, {}, product, yes}));
    // Vectors side by side hide each other's latency.
    const int vectors = columns_ >= 4 * lanes_ ? 4 : columns_ >= 2 * lanes_ ? 2 : 1;
    list.push_back(across(
        column, none, a_.index(columns_),
        make_block({make_stmt(declare{result}), put(result, {}, zero), sum, put(c_.output, std::move(at), value)}),
        vectors));
    return make_block(std::move(list));
  }
  // Some keys side by side: the end of one sum hides behind the others. The last tile ends with the last key.
  stmt_ref dot_products(expr_ref seen) {
    const int height = c_.at_least(p_.keys()) >= 4 ? 4 : 1;
    const expr_ref tile = a_.fresh_variable(), d = a_.fresh_variable();
    const expr_ref last = a_.sub(a_.max(seen, a_.index(height)), a_.index(height));
    const expr_ref first = a_.min(a_.mul(tile, a_.index(height)), last);
    std::vector<stmt_ref> list, sums, stores;
    for (int u = 0; u < height; ++u) {
      const std::int64_t acc = c_.kernel.add_buffer("dot" + std::to_string(u), type_, scope::local, {});
      const expr_ref key = a_.add(first, a_.index(u));
      bindings b{{p_.key_variable(), key}, {p_.dot->loop_variable(0), d}};
      bind_row(b, a_.index(0));
      const auto wide = [&](const attention::operand& o) { return a_.cast(type_, placed(o.value, b)); };
      list.push_back(make_stmt(declare{acc}));
      list.push_back(put(acc, {}, a_.constant(type_, 0)));
      sums.push_back(make_stmt(update{reducer::sum, acc, {}, a_.mul(wide(p_.query), wide(p_.key)), a_.boolean(true)}));
      const expr_ref score = a_.rewrite(p_.score, [&](expr_ref x) { return x == p_.dot ? load(acc, {}) : nullptr; });
      stores.push_back(put(scores_, {key}, placed(score, b)));
    }
    list.push_back(across(d, a_.index(0), a_.index(depth_), make_block(std::move(sums))));
    list.insert(list.end(), stores.begin(), stores.end());
    return over(tile, a_.index(0), blocks(seen, height), make_block(std::move(list)));
  }

  stmt_ref block_of_keys(expr_ref begin, expr_ref end) {
    std::vector<stmt_ref> list{scores(begin, end), softmax(begin, end)};
    if (!p_.unit_value) list.push_back(copy_values(begin, end));
    list.push_back(weighted_sums(begin, end));
    return make_block(std::move(list));
  }
  // Where the score of a key lies.
  expr_ref at_key(expr_ref key, expr_ref begin) { return a_.add(a_.sub(key, begin), a_.index(before())); }

  stmt_ref scores(expr_ref begin, expr_ref end) {
    const int height = score_tile_.rows;
    const expr_ref tile = a_.fresh_variable(), panel = a_.fresh_variable(), d = a_.fresh_variable();
    const expr_ref last = a_.sub(a_.max(end, a_.index(height)), a_.index(height));
    const expr_ref first = a_.min(a_.add(begin, a_.mul(tile, a_.index(height))), last);
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height;
    t.tile_columns = score_width_;
    t.accumulator = a_.fresh_accumulator(type_);
    t.reduction.push_back({d, a_.index(depth_)});
    const expr_ref key = a_.add(first, t.row), i = a_.add(a_.mul(panel, a_.index(score_width_)), t.column);
    bindings b{{p_.key_variable(), key}, {p_.dot->loop_variable(0), d}};
    t.a = placed(p_.key.value, b);
    t.b = load(queries_buffer_, {d, i});
    bind_row(b, i);
    t.value = placed(a_.rewrite(p_.score, [&](expr_ref e) { return e == p_.dot ? t.accumulator : nullptr; }), b);
    // A mask has no rows behind the last query.
    t.columns = reads_rows(t.value, t.column)
                    ? a_.min(a_.index(score_width_), a_.sub(present_, a_.mul(panel, a_.index(score_width_))))
                    : a_.index(score_width_);
    t.buffer = scores_;
    t.indices = {at_key(key, begin), i};
    const stmt_ref panels = over(panel, a_.index(0), a_.index(score_panels_), make_stmt(std::move(t)));
    return over(tile, a_.index(0), blocks(a_.sub(end, begin), height), panels);
  }
  static bool reads_rows(expr_ref value, expr_ref row) {
    return contains(
        value, [&](expr_ref e) { return e->is(expr_kind::load) && contains(e, [&](expr_ref x) { return x == row; }); });
  }

  expr_ref shift_of(expr_ref largest) {
    return a_.rewrite(p_.shift, [&](expr_ref e) { return e == p_.largest ? largest : nullptr; });
  }
  stmt_ref softmax(expr_ref begin, expr_ref end) {
    const auto local = [&](const char* name) { return c_.kernel.add_buffer(name, type_, scope::local, {}); };
    const std::int64_t best = local("best"), sum = local("sum"), e = local("e");
    const expr_ref i = a_.fresh_variable(), s = a_.fresh_variable(), t = a_.fresh_variable(), yes = a_.boolean(true);
    const expr_ref shift = placed(shift_of(load(best, {})), {});
    std::vector<stmt_ref> list{make_stmt(declare{best}), make_stmt(declare{sum})};
    list.push_back(put(best, {}, online_ ? load(largest_, {i}) : lowest()));
    list.push_back(
        over(s, begin, end, make_stmt(update{reducer::max, best, {}, load(scores_, {at_key(s, begin), i}), yes})));
    if (online_) {
      list.push_back(put(fading_, {i}, a_.apply(prim::exp, a_.sub(placed(shift_of(load(largest_, {i})), {}), shift))));
      list.push_back(put(largest_, {i}, load(best, {})));
    }
    list.push_back(put(sum, {}, online_ ? a_.mul(load(total_, {i}), load(fading_, {i})) : a_.constant(type_, 0)));
    const expr_ref score = load(scores_, {at_key(t, begin), i});
    list.push_back(over(t, begin, end,
                        make_block({make_stmt(declare{e}), put(e, {}, a_.apply(prim::exp, a_.sub(score, shift))),
                                    put(scores_, {at_key(t, begin), i}, load(e, {})),
                                    make_stmt(update{reducer::sum, sum, {}, load(e, {}), yes})})));
    list.push_back(put(total_, {i}, load(sum, {})));
    // Two vectors hide each other's latency.
    return across(i, a_.index(0), a_.index(width_), make_block(std::move(list)), width_ % (2 * lanes_) == 0 ? 2 : 1);
  }

  // Values that lie the other way.
  stmt_ref copy_values(expr_ref begin, expr_ref end) {
    const expr_ref s = a_.fresh_variable(), e = a_.fresh_variable();
    const expr_ref value =
        placed(p_.value.value, {{p_.key_variable(), a_.add(begin, s)}, {axis(p_.column).variable, e}});
    return over(s, a_.index(0), a_.sub(end, begin),
                across(e, a_.index(0), a_.index(columns_), put(values_, {s, e}, a_.cast(type_, value))));
  }
  stmt_ref weighted_sums(expr_ref begin, expr_ref end) {
    const int height = sum_tile_.rows;
    const expr_ref tile = a_.fresh_variable(), panel = a_.fresh_variable(), s = a_.fresh_variable();
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height;
    t.tile_columns = static_cast<int>(std::min<extent_t>(columns_, sum_width_));
    t.accumulator = a_.fresh_accumulator(type_);
    t.reduction.push_back({s, a_.sub(end, begin)});
    const expr_ref i = a_.add(a_.mul(tile, a_.index(height)), t.row), first = a_.mul(panel, a_.index(sum_width_));
    const expr_ref e = a_.add(first, t.column);
    t.columns = columns_ % t.tile_columns == 0 ? a_.index(t.tile_columns)
                                               : a_.min(a_.index(t.tile_columns), a_.sub(a_.index(columns_), first));
    t.a = load(scores_, {a_.add(s, a_.index(before())), i});
    t.b = p_.unit_value ? placed(p_.value.value, {{p_.key_variable(), a_.add(begin, s)}, {axis(p_.column).variable, e}})
                        : load(values_, {s, e});
    t.buffer = sums_;
    t.indices = {i, e};
    t.value = online_ ? a_.add(a_.mul(load(sums_, {i, e}), load(fading_, {i})), t.accumulator) : t.accumulator;
    const stmt_ref panels = over(panel, a_.index(0), a_.index(sum_panels_), make_stmt(std::move(t)));
    return over(tile, a_.index(0), a_.index(ceil_div(rows_, height)), panels);
  }

  stmt_ref finish() {
    // What the rows are multiplied by, side by side.
    const expr_ref lane = a_.fresh_variable(), i = a_.fresh_variable(), e = a_.fresh_variable();
    bindings b;
    bind_row(b, lane);
    const expr_ref normal =
        placed(a_.rewrite(p_.normal, [&](expr_ref x) { return x == p_.total ? load(total_, {lane}) : nullptr; }), b);
    const stmt_ref factors = across(lane, a_.index(0), present_, put(fading_, {lane}, normal));
    b = {{axis(p_.column).variable, e}};
    bind_row(b, i);
    const expr_ref product = a_.mul(load(sums_, {i, e}), load(fading_, {i}));
    const expr_ref value =
        placed(a_.rewrite(c_.value, [&](expr_ref x) { return x == p_.result ? product : nullptr; }), b);
    std::vector<expr_ref> at;
    for (const computation::axis& x : c_.axes) at.push_back(placed(x.variable, b));
    const stmt_ref row = across(e, a_.index(0), a_.index(columns_), put(c_.output, std::move(at), value));
    return make_block({factors, over(i, a_.index(0), present_, row)});
  }

  computation& c_;
  expr_arena& a_;
  const attention& p_;
  const machine_model& m_;
  dtype type_;
  int lanes_ = 1;
  bool online_ = false;  // several blocks of keys
  extent_t queries_ = 1, keys_ = 1, depth_ = 1, columns_ = 1;
  extent_t keys_per_block_ = 1;
  int rows_ = 1;  // queries of a block
  register_tile score_tile_, sum_tile_;
  int score_width_ = 1, score_panels_ = 1, sum_width_ = 1, sum_panels_ = 1;
  extent_t width_ = 1, pitch_ = 1;  // of a key's scores: computed, and in memory
  std::int64_t queries_buffer_ = 0, scores_ = 0, largest_ = 0, total_ = 0, fading_ = 0, sums_ = 0, values_ = 0;
  expr_ref first_ = nullptr, present_ = nullptr;  // of the block's queries: the first, how many there are
  bindings at_;                                   // the batch
};

}  // namespace

bool schedule_attention(computation& c, const machine_model& m, launch& l) {
  const auto p = match_attention(c);
  if (!p || c.grows(p->dot->loop_extent(0)) || c.grows(c.axes[static_cast<std::size_t>(p->column)].extent))
    return false;
  builder b(c, *p, m);
  c.kernel.body = b.build();
  l.nanoseconds = b.nanoseconds();
  return true;
}

}  // namespace tenon::scheduling
