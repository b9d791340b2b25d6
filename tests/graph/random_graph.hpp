// Random graphs of all operators, made by their own rules: operands and attributes are drawn until the shape rule and
// the type rule take them. The same seed gives the same graph.
#pragma once
#include <algorithm>
#include <boost/hana/for_each.hpp>
#include <functional>
#include <random>
#include <source_location>
#include <string>
#include <vector>

#include "graph/op_def.hpp"
#include "ops/all.hpp"
#include "ops/leaf.hpp"
#include "run_graph.hpp"

namespace tenon::test {

using generator = std::mt19937_64;
inline int below(generator& r, int n) { return static_cast<int>(r() % static_cast<unsigned>(n)); }
inline bool chance(generator& r, int percent) { return below(r, 100) < percent; }
template <class T>
const T& one_of(generator& r, const std::vector<T>& v) {
  return v[static_cast<std::size_t>(below(r, static_cast<int>(v.size())))];
}

/// Fills the fields of attributes for operands like `x`.
class attribute_filler {
 public:
  attribute_filler(generator& r, const dims& x)
      : random_(r), x_(x), lists_(1 + below(r, std::max(1, std::min(x.rank, 3)))) {
    if (x.rank > 2 && chance(r, 70)) lists_ = x.rank - 2;  // of spatial axes
  }

  void operator()(std::string_view name, int& f) {
    if (name == "axis")
      f = x_.rank == 0 ? 0 : below(random_, 2 * x_.rank) - x_.rank;
    else if (name == "groups")
      f = chance(random_, 50) || x_.rank < 2 ? 1 : chance(random_, 50) ? 2 : static_cast<int>(x_[1]);
    else
      f = 1 + below(random_, 4);
  }
  void operator()(std::string_view, bool& f) { f = chance(random_, 50); }
  void operator()(std::string_view name, double& f) { f = name == "epsilon" ? 1e-3 : (below(random_, 65) - 32) / 16.0; }
  void operator()(std::string_view, dtype& f) { f = static_cast<dtype>(below(random_, static_cast<int>(any_dtype))); }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(std::string_view, E& f) {
    f = static_cast<E>(below(random_, names_of(E{}).n));
  }
  void operator()(std::string_view name, reals& f) {  // of resize
    static const std::vector<double> scales = {0.5, 0.75, 1, 1, 2, 2.5};
    f = {};
    for (int d = 0; name == "scale" && d < x_.rank; ++d) f.v[f.size++] = one_of(random_, scales);
  }
  void operator()(std::string_view, einsum_attrs& f) {
    static const std::vector<const char*> specs = {"ij,jk->ik", "ij,kj->ik",   "bij,bjk->bik", "ij->ji",
                                                   "ij->i",     "i,j->ij",     "ij,j->i",      "bij,bkj->bik",
                                                   "ij,ij->ij", "bhi,bhj->bij"};
    f = einsum_attrs(one_of(random_, specs));
  }
  void operator()(std::string_view name, ints& f) {
    f = {};
    if (name == "axes") {
      std::vector<int> order;
      for (int d = 0; d < x_.rank; ++d) order.push_back(d);
      std::shuffle(order.begin(), order.end(), random_);
      const int n = chance(random_, 20) ? 0 : chance(random_, 50) ? x_.rank : lists_;
      for (int i = 0; i < std::min(n, x_.rank); ++i) push(f, order[i] - (chance(random_, 30) ? x_.rank : 0));
    } else if (name == "before" || name == "after") {
      for (int d = 0; d < x_.rank; ++d) push(f, below(random_, 3));
    } else if (name == "repeats") {
      for (int d = 0; d < x_.rank; ++d) push(f, 1 + below(random_, 2));
    } else if (name == "functions") {
      // what the operator has without them
    } else if (name == "window") {
      for (int d = 0; d < lists_; ++d) push(f, 1 + below(random_, 3));
    } else if (name == "padding") {
      if (chance(random_, 50))
        for (int d = 0; d < lists_ * (1 + below(random_, 2)); ++d) push(f, below(random_, 3));
    } else if (name == "stride" || name == "dilation") {
      if (chance(random_, 50))
        for (int d = 0; d < lists_; ++d) push(f, 1 + below(random_, 2));
    } else if (name == "step") {
      if (chance(random_, 40))
        for (int d = 0; d < lists_; ++d) push(f, chance(random_, 30) ? -1 - below(random_, 2) : 1 + below(random_, 2));
    } else {
      for (int d = 0; d < lists_; ++d)
        push(f, name == "stop" && chance(random_, 40) ? slice_end : below(random_, 13) - 4);
    }
  }
  void operator()(std::string_view, dims& f) {
    f = {};
    if (chance(random_, 50)) {  // the same elements in other extents
      extent_t left = x_.count();
      for (int d = 0; d < 3 && left > 1; ++d)
        for (const extent_t e : {7, 5, 4, 3, 2})
          if (left % e == 0 && chance(random_, 50)) {
            f.push_back(e);
            left /= e;
            break;
          }
      f.push_back(chance(random_, 30) ? dyn : left);
    } else {
      for (int d = below(random_, 2); d > 0 && x_.rank < dims::max_rank; --d) f.push_back(1 + below(random_, 3));
      for (const extent_t e : x_) f.push_back(e == 1 ? 1 + below(random_, 4) : e);
    }
    if (f.rank > 5) f = x_;
  }

 private:
  static void push(ints& l, int v) {
    if (l.size < ints::capacity) l.v[l.size++] = v;
  }
  generator& random_;
  const dims& x_;
  int lists_;
};

/// An operator with what the generator asks of its struct.
struct drawn_operator {
  const ir::op_def* def;
  dtype (*operand_type)(int k, dtype main);
  ir::attrs_ref (*attributes)(generator&, const dims& x);
};
inline const std::vector<drawn_operator>& drawn_operators() {
  static const std::vector<drawn_operator> all = [] {
    std::vector<drawn_operator> r;
    boost::hana::for_each(ir::operator_types, [&](auto type) {
      using Op = typename decltype(type)::type;
      r.push_back({&detail::definition<Op>(), [](int k, dtype main) { return Op::operand_type(k, main); },
                   [](generator& g, const dims& x) -> ir::attrs_ref {
                     auto a = std::make_shared<typename Op::attrs>();
                     Op::attrs::fields(*a, attribute_filler(g, x));
                     return a;
                   }});
    });
    return r;
  }();
  return all;
}

class graph_maker {
 public:
  explicit graph_maker(std::uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15U + 1), seed_(seed) {}
  /// Whether its graph ends with a depthwise convolution and a pointwise one.
  static bool is_separable(std::uint64_t seed) { return seed % 8 == 4; }

  ir::graph make() {
    const auto& ops = drawn_operators();
    insist(ops[seed_ % ops.size()]);  // each operator is the first of its share of the graphs
    for (int i = 0; i < 2; ++i) insist(*one_of(random_, rare_operators()));
    const int wanted = 8 + below(random_, 8);
    for (int tries = 0; nodes_ < wanted && tries < 200; ++tries)
      if (chance(random_, 6))
        normalised();
      else if (chance(random_, 6))
        moved_twice();
      else if (chance(random_, 8))
        weighted();
      else
        add(one_of(random_, ops), 60);
    if (is_separable(seed_)) separable();
    if (seed_ % 8 == 6) shortened();
    ir::graph g;
    g.inputs = inputs_;
    for (const auto& v : pool_)
      if (std::ranges::none_of(used_, [&](const auto& u) { return u == v; })) g.outputs.push_back(v);
    if (chance(random_, 30)) {
      const auto& shared = one_of(random_, pool_);
      if (std::ranges::find(g.outputs, shared) == g.outputs.end()) g.outputs.push_back(shared);
    }
    return g;
  }

 private:
  static constexpr extent_t most_elements = 3000;
  // After the first of them shapes are plainer.
  static constexpr int most_attempts = 200'000, soon_plain = 300;

  // Operators whose rules seldom take what is drawn: chosen as others are, they would hardly be seen.
  static const std::vector<const drawn_operator*>& rare_operators() {
    static const std::vector<const drawn_operator*> rare = [] {
      std::vector<const drawn_operator*> r;
      for (const drawn_operator& op : drawn_operators()) {
        int taken = 0;
        for (std::uint64_t seed = 0; seed < 300; ++seed) taken += graph_maker(seed).add(op, 1);
        if (taken < 24) r.push_back(&op);
      }
      return r;
    }();
    return rare;
  }

  static const loc here() { return std::source_location::current(); }

  dims shape() {
    static const std::vector<extent_t> extents = {1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33};
    dims d;
    const int rank = chance(random_, 5) ? 0 : 1 + below(random_, chance(random_, 20) ? 5 : 4);
    for (int i = 0; i < rank; ++i) d.push_back(chance(random_, 1) ? 0 : one_of(random_, extents));
    while (d.count() > most_elements) d[below(random_, d.rank)] = 2;
    return d;
  }
  // Of few kinds and extents: operands that must agree in many places do so sooner.
  dims plain_shape(const dims& x) {
    static const std::vector<extent_t> extents = {1, 1, 2, 2, 4, 4, 3};
    dims d;
    if (chance(random_, x.rank > 0 ? 40 : 15)) {
      if (chance(random_, 70)) d.push_back(chance(random_, 70) ? 1 : one_of(random_, extents));
      return d;
    }
    const int rank = x.rank > 0 && chance(random_, 60) ? x.rank : 1 + below(random_, 5);
    for (int i = 0; i < rank; ++i) d.push_back(i < x.rank && chance(random_, 30) ? x[i] : one_of(random_, extents));
    return d;
  }
  // Extents that an operand beside x may have.
  dims beside(const dims& x, const dims& previous) {
    if (chance(random_, 40)) return previous;
    dims d;
    const std::vector<int> ranks = {x.rank, x.rank, 1, 2, x.rank + 1, x.rank - 1};
    const int rank = std::clamp(one_of(random_, ranks), 0, 5);
    for (int i = 0; i < rank; ++i) {
      const int at = x.rank - rank + i;
      if (chance(random_, 45) && at >= 0)
        d.push_back(x[at]);
      else if (chance(random_, 60) && x.rank > 0)
        d.push_back(x[below(random_, x.rank)]);
      else
        d.push_back(1 + below(random_, 4));
    }
    return d;
  }
  dtype type() {
    if (!pool_.empty() && chance(random_, 75)) return one_of(random_, pool_)->type.element;
    return chance(random_, 60) ? f32 : static_cast<dtype>(below(random_, static_cast<int>(any_dtype)));
  }

  // A value of the pool, or an empty reference.
  detail::node_ref known(const ir::value_type* exact, dtype t) {
    std::vector<detail::node_ref> fits;
    for (const auto& v : pool_)
      if (exact ? v->type == *exact : v->type.element == t) fits.push_back(v);
    return fits.empty() ? detail::node_ref() : one_of(random_, fits);
  }
  detail::node_ref leaf(const ir::value_type& t) {
    if (chance(random_, 70)) {
      inputs_.push_back(ir::make_input("x" + std::to_string(inputs_.size()), t.element, t.shape, here()));
      return inputs_.back();
    }
    return constant(t, chance(random_, 30));
  }
  detail::node_ref constant(const ir::value_type& t, bool uniform) {
    data d = filled(t.element, t.shape, static_cast<std::uint32_t>(random_()));
    if (uniform) {
      const double value = chance(random_, 40) ? 1 : chance(random_, 60) ? 0 : 1 + below(random_, 3);
      for (extent_t i = 0; i < d.get().size; ++i) set_element(d, i, value);
    }
    static const char nothing = 0;
    return ir::make_constant(t.element, t.shape, d.get().data ? d.get().data : &nothing, here());
  }

  void insist(const drawn_operator& op) {
    if (is_recurrent(*op.def))
      recurrent(*op.def);
    else if (op.def != &detail::definition<ops::narrow_op>())  // its result has no extent before it runs
      add(op, most_attempts);
  }
  static bool is_recurrent(const ir::op_def& d) {
    return &d == &detail::definition<ops::rnn_op>() || &d == &detail::definition<ops::gru_op>() ||
           &d == &detail::definition<ops::lstm_op>();
  }
  // Of a recurrent layer so many operands must agree that drawing them one by one leads nowhere. Of more than 16 steps
  // it is a loop, which the reference does not know.
  void recurrent(const ir::op_def& d) {
    const bool lstm = &d == &detail::definition<ops::lstm_op>(), gru = &d == &detail::definition<ops::gru_op>();
    const extent_t gates = lstm  ? 4
                           : gru ? 3
                                 : 1,
                   hidden = 1 + below(random_, 4), inputs = 1 + below(random_, 5), batch = 1 + below(random_, 3),
                   length = 1 + below(random_, 6);
    recurrent_attrs a;
    a.direction = static_cast<recurrent_direction>(below(random_, names_of(recurrent_direction{}).n));
    a.batch_first = chance(random_, 30);
    a.linear_before_reset = gru && chance(random_, 50);
    a.input_forget = lstm && chance(random_, 20);
    if (chance(random_, 20)) a.clip = 0.5;
    const extent_t ways = a.direction == recurrent_direction::bidirectional ? 2 : 1;
    const dims state = a.batch_first ? dims{batch, ways, hidden} : dims{ways, batch, hidden};
    std::vector<dims> shapes{a.batch_first ? dims{batch, length, inputs} : dims{length, batch, inputs},
                             {ways, gates * hidden, inputs},
                             {ways, gates * hidden, hidden},
                             {ways, 2 * gates * hidden},
                             state};
    if (lstm) shapes.insert(shapes.end(), {state, {ways, 3 * hidden}});
    const dtype t = chance(random_, 70) ? f32 : f64;
    std::vector<detail::node_ref> operands;
    for (const dims& s : shapes)
      if (operands.size() < 3 || operands.size() < shapes.size() - static_cast<std::size_t>(below(random_, 4)))
        operands.push_back(leaf({t, s}));
      else
        break;
    of(d, std::make_shared<recurrent_attrs>(a), operands);
  }
  // A node of `op`, whose operand 0 is `first` where one is given; whether its rules took one.
  bool add(const drawn_operator& op, int attempts, const detail::node_ref& first = {}) {
    const ir::op_def& def = *op.def;
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const int n =
          def.min_operands + below(random_, std::min(def.max_operands, def.min_operands + 2) - def.min_operands + 1);
      const dtype main = first                  ? first->type.element
                         : attempt < soon_plain ? type()
                                                : static_cast<dtype>(below(random_, static_cast<int>(any_dtype)));
      std::vector<dtype> types;
      std::vector<dims> shapes;
      std::vector<detail::node_ref> operands;
      for (int k = 0; k < n; ++k) {
        types.push_back(op.operand_type(k, main));
        if (types.back() == any_dtype) types.back() = main;
        detail::node_ref v = first && k == 0 && first->type.element == types.back()      ? first
                             : attempt < soon_plain && chance(random_, k == 0 ? 80 : 35) ? known(nullptr, types.back())
                                                                                         : detail::node_ref();
        shapes.push_back(v                       ? v->type.shape
                         : attempt >= soon_plain ? plain_shape(k == 0 ? dims{} : shapes.front())
                         : k == 0                ? shape()
                                                 : beside(shapes.front(), shapes.back()));
        operands.push_back(std::move(v));
      }
      const dims x = n ? shapes.front() : shape();
      const ir::attrs_ref attrs = op.attributes(random_, x);
      const detail::type_outcome t = def.types(attrs.get(), {types.data(), n});
      if (!t.ok) continue;
      const detail::outcome s = def.shape(attrs.get(), {shapes.data(), n});
      if (!s.ok || !s.out.is_static() || s.out.count() > most_elements) continue;
      for (int k = 0; k < n; ++k) {
        const ir::value_type exact{types[static_cast<std::size_t>(k)], shapes[static_cast<std::size_t>(k)]};
        auto& o = operands[static_cast<std::size_t>(k)];
        if (!o && chance(random_, 30)) o = known(&exact, exact.element);
        if (!o) o = leaf(exact);
      }
      keep(ir::make_node(def, attrs, operands, here()), operands);
      return true;
    }
    return false;
  }
  void keep(const detail::node_ref& made, const std::vector<detail::node_ref>& operands) {
    ++nodes_;
    used_.insert(used_.end(), operands.begin(), operands.end());
    for (int i = 0; i < made->results(); ++i) pool_.push_back(ir::make_result(made, i, here()));
    if (made->results() > 1) used_.push_back(made);
  }
  // A movement of a movement by the same operator: what passes merge into one.
  void moved_twice() {
    static const std::vector<drawn_operator> movements = [] {
      std::vector<drawn_operator> r;
      std::ranges::copy_if(drawn_operators(), std::back_inserter(r),
                           [](const drawn_operator& o) { return o.def->kind == ops::op_kind::movement; });
      return r;
    }();
    const drawn_operator& op = one_of(random_, movements);
    if (add(op, 60)) add(op, 60, pool_.back());
  }
  // Two reductions over one axis and maps between them, as every norm has them.
  void normalised() {
    std::vector<detail::node_ref> floats;
    for (const auto& v : pool_)
      if (is_float(v->type.element) && v->type.shape.rank > 0 && v->type.shape.count() > 0) floats.push_back(v);
    if (floats.empty()) return;
    const auto x = one_of(random_, floats);
    const ir::attrs_ref over = std::make_shared<reduce_attrs>(reduce_attrs{
        .axes = {chance(random_, 70) ? x->type.shape.rank - 1 : below(random_, x->type.shape.rank)}, .keep = true});
    const auto reduced = [&](const detail::node_ref& v) {
      return of(chance(random_, 50)   ? detail::definition<ops::mean_op>()
                : chance(random_, 50) ? detail::definition<ops::max_op>()
                                      : detail::definition<ops::sum_op>(),
                over, {v});
    };
    const auto centred = of<ops::sub_op>({x, reduced(x)});
    const auto changed = chance(random_, 50) ? of<ops::mul_op>({centred, centred}) : of<ops::exp_op>({centred});
    of<ops::mul_op>({changed, reduced(changed)});
  }
  // Products with constant weights, one or two of one operand, and constant scales and sums around them: layers.
  void weighted() {
    const dtype t = chance(random_, 80) ? f32 : f64;
    const bool conv = chance(random_, 40), twice = chance(random_, 30);
    const extent_t in = 1 + below(random_, 6), side = 3 + below(random_, 4);
    const dims features = conv ? dims{in, 1, 1} : dims{in};
    auto x = leaf({t, conv ? dims{1 + below(random_, 2), in, side, side + 1} : dims{1 + below(random_, 7), in}});
    if (chance(random_, 40)) x = of<ops::mul_op>({x, constant({t, features}, chance(random_, 20))});
    for (int k = 0; k < (twice ? 2 : 1); ++k) {
      const extent_t out = 1 + below(random_, 9), size = 1 + below(random_, 3);
      const dims weights = conv ? dims{out, in, size, size} : dims{in, out}, each = conv ? dims{out, 1, 1} : dims{out};
      const std::vector<detail::node_ref> o{x, constant({t, weights}, false)};
      auto y =
          conv ? of(detail::definition<ops::conv2d_op>(), std::make_shared<conv_attrs>(), o) : of<ops::matmul_op>(o);
      for (int after = below(random_, 4); after > 0; --after) {
        const auto c = constant({t, chance(random_, 20) ? dims{} : each}, chance(random_, 20));
        const int what = below(random_, 6);
        y = what < 2   ? of<ops::add_op>({y, c})
            : what < 4 ? of<ops::mul_op>({y, c})
            : what < 5 ? of<ops::sub_op>({y, c})
                       : of<ops::div_op>({y, c});
      }
    }
  }
  // A depthwise convolution and a pointwise one, with constant weights and maps behind each, as MobileNets have them;
  // what reads them last takes values whose channels lie side by side.
  void separable() {
    const dtype t = chance(random_, 80) ? f32 : f64;
    const extent_t channels = 3 + below(random_, 20), out = 1 + below(random_, 20);
    const dims shape{1 + below(random_, 2), channels, 2 + below(random_, 7), 3 + below(random_, 8)};
    auto y = of<ops::relu_op>({leaf({t, shape})});
    const auto convolved = [&](const conv_attrs& a, const dims& weights) {
      y = of(detail::definition<ops::conv2d_op>(), std::make_shared<conv_attrs>(a), {y, constant({t, weights}, false)});
      for (int after = below(random_, 3); after > 0; --after) {
        const auto c = chance(random_, 20) ? leaf(y->type) : constant({t, dims{weights[0], 1, 1}}, false);
        y = chance(random_, 30)   ? of<ops::relu_op>({y})
            : chance(random_, 60) ? of<ops::add_op>({y, c})
                                  : of<ops::mul_op>({y, c});
      }
    };
    const extent_t height = 1 + below(random_, 3), width = 1 + below(random_, 3);
    const auto either = [&] { return 1 + below(random_, 2); };
    convolved({.stride = {either(), either()},
               .padding = {static_cast<int>(height) - 1, static_cast<int>(width) - 1},
               .dilation = {1, 1},
               .groups = static_cast<int>(channels)},
              {channels, 1, height, width});
    convolved({}, {out, channels, 1, 1});
    if (chance(random_, 70))
      of(detail::definition<ops::transpose_op>(),
         std::make_shared<transpose_attrs>(transpose_attrs{.axes = {0, 2, 3, 1}}), {y});
    else
      of(detail::definition<ops::mean_op>(), std::make_shared<reduce_attrs>(reduce_attrs{.axes = {2, 3}}), {y});
  }
  // An input by way of a shorter float: what that rounds off stays off.
  void shortened() {
    const auto cast = [&](const detail::node_ref& x, dtype to) {
      return of(detail::definition<ops::cast_op>(), std::make_shared<cast_attrs>(cast_attrs{.to = to}), {x});
    };
    const auto x = leaf({chance(random_, 80) ? f32 : f64, shape()});
    const auto y = cast(cast(x, chance(random_, 50) ? f16 : bf16), x->type.element);
    if (chance(random_, 50)) of<ops::add_op>({y, leaf(y->type)});
  }
  detail::node_ref of(const ir::op_def& d, ir::attrs_ref a, const std::vector<detail::node_ref>& o) {
    auto n = ir::make_node(d, std::move(a), o, here());
    keep(n, o);
    return n;
  }
  template <class Op>
  detail::node_ref of(const std::vector<detail::node_ref>& o) {
    return of(detail::definition<Op>(), std::make_shared<typename Op::attrs>(), o);
  }

  generator random_;
  std::uint64_t seed_;
  std::vector<detail::node_ref> inputs_, pool_, used_;
  int nodes_ = 0;
};

}  // namespace tenon::test
