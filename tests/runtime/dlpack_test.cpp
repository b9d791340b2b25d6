#include "tenon/runtime/dlpack.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "files.hpp"

using namespace tenon;
using test::has;
using test::text_of;

namespace {

/// A tensor as another library would give it, counting calls of its deleter.
struct foreign {
  std::vector<float> elements = {0, 1, 2, 3, 4, 5, 6, 7};
  std::int64_t shape[2] = {2, 3}, strides[2] = {4, 1};
  int deleted = 0;
  DLManagedTensor tensor{};
  foreign() {
    tensor.dl_tensor.data = elements.data();
    tensor.dl_tensor.device = {kDLCPU, 0};
    tensor.dl_tensor.ndim = 2;
    tensor.dl_tensor.dtype = {kDLFloat, 32, 1};
    tensor.dl_tensor.shape = shape;
    tensor.dl_tensor.strides = strides;
    tensor.manager_ctx = this;
    tensor.deleter = [](DLManagedTensor* t) { ++static_cast<foreign*>(t->manager_ctx)->deleted; };
  }
};

float sum(view<f32> v) {
  float s = 0;
  for (extent_t i = 0; i < v.dims()[0]; ++i)
    for (extent_t j = 0; j < v.dims()[1]; ++j) s += v(i, j);
  return s;
}

}  // namespace

TEST_CASE("from_dlpack: a strided tensor is read in place and given back once") {
  foreign f;
  {
    dlpack_tensor t = from_dlpack(&f.tensor);
    CHECK(t.type() == f32);
    CHECK(t.dims() == dims{2, 3});
    CHECK(sum(t) == 0 + 1 + 2 + 4 + 5 + 6);
    const view<f32> v = t;
    CHECK(v.data() == f.elements.data());
    CHECK_FALSE(v.is_contiguous());
    mutable_view<f32> m = t;
    m(1, 2) = 60;
    CHECK(f.elements[6] == 60);
    dlpack_tensor moved = std::move(t);
    CHECK(f.deleted == 0);
    CHECK(has(text_of<type_error>([&] { static_cast<void>(static_cast<view<i32>>(moved)); }),
              "the tensor is f32, not i32"));
  }
  CHECK(f.deleted == 1);
  CHECK(sum(from_dlpack(&f.tensor)) == 72);
  CHECK(f.deleted == 2);
}

TEST_CASE("from_dlpack: byte offset, no strides, rank 0, no deleter") {
  foreign f;
  f.tensor.dl_tensor.strides = nullptr;
  f.tensor.dl_tensor.byte_offset = 8;
  CHECK(sum(from_dlpack(&f.tensor)) == 2 + 3 + 4 + 5 + 6 + 7);
  f.tensor.dl_tensor.ndim = 0;
  f.tensor.dl_tensor.shape = nullptr;
  f.tensor.deleter = nullptr;
  const dlpack_tensor scalar = from_dlpack(&f.tensor);
  CHECK(view<f32>(scalar)() == 2);
}

TEST_CASE("from_dlpack: what is refused stays the caller's") {
  const auto refused = [](auto change) {
    foreign f;
    change(f.tensor.dl_tensor, f);
    std::string text;
    try {
      from_dlpack(&f.tensor);
    } catch (const error& e) {
      text = e.what();
    }
    CHECK(f.deleted == 0);
    return text;
  };
  CHECK(has(refused([](DLTensor& t, foreign&) { t.device = {kDLCUDA, 3}; }), "device type 2, number 3"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.dtype.lanes = 4; }), "code 2, 32 bits, 4 lanes"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.dtype = {kDLComplex, 64, 1}; }), "code 5, 64 bits"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.dtype = {kDLFloat, 8, 1}; }), "code 2, 8 bits"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.ndim = -1; }), "rank -1"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.shape = nullptr; }), "rank 2 without a shape"));
  CHECK(has(refused([](DLTensor&, foreign& f) { f.shape[1] = -3; }), "extent 1 of [2,-3] is negative"));
  CHECK(has(refused([](DLTensor&, foreign& f) { f.shape[0] = f.shape[1] = std::int64_t{1} << 40; }), "too large"));
  CHECK(has(refused([](DLTensor&, foreign& f) { f.strides[0] = INT64_MAX; }), "leaves the address space"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.byte_offset = 2; }), "not aligned to 4"));
  CHECK(has(refused([](DLTensor& t, foreign&) { t.data = nullptr; }), "is null"));
  CHECK_THROWS_AS(from_dlpack(static_cast<DLManagedTensor*>(nullptr)), argument_error);
}

TEST_CASE("to_dlpack: gives the elements away; the deleter frees them") {
  auto a = array<f32>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const float* const data = a.data();
  DLManagedTensor* const t = to_dlpack(std::move(a));
  CHECK(a.size() == 0);
  CHECK(t->dl_tensor.data == data);
  CHECK(t->dl_tensor.ndim == 2);
  CHECK(t->dl_tensor.shape[1] == 3);
  CHECK(t->dl_tensor.strides[0] == 3);
  CHECK(t->dl_tensor.strides[1] == 1);
  CHECK(sum(from_dlpack(t)) == 21);  // consumed here: the leak check sees whether it was freed
}

TEST_CASE("DLPack: every element type goes out and comes back") {
  const auto round_trip = []<dtype D>(std::integral_constant<dtype, D>) {
    const auto a = array<D>::uniform({3, 5}, 1);
    const dlpack_tensor t = from_dlpack(to_dlpack(array<D>(a)));
    const view<D> v = t;
    CHECK(t.type() == D);
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 5; ++j) CHECK(v(i, j) == a(i, j));
  };
  [&]<dtype... D>(std::integer_sequence<dtype, D...>) {
    (round_trip(std::integral_constant<dtype, D>{}), ...);
  }(std::integer_sequence<dtype, f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, b8>{});
  DLManagedTensor* const none = to_dlpack(array<f32>());
  CHECK(view<f32>(from_dlpack(none)).size() == 0);
}

#if defined(DLPACK_MAJOR_VERSION) && DLPACK_MAJOR_VERSION >= 1
TEST_CASE("DLPack 1.x: versions and the read-only flag") {
  auto* const t = to_dlpack_versioned(array<f32>::from({1, 2, 3, 4}, {2, 2}));
  t->version.major = 9;
  CHECK(has(text_of<argument_error>([&] { from_dlpack(t); }), "version 9."));
  t->version.major = 1;
  t->flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  dlpack_tensor u = from_dlpack(t);
  CHECK(sum(u) == 10);
  CHECK(has(text_of<argument_error>([&] { static_cast<void>(static_cast<mutable_view<f32>>(u)); }), "read-only"));
}
#endif
