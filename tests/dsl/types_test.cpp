// The types that programs get, and the lines that operators record.
#include <doctest/doctest.h>

#include <tenon/tenon.hpp>
#include <vector>

#include "graph/node.hpp"
#include "graph/op_def.hpp"

using namespace tenon;

namespace {

template <class A, class B>
inline constexpr bool same = std::is_same_v<std::remove_cv_t<A>, std::remove_cv_t<B>>;

struct dense {
  param weight, bias;
  dense(std::string n, extent_t i, extent_t o) : weight(n + ".w", f32, {i, o}), bias(n + ".b", f32, {o}) {}
  template <tensor_like X>
  auto operator()(X x) const {
    return matmul(x, weight) + bias;
  }
};
struct typed {
  param_of<f32, shape<64, 128>> w{"w"};
  template <tensor_like X>
  auto operator()(X x) const {
    return matmul(x, w);
  }
};

template <class T>
unsigned line_of(const T& t) {
  return t.node()->where.line();
}
template <class T>
bool here(const T& t, unsigned line = __builtin_LINE()) {
  return line_of(t) == line && std::string_view(t.node()->where.file()).ends_with("types_test.cpp");
}

}  // namespace

static_assert(sizeof(tensor<f32, shape<1>>) == sizeof(void*));
static_assert(sizeof(tensor<any_dtype, any_shape>) == sizeof(void*));

TEST_CASE("a callable's result type says what is known") {
  auto f = jit([](tensor<f32, shape<dim("n"), 784>> x, tensor<f32, shape<784, 10>> w, tensor<f32, shape<10>> b) {
    return relu(matmul(x, w) + b);
  });
  static_assert(same<decltype(f)::result, tensor<f32, shape<dim("n"), 10>>>);
  static_assert(same<decltype(f)::host, array<f32>>);
  auto two = jit([](tensor<f32, shape<4, 8>> x) {
    return std::tuple{sum.with<{.axes = {-1}}>(x), sum.with<{.axes = {0}, .keep = true}>(x), x > 0};
  });
  static_assert(same<decltype(two)::result,
                     std::tuple<tensor<f32, shape<4>>, tensor<f32, shape<1, 8>>, tensor<b8, shape<4, 8>>>>);
  static_assert(same<decltype(two)::host, std::tuple<array<f32>, array<f32>, array<b8>>>);
  auto arr = jit([](tensor<f32, shape<4, 8>> x) { return std::array{x, x + 1}; });
  static_assert(same<decltype(arr)::result, std::array<tensor<f32, shape<4, 8>>, 2>>);
  CHECK(arr.graph().outputs.size() == 2);
  CHECK(two.graph().inputs.size() == 1);
}

TEST_CASE("static attributes keep extents, run-time ones lose what they decide") {
  auto x = input<f32, 2, 5, 19, 23>("x");
  auto k = input<f32, 7, 5, 3, 3>("k");
  auto c1 = conv2d.with<{.stride = {2, 2}, .padding = {1, 1}}>(x, k);
  static_assert(same<decltype(c1), tensor<f32, shape<2, 7, 10, 12>>>);
  auto c2 = conv2d(x, k, {.stride = {2, 2}, .padding = {1, 1}});
  static_assert(same<decltype(c2), tensor<f32, shape<2, 7, dyn, dyn>>>);
  CHECK(detail::shape_of(c2.node()) == dims{2, 7, 10, 12});
  auto c3 = conv2d(x, k);
  static_assert(same<decltype(c3), tensor<f32, shape<2, 7, 17, 21>>>);
  auto p = max_pool(x, {.window = {3, 3}, .stride = {2, 2}});
  static_assert(same<decltype(p), tensor<f32, shape<2, 5, dyn, dyn>>>);
  CHECK(detail::shape_of(p.node()) == dims{2, 5, 9, 11});
  auto ap = avg_pool(x, {.window = {2}});
  static_assert(same<decltype(ap), tensor<f32, shape<2, 5, dyn, dyn>>>);
  CHECK(detail::shape_of(ap.node()) == dims{2, 5, 19, 22});
  CHECK_THROWS_WITH_AS((void)sum_pool(x, {.window = {2, 2, 2}}),
                       doctest::Contains("sum_pool: a window of rank 3 over 2 spatial axes; [2,5,19,23]; at "),
                       shape_error);
  auto pw = sum_pool.with<{.window = {2, 2, 2}}>(x);
  static_assert(same<decltype(pw), tensor<f32, shape<2, 4, 18, 22>>>);
  auto flat = max_pool(input<f32, 4, 6>("f"), {.window = {2, 2}});
  static_assert(same<decltype(flat), tensor<f32, shape<dyn, dyn>>>);
  CHECK(detail::shape_of(flat.node()) == dims{3, 5});
  auto t = transpose(input<f32, 3, 4>("t"));
  static_assert(same<decltype(t), tensor<f32, shape<4, 3>>>);
  auto t3 = transpose(input<f32, 2, 3, 4>("t"), {0, 2, 1});
  static_assert(same<decltype(t3), tensor<f32, shape<dyn, dyn, dyn>>>);
  auto t4 = transpose.with<{0, 2, 1}>(input<f32, 2, 3, 4>("t"));
  static_assert(same<decltype(t4), tensor<f32, shape<2, 4, 3>>>);
  auto sm = softmax(t, {.axis = -1});
  static_assert(same<decltype(sm), decltype(t)>);
  auto all = sum(t);
  static_assert(same<decltype(all), tensor<f32, shape<>>>);
  auto none = sum(t, {});
  static_assert(same<decltype(none), tensor<f32, any_shape>>);
  auto dy = sum(t, {.axes = {0}});
  static_assert(same<decltype(dy), tensor<f32, any_shape>>);
  auto mix = 1 + 2.0f * dy / t - 3;
  static_assert(same<decltype(mix), tensor<f32, any_shape>>);
  auto es = einsum<"id,jd->ij">(input<f32, 3, 64>("q"), input<f32, 5, 64>("k"));
  static_assert(same<decltype(es), tensor<f32, shape<3, 5>>>);
  auto mx = max(t, 0.0f);
  static_assert(same<decltype(mx), decltype(t)>);
  auto m = (t < 1) & !(t > 0);
  static_assert(same<decltype(m), tensor<b8, shape<4, 3>>>);
  auto neg = ~(cast<i32>(t) | 1);
  static_assert(same<decltype(neg), tensor<i32, shape<4, 3>>>);
  CHECK(here(neg) == false);
}

TEST_CASE("params take the type of what is beside them") {
  dense l("l", 64, 128);
  auto y = l(input<f32, 3, 64>("x"));
  static_assert(same<decltype(y), tensor<f32, any_shape>>);
  CHECK(detail::shape_of(y.node()) == dims{3, 128});
  typed ty;
  auto y2 = ty(input<f32, 3, 64>("x"));
  static_assert(same<decltype(y2), tensor<f32, shape<3, 128>>>);
  std::vector<dense> layers{{"a", 64, 64}, {"b", 64, 64}};
  tensor<f32, any_shape> h = input<f32, 3, 64>("x");
  for (auto& layer : layers) h = relu(layer(h));
  CHECK(detail::shape_of(h.node()) == dims{3, 64});
  auto e = exp(l.weight);
  static_assert(same<decltype(e), tensor<any_dtype, any_shape>>);
  auto pp = l.weight + l.bias;
  static_assert(same<decltype(pp), tensor<any_dtype, any_shape>>);
  auto half = -l.weight / 2;
  CHECK(detail::type_of(half.node()) == f32);
  auto back = as<shape<dyn, 64>>(h);
  static_assert(same<decltype(back), tensor<f32, shape<dyn, 64>>>);
  CHECK_THROWS_AS((void)(as<shape<dyn, 63>>(h)), shape_error);
}

TEST_CASE("a tensor converts to every type that knows less") {
  auto x = input<f32, 3, 4>("x");
  tensor<f32, any_shape> a = x;
  tensor<f32, shape<dyn, 4>> b = x;
  tensor<any_dtype, any_shape> c = a;
  CHECK(a.node() == x.node());
  CHECK(b.node() == c.node());
  CHECK(b.extent(-1) == 4);
  CHECK(a.extent(0) == 3);
}

TEST_CASE("index notation infers extents") {
  auto [i, j, d] = axes<"i, j, d">();
  auto q = input<f32, 32, 64>("q"), k = input<f32, 32, 64>("k");
  auto sc = compute(i, j)[sum(d)(q(i, d) * k(j, d)) / 8.0f];
  static_assert(same<decltype(sc), tensor<f32, shape<32, 32>>>);
  auto x = input<f32, dyn, 64>("x");
  axis<"r", 3> r;
  auto window = compute(i, d)[max(r)(x(2 * i + r, d))];
  static_assert(same<decltype(window), tensor<f32, shape<dyn, 64>>>);
  auto mask = compute(i, d)[(i < d + 1) & (q(i, d) < 2)];
  static_assert(same<decltype(mask), tensor<b8, shape<32, 64>>>);
}

TEST_CASE("an operator records the line where the user wrote it") {
  auto q = input<f32, 32, 64>("q"), k = input<f32, 32, 64>("k");
  dense l("l", 64, 64);
  CHECK(here(q + k));
  const unsigned first = __LINE__ + 1;
  auto r2 = 1 - q;
  CHECK(line_of(r2) - first <= 1);
  CHECK(here(-q));
  CHECK(here(exp(q)));
  CHECK(here(matmul(q, transpose(k))));
  CHECK(here(l.bias * q));
  CHECK(here(sum.with<{.axes = {0}}>(q)));
  CHECK(here(einsum<"id,jd->ij">(q, k)));
  const auto sw = elementwise("sw", [](auto x) { return x / (1 + exp(-x)); });
  CHECK(here(sw(q)));
  auto [i, j] = axes<"i, j">();
  CHECK(here(compute(i, j)[q(i, j) + 1]));
}
