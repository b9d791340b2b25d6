#include "tenon/runtime/array.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "files.hpp"
#include "runtime/philox.hpp"
#include "tenon/core/error.hpp"

using namespace tenon;
using test::has;
using test::text_of;

namespace {

/// Counts what is allocated; fails on demand.
struct counting_memory : memory {
  int live = 0, made = 0;
  enum class mode { good, null, misaligned, throws } how = mode::good;
  alignas(64) std::byte spare[256];
  void* allocate(std::size_t bytes, std::size_t alignment) override {
    if (how == mode::null) return nullptr;
    if (how == mode::throws) throw std::runtime_error("out of arena");
    ++live;
    if (how == mode::misaligned) return spare + 1;
    ++made;
    return ::operator new(bytes, std::align_val_t(alignment));
  }
  void deallocate(void* p, std::size_t, std::size_t alignment) noexcept override {
    --live;
    if (p != spare + 1) ::operator delete(p, std::align_val_t(alignment));
  }
};

template <dtype D>
void check_uniform(double low, double high, double mean, double step) {
  const auto a = array<D>::uniform({64, 1000}, 7), again = array<D>::uniform({64000}, 7),
             other = array<D>::uniform({64, 1000}, 8);
  double sum = 0;
  int same = 0, differ = 0, outside = 0, off_grid = 0;
  for (extent_t i = 0; i < a.size(); ++i) {
    double x = 0;
    if constexpr (D == f16 || D == bf16)
      x = static_cast<float>(a.data()[i]);
    else
      x = static_cast<double>(a.data()[i]);
    sum += x;
    outside += x < low || x >= high;
    off_grid += x / step != static_cast<double>(static_cast<std::int64_t>(x / step));
    same += a.data()[i] == other.data()[i];
    differ += a.data()[i] != again.data()[i];
  }
  CHECK(differ == 0);
  CHECK(outside == 0);
  CHECK(off_grid == 0);
  CHECK(std::abs(sum / 64000 - mean) < 0.01 * (high - low));
  CHECK(same < 64000 * 0.6);
}

}  // namespace

static_assert(std::is_trivially_copyable_v<view<f32>> && std::is_trivially_copyable_v<mutable_view<b8>>);
static_assert(std::is_convertible_v<const array<f32>&, view<f32>> &&
              std::is_convertible_v<array<f32>&, mutable_view<f32>>);
static_assert(!std::is_convertible_v<const array<f32>&, mutable_view<f32>>);
static_assert(!std::is_convertible_v<const array<f64>&, view<f32>> &&
              !std::is_convertible_v<std::vector<double>&, view<f32>>);
static_assert(std::is_convertible_v<mutable_view<f32>, view<f32>> &&
              !std::is_convertible_v<view<f32>, mutable_view<f32>>);
static_assert(std::is_convertible_v<const std::vector<float>&, view<f32>> &&
              !std::is_convertible_v<std::vector<bool>&, view<b8>>);
static_assert(!std::is_convertible_v<const std::vector<float>&, mutable_view<f32>>);
static_assert(!std::is_convertible_v<std::vector<float>, mutable_view<f32>>, "a temporary's elements would be lost");
static_assert(std::is_convertible_v<std::span<float>, mutable_view<f32>> &&
              std::is_convertible_v<std::span<const float>, view<f32>>);
static_assert(!std::is_convertible_v<std::span<const float>, mutable_view<f32>>);
static_assert(std::is_nothrow_move_constructible_v<array<f32>> && std::is_nothrow_move_assignable_v<array<f32>>);
template <class A>
concept made_without_elements = requires { A({2, 3}); };
static_assert(!made_without_elements<array<f32>>, "elements are never left uninitialised");

TEST_CASE("array: owns a copy, aligned to 64 bytes, row-major") {
  float from[] = {1, 2, 3, 4, 5, 6};
  array<f32> a({2, 3}, from);
  from[0] = 9;
  CHECK(a.rank() == 2);
  CHECK(a.size() == 6);
  CHECK(a.dims() == dims{2, 3});
  CHECK(a(0, 0) == 1);
  CHECK(a(1, 2) == 6);
  a(1, 0) = 40;
  CHECK(a.data()[3] == 40);
  CHECK(std::accumulate(a.begin(), a.end(), 0.0f) == 57);
  for (extent_t n = 1; n < 100; ++n) {
    const auto b = array<u8>::zeros({n});
    CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % 64 == 0);
  }
}

TEST_CASE("array: empty, rank 0, rank 8") {
  array<f32> none;
  CHECK(none.rank() == 1);
  CHECK(none.size() == 0);
  CHECK(none.data() == nullptr);
  CHECK(none.begin() == none.end());
  const array<i64> scalar = array<i64>::full({}, 5);
  CHECK(scalar.rank() == 0);
  CHECK(scalar.size() == 1);
  CHECK(scalar() == 5);
  const auto hollow = array<f64>::zeros({3, 0, 5});
  CHECK(hollow.size() == 0);
  CHECK(hollow.dims() == dims{3, 0, 5});
  CHECK(array<f32>({0}, nullptr).size() == 0);
  const auto deep = array<i16>::full({1, 2, 1, 2, 1, 2, 1, 2}, 3);
  CHECK(deep.size() == 16);
  CHECK(deep(0, 1, 0, 1, 0, 1, 0, 1) == 3);
}

TEST_CASE("array: copies are deep, moves leave an empty array of no extent") {
  auto a = array<f32>::from({1, 2, 3, 4}, {2, 2});
  array<f32> b = a;
  b(0, 0) = 7;
  CHECK(a(0, 0) == 1);
  const float* const at = b.data();
  array<f32> c = std::move(b);
  CHECK(c.data() == at);
  CHECK(b.size() == 0);
  CHECK(b.dims() == dims{0});
  c = a;  // of equal extents: into the same memory
  CHECK(c.data() == at);
  CHECK(c(0, 0) == 1);
  c = array<f32>::from({5});
  CHECK(c.dims() == dims{1});
  c = a;
  CHECK(c.dims() == dims{2, 2});
  auto& self = c;
  c = self;
  CHECK(c(1, 1) == 4);
  c = std::move(self);
  CHECK(c(1, 1) == 4);
  b = a;
  CHECK(b(1, 0) == 3);
}

TEST_CASE("array: from vectors, also of bool, and fill") {
  CHECK(array<i32>::from({1, 2, 3}).dims() == dims{3});
  CHECK(array<b8>::from({true, false, true})(2) == true);
  CHECK(has(text_of<shape_error>([] { array<f32>::from({1, 2, 3}, {2, 2}); }), "3 elements for [2,2], which holds 4"));
  auto a = array<f64>::full({1000, 7}, 1.5);
  CHECK(a(999, 6) == 1.5);
  CHECK(a(500, 3) == 1.5);
  a.fill(0);
  CHECK(a(999, 6) == 0);
  CHECK(array<bf16>::full({3}, bfloat16(2.0f))(2) == bfloat16(2.0f));
}

TEST_CASE("array: bad extents say themselves") {
  CHECK(has(text_of<shape_error>([] { array<f32>::zeros({2, -3}); }), "extent 1 of [2,-3] is negative"));
  CHECK(has(text_of<shape_error>([] { array<f32>::zeros({dyn}); }), "[dyn]"));
  CHECK(has(text_of<shape_error>([] { array<f32>::zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); }), "rank 9, the most is 8"));
  CHECK(has(text_of<shape_error>([] { array<f32>::zeros(std::vector<extent_t>(100, 2)); }),
            "[2,2,2,2,2,2,2,2] and more has rank 100, the most is 8"));
  CHECK(has(text_of<shape_error>([] { array<f32>::zeros({extent_t{1} << 40, extent_t{1} << 40}); }), "too large"));
  CHECK_THROWS_AS(array<f32>::zeros({0, extent_t{1} << 40, extent_t{1} << 40}), shape_error);
  CHECK_THROWS_AS((view<f32>(nullptr, {extent_t{1} << 62})), shape_error);
  CHECK_THROWS_AS((view<f32>(nullptr, {1, 2, 3, 4, 5, 6, 7, 8, 9})), shape_error);
  CHECK(has(text_of<resource_error>([] { array<u8>::zeros({PTRDIFF_MAX}); }), "no 9223372036854775807 bytes"));
  CHECK(has(text_of<argument_error>([] { array<f32>({2, 2}, nullptr); }), "the data of f32[2,2] is null"));
}

TEST_CASE("array: elements come from the user's resource and go back there; copies do not") {
  counting_memory m;
  {
    auto a = array<f32>::zeros({10}, &m);
    auto b = array<f32>::uniform({10}, 1, &m);
    CHECK(m.live == 2);
    array<f32> copy = a;
    CHECK(m.made == 2);
    a = std::move(b);
    CHECK(m.live == 1);
    const auto none = array<f32>::zeros({0}, &m);
    CHECK(m.made == 2);
  }
  CHECK(m.live == 0);
  for (auto how : {counting_memory::mode::null, counting_memory::mode::throws, counting_memory::mode::misaligned}) {
    m.how = how;
    const auto text = text_of<resource_error>([&] { array<f32>::zeros({10}, &m); });
    CHECK(has(text, "40 bytes"));
    if (how == counting_memory::mode::throws) CHECK(has(text, "out of arena"));
    CHECK(m.live == 0);
  }
}

TEST_CASE("Philox: the known answers of its authors") {
  using block = runtime::philox_block;
  CHECK(runtime::philox({0, 0, 0, 0}, {0, 0}) == block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(runtime::philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(runtime::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform: as documented, from Philox's words") {
  const auto w = runtime::philox({1, 0, 0, 0}, {5, 9});
  const std::uint64_t seed = (std::uint64_t{9} << 32) | 5;
  CHECK(array<f32>::uniform({8}, seed)(6) == static_cast<float>(w[2] >> 8) / (1 << 23) - 1);
  CHECK(array<f64>::uniform({8}, seed)(3) ==
        static_cast<double>(((std::uint64_t{w[2]} << 32) | w[3]) >> 11) / 0x1p52 - 1);
  CHECK(array<i32>::uniform({8}, seed)(5) == static_cast<std::int32_t>(w[1] >> 28) - 8);
  CHECK(array<u8>::uniform({5}, seed)(4) == w[0] >> 28);
  CHECK(array<b8>::uniform({8}, seed)(7) == (w[3] >> 31 != 0));
}

TEST_CASE("uniform: ranges, grids and means of all types") {
  check_uniform<f64>(-1, 1, 0, 0x1p-52);
  check_uniform<f32>(-1, 1, 0, 0x1p-23);
  check_uniform<f16>(-1, 1, 0, 0x1p-10);
  check_uniform<bf16>(-1, 1, 0, 0x1p-7);
  check_uniform<i64>(-8, 8, -0.5, 1);
  check_uniform<i32>(-8, 8, -0.5, 1);
  check_uniform<i16>(-8, 8, -0.5, 1);
  check_uniform<i8>(-8, 8, -0.5, 1);
  check_uniform<u64>(0, 16, 7.5, 1);
  check_uniform<u32>(0, 16, 7.5, 1);
  check_uniform<u16>(0, 16, 7.5, 1);
  check_uniform<u8>(0, 16, 7.5, 1);
  check_uniform<b8>(0, 2, 0.5, 1);
}

TEST_CASE("view: borrows from all that holds elements") {
  float raw[] = {1, 2, 3, 4, 5, 6};
  std::vector<float> vector{1, 2, 3};
  std::array<float, 2> pair{8, 9};
  array<f32> a({2, 3}, raw);
  CHECK(view<f32>(a)(1, 2) == 6);
  CHECK(view<f32>(a).data() == a.data());
  CHECK(view<f32>(raw, {3, 2})(2, 1) == 6);
  CHECK(view<f32>(raw, a.dims())(1, 0) == 4);
  CHECK(view<f32>(raw, extents{std::vector<extent_t>{6}})(5) == 6);
  CHECK(view<f32>(raw, {})() == 1);
  CHECK(view<f32>(raw, {vector.size(), 2}).dims() == dims{3, 2});
  CHECK(view<f32>(raw).dims() == dims{6});
  CHECK(view<f32>(vector).dims() == dims{3});
  CHECK(view<f32>(std::span(vector).subspan(1))(0) == 2);
  CHECK(view<f32>(pair)(1) == 9);
  mutable_view<f32> m = a;
  m(0, 1) = 20;
  CHECK(view<f32>(m)(0, 1) == 20);
  CHECK(a(0, 1) == 20);
  const mutable_view<f32> of_vector = vector;
  of_vector(2) = 30;
  CHECK(vector[2] == 30);
  mutable_view<f32>(std::span<float>(vector))(0) = 10;
  CHECK(vector[0] == 10);
  mutable_view<f32>(raw, {2, 3})(1, 1) = 50;
  CHECK(raw[4] == 50);
  CHECK(view<f32>().size() == 0);
}

TEST_CASE("view: strides in elements, which may repeat or run backwards") {
  const float raw[] = {0, 1, 2, 3, 4, 5};
  const view<f32> transposed(raw, {3, 2}, {1, 3}), backwards(raw + 5, {2, 3}, {-3, -1}),
      repeated(raw + 2, {4, 2}, {0, 1});
  CHECK(transposed(2, 1) == 5);
  CHECK(backwards(0, 0) == 5);
  CHECK(backwards(1, 2) == 0);
  CHECK(repeated(3, 1) == 3);
  CHECK_FALSE(transposed.is_contiguous());
  CHECK_FALSE(backwards.is_contiguous());
  CHECK_FALSE(repeated.is_contiguous());
  CHECK(view<f32>(raw, {2, 3}, {3, 1}).is_contiguous());
  CHECK(view<f32>(raw, {1, 3}, {77, 1}).is_contiguous());  // an axis of one element has no stride
  CHECK(view<f32>(raw, {0, 3}, {5, 5}).is_contiguous());
  const array<f32> copy(transposed);
  CHECK(copy.dims() == dims{3, 2});
  CHECK(std::vector<float>(copy.begin(), copy.end()) == std::vector<float>{0, 3, 1, 4, 2, 5});
  const array<f32> reversed(backwards);
  CHECK(std::vector<float>(reversed.begin(), reversed.end()) == std::vector<float>{5, 4, 3, 2, 1, 0});
  CHECK(has(text_of<shape_error>([&] { view<f32>(raw, {2, 3}, {1}); }), "1 strides [1] for 2 extents [2,3]"));
}

TEST_CASE("copy_elements: every element size, both sides strided, up to rank 8") {
  const auto check = []<dtype D>(std::integral_constant<dtype, D>) {
    const auto from = array<D>::uniform({2, 1, 3, 2, 1, 2, 3, 2}, 3);
    auto to = array<D>::zeros({2, 3, 2, 1, 2, 3, 1, 2});  // the axes reversed
    extent_t strides[8], stride = 1;
    for (int i = 0; i < 8; ++i) {
      strides[i] = stride;
      stride *= from.dims()[i];
    }
    const mutable_view<D> reversed(to.data(), from.dims(), extents(std::vector<extent_t>(strides, strides + 8)));
    detail::copy_elements(reversed, from);
    int wrong = 0;
    const auto& d = from.dims();
    for (int i = 0; i < d[0]; ++i)
      for (int k = 0; k < d[2]; ++k)
        for (int l = 0; l < d[3]; ++l)
          for (int n = 0; n < d[5]; ++n)
            for (int o = 0; o < d[6]; ++o)
              for (int p = 0; p < d[7]; ++p) wrong += from(i, 0, k, l, 0, n, o, p) != to(p, o, n, 0, l, k, 0, i);
    CHECK(wrong == 0);
  };
  check(std::integral_constant<dtype, f64>{});
  check(std::integral_constant<dtype, i32>{});
  check(std::integral_constant<dtype, bf16>{});
  check(std::integral_constant<dtype, u8>{});
  float one = 0;
  const float from = 3;
  detail::copy_elements(mutable_view<f32>(&one, {1, 1}, {9, 9}), view<f32>(&from, {1, 1}, {7, 7}));
  CHECK(one == 3);
}

TEST_CASE("check_view: what cannot be a tensor in memory") {
  using detail::access;
  alignas(8) std::array<float, 16> raw{};
  const auto check = [](const detail::any_view& v, access a) { detail::check_view(v, "argument 1", a); };
  const auto text = [&](const detail::any_view& v, access a = access::read) {
    return text_of<argument_error>([&] { check(v, a); });
  };
  check(view<f32>(raw.data(), {4, 4}), access::write);
  check(view<f32>(nullptr, {4, 0}), access::read);
  CHECK(has(text(view<f32>(nullptr, {4, 4})), "argument 1: the data of f32[4,4] is null"));
  const auto* odd = reinterpret_cast<const float*>(reinterpret_cast<const char*>(raw.data()) + 2);
  CHECK(has(text(view<f32>(odd, {2})), "not aligned to 4 bytes"));
  CHECK(has(text(view<f32>(raw.data(), {3, 4}, {extent_t{1} << 62, 1})), "strides [4611686018427387904,1]"));
  CHECK(has(text(view<f32>(raw.data(), {3}, {-(extent_t{1} << 60)})), "leaves the address space"));
  CHECK(has(text(view<f32>(raw.data(), {2, 2}, {INT64_MIN, INT64_MAX})), "leaves the address space"));
  check(view<f32>(raw.data(), {4, 4}, {0, 1}), access::read);
  CHECK(has(text(mutable_view<f32>(raw.data(), {4, 4}, {0, 1}), access::write), "write some elements more than once"));
  CHECK(has(text(mutable_view<f32>(raw.data(), {3, 4}, {2, 1}), access::write), "strides [2,1]"));
  check(mutable_view<f32>(raw.data() + 15, {4, 4}, {-1, -4}), access::write);
  check(mutable_view<f32>(raw.data(), {2, 3}, {1, 4}), access::write);
  CHECK(detail::is_plain(view<f32>(raw.data(), {4, 4})));
  CHECK_FALSE(detail::is_plain(view<f32>(odd, {2})));
  CHECK_FALSE(detail::is_plain(view<f32>(nullptr, {2})));
  CHECK_FALSE(detail::is_plain(view<f32>(raw.data(), {4, 4}, {1, 4})));
}

TEST_CASE("overlap: the bytes from the first to the last element") {
  float raw[32]{};
  const view<f32> low(raw, {16}), high(raw + 16, {16}), backwards(raw + 16, {4}, {-1}), none(raw, {0}),
      last(raw + 15, {1});
  CHECK(detail::overlap(low, low));
  CHECK_FALSE(detail::overlap(low, high));
  CHECK_FALSE(detail::overlap(high, low));
  CHECK(detail::overlap(backwards, low));
  CHECK(detail::overlap(high, backwards));
  CHECK(detail::overlap(low, last));
  CHECK_FALSE(detail::overlap(high, last));
  CHECK_FALSE(detail::overlap(none, low));
  CHECK_FALSE(detail::overlap(view<f32>(raw + 12, {4}, {-4}), view<f32>(raw + 13, {3})));
}
