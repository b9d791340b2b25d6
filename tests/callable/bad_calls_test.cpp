// Calls that cannot be right: each gives its error type and a text with the values, results keep their bytes, and the
// callable works afterwards. On both targets.
#include <doctest/doctest.h>

#include <cstring>
#include <tenon/tenon.hpp>
#include <vector>

#include "callable/refusal.hpp"
#include "targets.hpp"

using namespace tenon;
using tenon::test::refusal;

namespace {

constexpr float untouched = -77.0f;

// A callable whose calls are refused and that computes the same as before when nothing is wrong.
auto weighted(const char* target) {
  return jit([](tensor<f32, shape<dyn, 3>> x, tensor<f32, shape<dyn, 3>> y) { return x * 2 + y; }, {.target = target});
}

template <class F>
void works(const F& f) {
  const array<f32> x = array<f32>::uniform({2, 3}, 1), y = array<f32>::uniform({2, 3}, 2);
  array<f32> r = array<f32>::full({2, 3}, untouched);
  f.into(r, x, y);
  for (int i = 0; i < 6; ++i) CHECK(r.data()[i] == x.data()[i] * 2 + y.data()[i]);
}

bool all_untouched(const array<f32>& a) {
  for (float x : a)
    if (x != untouched) return false;
  return true;
}

}  // namespace

TEST_CASE("arguments of other extents and ranks") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    const array<f32> good = array<f32>::zeros({2, 3}), wide = array<f32>::zeros({2, 4}), flat = array<f32>::zeros({6});
    array<f32> r = array<f32>::full({2, 3}, untouched);
    CHECK(refusal<shape_error>([&] { f.into(r, good, wide); }) ==
          "call: argument 2: extent 4 != 3 on axis 1; given f32[2,4], the parameter is f32[dyn,3]; made at "
          "bad_calls_test.cpp:LINE");
    CHECK(refusal<shape_error>([&] { f.into(r, flat, good); }) ==
          "call: argument 1: rank 1 != 2; given f32[6], the parameter is f32[dyn,3]; made at bad_calls_test.cpp:LINE");
    CHECK(refusal<shape_error>([&] { (void)f(good, flat); }) ==
          "call: argument 2: rank 1 != 2; given f32[6], the parameter is f32[dyn,3]; made at bad_calls_test.cpp:LINE");
    CHECK(f.stats().kernels == 0);  // nothing was compiled for them
    CHECK(all_untouched(r));
    works(f);
    CHECK(refusal<shape_error>([&] { f.into(r, good, wide); }) ==
          "call: argument 2: extent 4 != 3 on axis 1; given f32[2,4], the parameter is f32[dyn,3]; made at "
          "bad_calls_test.cpp:LINE");
    CHECK(all_untouched(r));
    works(f);
  }
}

TEST_CASE("the place in a text is the line where the user wrote it") {
  const unsigned line = __LINE__ + 1;
  const auto g = jit([](tensor<f32, shape<3>> x) { return x; }, {.target = "native"});
  const array<f32> a = array<f32>::zeros({4});
  std::string text;
  try {
    (void)g(a);
  } catch (const shape_error& e) {
    text = e.what();
  }
  CHECK(text.ends_with("tests/callable/bad_calls_test.cpp:" + std::to_string(line)));
}

TEST_CASE("named extents that differ, across parameters and within one") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f =
        jit([](tensor<f32, shape<dim("n"), 2>> x, tensor<f32, shape<2, dim("n")>> y) { return matmul(x, y); },
            {.target = target});
    CHECK(refusal<shape_error>([&] { (void)f(array<f32>::zeros({3, 2}), array<f32>::zeros({2, 4})); }) ==
          "call: argument 2: n is 4 here and 3 in argument 1; given f32[2,4], the parameter is f32[2,n]; made at "
          "bad_calls_test.cpp:LINE");
    const auto square = jit([](tensor<f32, shape<dim("m"), dim("m")>> x) { return x + 1; }, {.target = target});
    CHECK(refusal<shape_error>([&] { (void)square(array<f32>::zeros({3, 5})); }) ==
          "call: argument 1: m is 5 here and 3 in argument 1; given f32[3,5], the parameter is f32[m,m]; made at "
          "bad_calls_test.cpp:LINE");
    CHECK(square(array<f32>::zeros({3, 3}))(2, 2) == 1);
    CHECK(f(array<f32>::full({3, 2}, 1.0f), array<f32>::full({2, 3}, 1.0f))(2, 2) == 2);
  }
}

TEST_CASE("memory that no tensor can be in") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    const array<f32> good = array<f32>::zeros({2, 3});
    array<f32> r = array<f32>::full({2, 3}, untouched);
    alignas(8) char bytes[64]{};
    const view<f32> null(nullptr, {2, 3}), odd(reinterpret_cast<const float*>(bytes + 1), {2, 3});
    const view<f32> far(good.data(), {2, 3}, {INT64_MAX / 2, 1});
    const mutable_view<f32> twice(r.data(), {2, 3}, {0, 1}), none(nullptr, {2, 3});
    for (int again = 0; again < 2; ++again) {
      CHECK(refusal<argument_error>([&] { f.into(r, null, good); }) == "argument 1: the data of f32[2,3] is null");
      CHECK(refusal<argument_error>([&] { f.into(r, good, odd); }) ==
            "argument 2: the data of f32[2,3] at ADDRESS is not aligned to 4 bytes");
      CHECK(refusal<argument_error>([&] { f.into(r, far, good); }) ==
            "argument 1: f32[2,3] with strides [4611686018427387903,1] at ADDRESS leaves the address space");
      CHECK(refusal<argument_error>([&] { f.into(none, good, good); }) == "result 1: the data of f32[2,3] is null");
      CHECK(refusal<argument_error>([&] { f.into(twice, good, good); }) ==
            "result 1: f32[2,3] with strides [0,1] would write some elements more than once");
      CHECK(all_untouched(r));
      works(f);  // and again, with the kernel in place
    }
  }
}

TEST_CASE("results of other extents") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    const array<f32> good = array<f32>::zeros({2, 3});
    array<f32> r = array<f32>::full({3, 3}, untouched), flat = array<f32>::full({6}, untouched);
    CHECK(refusal<shape_error>([&] { f.into(r, good, good); }) ==
          "call: result 1: given f32[3,3], the result is f32[2,3]; made at bad_calls_test.cpp:LINE");
    CHECK(refusal<shape_error>([&] { f.into(flat, good, good); }) ==
          "call: result 1: given f32[6], the result is f32[2,3]; made at bad_calls_test.cpp:LINE");
    CHECK(all_untouched(r));
    CHECK(all_untouched(flat));
    works(f);
  }
}

TEST_CASE("a result overlaps an argument or another result") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    std::vector<float> memory(32, untouched);
    const view<f32> x(memory.data() + 4, {2, 3});
    const array<f32> good = array<f32>::zeros({2, 3});
    for (int again = 0; again < 2; ++again) {
      for (int shift : {-1, 0, 5}) {
        const mutable_view<f32> r(memory.data() + 4 + shift, {2, 3});
        CHECK(refusal<argument_error>([&] { f.into(r, good, x); }) ==
              "call: result 1 overlaps argument 2: memory ADDRESS of f32[2,3] and ADDRESS of f32[2,3]; made at "
              "bad_calls_test.cpp:LINE");
      }
      for (float e : memory) REQUIRE(e == untouched);
      works(f);
    }
    f.into(mutable_view<f32>(memory.data() + 10, {2, 3}), good, x);  // beside it
    CHECK(memory[10] == untouched);
    CHECK(memory[9] == untouched);
    CHECK(memory[16] == untouched);

    const auto two = jit([](tensor<f32, shape<4>> a) { return std::tuple{a + 1, a + 2}; }, {.target = target});
    const array<f32> a = array<f32>::zeros({4});
    for (int again = 0; again < 2; ++again) {
      std::vector<float> out(8, untouched);
      CHECK(refusal<argument_error>(
                [&] { two.into(mutable_view<f32>(out.data(), {4}), mutable_view<f32>(out.data() + 3, {4}), a); }) ==
            "call: result 2 overlaps result 1: memory ADDRESS of f32[4] and ADDRESS of f32[4]; made at "
            "bad_calls_test.cpp:LINE");
      for (float e : out) CHECK(e == untouched);
      two.into(mutable_view<f32>(out.data(), {4}), mutable_view<f32>(out.data() + 4, {4}), a);
      CHECK(out == std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2});
    }
  }
}

TEST_CASE("strided and plain arguments of the same extents, in any order, are told apart") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    const array<f32> plain = array<f32>::uniform({2, 3}, 3), zero = array<f32>::zeros({2, 3});
    const view<f32> columns(plain.data(), {2, 3}, {1, 2}), backwards(plain.data() + 5, {2, 3}, {-3, -1});
    const float* p = plain.data();
    for (int again = 0; again < 2; ++again) {
      const array<f32> c = f(columns, zero), n = f(plain, zero), b = f(backwards, zero), m = f(plain, columns);
      array<f32> into = array<f32>::zeros({2, 3});
      f.into(into, plain, zero);
      for (int i = 0; i < 2; ++i)
        for (int k = 0; k < 3; ++k) {
          CHECK(c(i, k) == p[i + 2 * k] * 2);
          CHECK(n(i, k) == p[3 * i + k] * 2);
          CHECK(into(i, k) == p[3 * i + k] * 2);
          CHECK(b(i, k) == p[5 - 3 * i - k] * 2);
          CHECK(m(i, k) == p[3 * i + k] * 2 + p[i + 2 * k]);
        }
    }
  }
}

TEST_CASE("results with strides are written where they say, and nothing beside") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = weighted(target);
    const array<f32> x = array<f32>::uniform({3, 3}, 1), y = array<f32>::zeros({3, 3});
    std::vector<float> memory(64, untouched);
    f.into(mutable_view<f32>(memory.data() + 40, {3, 3}, {-12, 2}), x, y);
    for (int i = 0; i < 3; ++i)
      for (int k = 0; k < 3; ++k) {
        float& e = memory[static_cast<std::size_t>(40 - 12 * i + 2 * k)];
        CHECK(e == x(i, k) * 2);
        e = untouched;
      }
    for (float e : memory) CHECK(e == untouched);
  }
}

TEST_CASE("extents that only the call knows do not fit: the operator's own words") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const compile_options o{.target = target};
    auto zeros = [](std::initializer_list<any_extent> e) { return array<f32>::zeros(extents(e)); };
    using m = tensor<f32, shape<dyn, dyn>>;

    const auto product = jit([](m x, m w) { return matmul(x, w); }, o);
    CHECK(
        refusal<shape_error>([&] { (void)product(zeros({32, 784}), zeros({512, 10})); }) ==
        "matmul: inner extents 784 != 512; argument 1 f32[32,784], argument 2 f32[512,10]; at bad_calls_test.cpp:LINE");
    const auto between = jit([](m x, m w) { return matmul(relu(x), transpose(w)); }, o);
    CHECK(refusal<shape_error>([&] { (void)between(zeros({2, 3}), zeros({3, 4})); }) ==
          "matmul: inner extents 3 != 4; relu f32[2,3], transpose f32[4,3]; at bad_calls_test.cpp:LINE");
    const auto added = jit([](m x, m y) { return x + y; }, o);
    CHECK(refusal<shape_error>([&] { (void)added(zeros({2, 3}), zeros({2, 4})); }) ==
          "add: extents 3 != 4; argument 1 f32[2,3], argument 2 f32[2,4]; at bad_calls_test.cpp:LINE");
    const auto reshaped = jit([](m x) { return reshape(x, {-1, 4}); }, o);
    CHECK(refusal<shape_error>([&] { (void)reshaped(zeros({3, 3})); }) ==
          "reshape: 9 elements do not fit [dyn,4]; argument 1 f32[3,3]; at bad_calls_test.cpp:LINE");
    const auto joined = jit([](m x, m y) { return concat(x, y); }, o);
    CHECK(refusal<shape_error>([&] { (void)joined(zeros({2, 3}), zeros({2, 4})); }) ==
          "concat: extents 3 != 4 of axis 1; argument 1 f32[2,3], argument 2 f32[2,4]; at bad_calls_test.cpp:LINE");
    const auto stated = jit([](m x) { return as<shape<dyn, 64>>(x) * 2; }, o);
    CHECK(refusal<shape_error>([&] { (void)stated(zeros({2, 3})); }) ==
          "as: extents 3 != 64 of [dyn,64]; argument 1 f32[2,3]; at bad_calls_test.cpp:LINE");
    const auto summed = jit([](m q, m k) { return einsum<"id,jd->ij">(q, k); }, o);
    CHECK(refusal<shape_error>([&] { (void)summed(zeros({2, 3}), zeros({2, 4})); }) ==
          "einsum: extents 3 != 4 of d; argument 1 f32[2,3], argument 2 f32[2,4]; at bad_calls_test.cpp:LINE");
    const auto scores = jit(
        [](m q, m k) {
          auto [i, j, d] = axes<"i, j, d">();
          return compute(i, j)[sum(d)(q(i, d) * k(j, d))];
        },
        o);
    CHECK(refusal<shape_error>([&] { (void)scores(zeros({2, 3}), zeros({2, 4})); }) ==
          "compute: extents 3 != 4 of axis d; argument 1 f32[2,3], argument 2 f32[2,4]; at bad_calls_test.cpp:LINE");
    using images = tensor<f32, shape<dyn, dyn, dyn, dyn>>;
    const auto convolved = jit([](images x, images w) { return conv2d(x, w); }, o);
    CHECK(refusal<shape_error>([&] { (void)convolved(zeros({1, 3, 8, 8}), zeros({4, 2, 3, 3})); }) ==
          "conv2d: channels 3 != 2; argument 1 f32[1,3,8,8], argument 2 f32[4,2,3,3]; at bad_calls_test.cpp:LINE");
    CHECK(refusal<shape_error>([&] { (void)convolved(zeros({1, 3, 2, 8}), zeros({4, 3, 3, 3})); }) ==
          "conv2d: window 3 > extent 2; argument 1 f32[1,3,2,8], argument 2 f32[4,3,3,3]; at bad_calls_test.cpp:LINE");
    const auto pooled = jit([](images x) { return max_pool.with<{.window = {3, 3}}>(x); }, o);
    CHECK(refusal<shape_error>([&] { (void)pooled(zeros({1, 1, 2, 2})); }) ==
          "max_pool: window 3 > extent 2; argument 1 f32[1,1,2,2]; at bad_calls_test.cpp:LINE");
    using any_rank = tensor<f32, any_shape>;
    const auto reduced = jit([](any_rank x) { return sum(x, {.axes = {2}}); }, o);
    CHECK(refusal<shape_error>([&] { (void)reduced(zeros({2, 3})); }) ==
          "sum: axis 2 is outside rank 2; argument 1 f32[2,3]; at bad_calls_test.cpp:LINE");

    // Nothing is broken by it.
    CHECK(product(zeros({2, 3}), zeros({3, 4})).dims() == dims{2, 4});
    CHECK(added(zeros({2, 3}), zeros({1, 3})).dims() == dims{2, 3});
    CHECK(reshaped(zeros({2, 2})).dims() == dims{1, 4});
    CHECK(scores(zeros({2, 3}), zeros({5, 3})).dims() == dims{2, 5});
    CHECK(reduced(zeros({2, 3, 4})).dims() == dims{2, 3});
  }
}

TEST_CASE("extents whose product overflows are refused before memory is computed from them") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    // Views with stride 0: many elements in the memory of one.
    const float one = 1;
    const extent_t n = extent_t{1} << 32;
    const view<f32> column(&one, {n, 1}, {0, 0}), row(&one, {1, n}, {0, 0});
    const auto f = jit([](tensor<f32, shape<dyn, dyn>> a, tensor<f32, shape<dyn, dyn>> b) { return sum(a + b); },
                       {.target = target});
    CHECK(refusal<shape_error>([&] { (void)f(column, row); }) ==
          "add: f32[4294967296,4294967296] is too large for memory; argument 1 f32[4294967296,1], argument 2 "
          "f32[1,4294967296]; at bad_calls_test.cpp:LINE");
    CHECK(f(view<f32>(&one, {2, 1}, {0, 0}), view<f32>(&one, {1, 1})).data()[0] == 4);
  }
}

TEST_CASE("views and arrays that cannot be made") {
  const float data[4]{};
  CHECK(refusal<shape_error>([&] { (void)view<f32>(data, {2, -2}); }) == "view: extent 1 of [2,-2] is negative");
  CHECK(refusal<shape_error>([&] { (void)view<f32>(data, {1, 1, 1, 1, 1, 1, 1, 1, 1}); }) ==
        "view: [1,1,1,1,1,1,1,1,1] has rank 9, the most is 8");
  CHECK(refusal<shape_error>([&] { (void)view<f32>(data, {INT64_MAX, 2}); }) ==
        "view: [9223372036854775807,2] of f32 is too large for memory");
  CHECK(refusal<shape_error>([&] { (void)view<f32>(data, {2, 2}, {1}); }) == "view: 1 strides [1] for 2 extents [2,2]");
  CHECK(refusal<shape_error>([&] { (void)array<f32>::from({1, 2, 3}, {2, 2}); }) ==
        "array: 3 elements for [2,2], which holds 4");
  CHECK(refusal<resource_error>([&] { (void)array<f32>::zeros({extent_t{1} << 60}); }) ==
        "memory: no 4611686018427387904 bytes to be had");
}

TEST_CASE("empty tensor handles are refused where they are used, never taken for a number") {
  tensor<f32, shape<3>> empty;
  const auto x = input<f32, 3>("x");
  CHECK(refusal<argument_error>([&] { (void)relu(empty); }) ==
        "relu: an operand is an empty tensor handle; at bad_calls_test.cpp:LINE");
  CHECK(refusal<argument_error>([&] { (void)(x + empty); }) ==
        "add: an operand is an empty tensor handle; at bad_calls_test.cpp:LINE");
  CHECK(refusal<argument_error>([&] { (void)(empty * 2); }) ==
        "mul: an operand is an empty tensor handle; at bad_calls_test.cpp:LINE");
  CHECK(refusal<argument_error>([&] { (void)sum(empty, {.axes = {0}}); }) ==
        "sum: an operand is an empty tensor handle; at bad_calls_test.cpp:LINE");
  CHECK(refusal<argument_error>([&] { (void)as<shape<3>>(empty); }) ==
        "as: an operand is an empty tensor handle; at bad_calls_test.cpp:LINE");
  CHECK(refusal<argument_error>([&] { (void)split(empty, 3); }) ==
        "type and extents of an empty tensor handle: it refers to nothing");
  CHECK(refusal<argument_error>([&] {
          auto [i] = axes<"i">();
          (void)compute(i)[x(i) + empty(i)];
        }) == "index notation: an element of an empty tensor handle");
  CHECK(refusal<argument_error>([&] { (void)tensor<f32, any_shape>().extent(0); }) ==
        "type and extents of an empty tensor handle: it refers to nothing");
  CHECK(refusal<argument_error>([&] { (void)jit([](tensor<f32, shape<3>>) { return tensor<f32, shape<3>>(); }); }) ==
        "function: a result is an empty tensor handle; made at bad_calls_test.cpp:LINE");
}

TEST_CASE("a result that hangs on a value of another function") {
  const auto outside = input<f32, 3>("outside");
  CHECK(refusal<argument_error>(
            [&] { (void)jit([outside](tensor<f32, shape<3>> x) { return x + outside; }, {.target = "native"}); }) ==
        "function: a result depends on input outside f32[3] of bad_calls_test.cpp:LINE, which is no argument; made at "
        "bad_calls_test.cpp:LINE");
}

TEST_CASE("data that operators have no answer for does not end the process") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const compile_options o{.target = target};
    using v = tensor<i32, shape<dyn>>;
    const array<i32> a = array<i32>::from({7, INT32_MIN, -7, 1, 5}), b = array<i32>::from({0, -1, 0, 40, -3});
    const auto ints = jit([](v x, v y) { return std::tuple{x / y, x % y, shift_left(x, y), shift_right(x, y)}; }, o);
    const auto [q, r, l, s] = ints(a, b);
    CHECK(q.size() == 5);
    CHECK(q(4) == (std::string_view(target).empty() ? 0 : q(4)));
    CHECK(r.size() + l.size() + s.size() == 15);
    const auto picked = jit([](tensor<f32, shape<dyn>> x, v at) { return gather(x, at); }, o);
    const array<f32> x = array<f32>::from({1, 2, 3});
    const array<f32> p = picked(x, array<i32>::from({0, -1, 3, -4, INT32_MAX, INT32_MIN}));
    const float expected[] = {1, 3, 0, 0, 0, 0};
    for (int i = 0; i < 6; ++i) CHECK(p(i) == expected[i]);
    const auto casts =
        jit([](tensor<f32, shape<dyn>> y) { return std::tuple{cast<i32>(y), cast<u8>(y), cast<i64>(y)}; }, o);
    const array<f32> odd = array<f32>::from({__builtin_nanf(""), __builtin_inff(), -__builtin_inff(), 3e38f, -1.0f});
    const auto [c, d, e] = casts(odd);
    CHECK(c.size() + d.size() + e.size() == 15);
  }
}
