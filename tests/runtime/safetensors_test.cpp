#include <doctest/doctest.h>

#include <random>

#include "files.hpp"
#include "tenon/core/error.hpp"
#include "tenon/core/hash.hpp"
#include "tenon/runtime/param_set.hpp"

using namespace tenon;
using test::bytes_of;
using test::folder;
using test::has;
using test::little;
using test::text_of;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  return little(header.size(), 8) + header + data;
}

/// The text of the load_error for a file of these bytes. It names the file.
std::string refused(const std::string& bytes) {
  const folder f;
  const auto path = f.write("bad.safetensors", bytes);
  const std::string text = text_of<load_error>([&] { load_safetensors(path); });
  CHECK(has(text, path + ": "));
  return text;
}
std::string refused(const std::string& header, const std::string& data) { return refused(file_of(header, data)); }

const std::string eight(8, '\0');

}  // namespace

TEST_CASE("load_safetensors: types, extents and elements, in place") {
  const folder f;
  const float w[] = {1, 2, 3, 4, 5, 6};
  const std::int64_t s = -7;
  std::string header =
      R"({"__metadata__":{"format":"pt"},"layer.w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
      R"("s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"none":{"dtype":"F16","shape":[4,0],"data_offsets":[32,32]},)"
      R"("flags":{"dtype":"BOOL","shape":[3],"data_offsets":[32,35]}})";
  while (header.size() % 8) header += ' ';
  const auto p = load_safetensors(f.write("a", file_of(header, bytes_of(s) + bytes_of(w) + std::string("\1\0\1", 3))));
  CHECK(p.names() == std::vector<std::string>{"flags", "layer.w", "none", "s"});
  CHECK(p["layer.w"].as<f32>()(1, 2) == 6);
  CHECK(p["s"].as<i64>()() == -7);
  CHECK(p["none"].dims() == dims{4, 0});
  CHECK(p["flags"].as<b8>()(0));
  CHECK_FALSE(p["flags"].as<b8>()(1));
  // In place: one mapping holds both.
  CHECK(static_cast<const char*>(p["layer.w"].data()) - static_cast<const char*>(p["s"].data()) == 8);
}

TEST_CASE("load_safetensors: parameters outlive the set and the file's name") {
  param_value kept;
  {
    const folder f;
    const auto path = f.path("a");
    param_set p;
    p.set("w", array<f32>::uniform({100, 100}, 3));
    save_safetensors(path, p);
    kept = load_safetensors(path)["w"];
  }
  CHECK(kept.as<f32>()(99, 99) == array<f32>::uniform({100, 100}, 3)(99, 99));
}

TEST_CASE("load_safetensors: misaligned elements are copied") {
  const folder f;
  const float w[] = {1, 2};
  std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const auto p = load_safetensors(f.write("a", file_of(header, "\5" + bytes_of(w))));
  CHECK(reinterpret_cast<std::uintptr_t>(p["w"].data()) % 4 == 0);
  CHECK(p["w"].as<f32>()(1) == 2);
  CHECK(p["b"].as<u8>()(0) == 5);
}

TEST_CASE("save_safetensors: everything comes back; the file takes its name at the end") {
  const folder f;
  param_set p;
  p.set("f64", array<f64>::uniform({3}, 1))
      .set("f32", array<f32>::uniform({2, 2}, 2))
      .set("f16", array<f16>::uniform({5}, 3));
  p.set("bf16", array<bf16>::uniform({5}, 4))
      .set("i64", array<i64>::uniform({5}, 5))
      .set("i32", array<i32>::uniform({5}, 6));
  p.set("i16", array<i16>::uniform({5}, 7))
      .set("i8", array<i8>::uniform({5}, 8))
      .set("u64", array<u64>::uniform({5}, 9));
  p.set("u32", array<u32>::uniform({5}, 10))
      .set("u16", array<u16>::uniform({5}, 11))
      .set("u8", array<u8>::uniform({5}, 12));
  p.set("b8", array<b8>::uniform({5}, 13))
      .set("empty", array<f32>::zeros({2, 0}))
      .set("scalar", array<f32>::full({}, 3));
  p.set("\"quoted\" \xc3\xa9", array<f32>::full({1}, 4));
  save_safetensors(f.path("a"), p);
  CHECK(f.files() == 1);
  const auto q = load_safetensors(f.path("a"));
  CHECK(q.names() == p.names());
  for (const param_value& v : p) {
    const param_value& w = q[v.name()];
    CHECK(w.type() == v.type());
    CHECK(w.dims() == v.dims());
    const auto n = static_cast<std::size_t>(v.bytes());
    CHECK(std::string(static_cast<const char*>(w.data()), n) == std::string(static_cast<const char*>(v.data()), n));
  }
  save_safetensors(f.path("b"), param_set());
  CHECK(load_safetensors(f.path("b")).size() == 0);
}

TEST_CASE("save_safetensors: what it refuses leaves nothing behind") {
  const folder f;
  param_set bad_name, good;
  bad_name.set("\xff\xfe", array<f32>());
  CHECK_THROWS_AS(save_safetensors(f.path("a"), bad_name), argument_error);
  param_set reserved;
  reserved.set("__metadata__", array<f32>());
  CHECK_THROWS_AS(save_safetensors(f.path("a"), reserved), argument_error);
  CHECK(has(text_of<load_error>([&] { save_safetensors(f.path("no/such/folder"), good); }), "cannot be written"));
  CHECK(f.files() == 0);
  f.write("a", "old");
  good.set("w", array<f32>::full({1}, 1));
  save_safetensors(f.path("a"), good);
  CHECK(load_safetensors(f.path("a")).size() == 1);
}

TEST_CASE("load_safetensors: files that are none") {
  const folder f;
  CHECK(has(text_of<load_error>([&] { load_safetensors(f.path("missing")); }), "No such file"));
  CHECK(has(text_of<load_error>([&] { load_safetensors(f.path("")); }), "not a regular file"));
  CHECK(has(refused(""), "0 bytes, too few"));
  CHECK(has(refused("1234567"), "7 bytes, too few"));
  CHECK(has(refused(little(100, 8) + "{}"), "length is 100, but only 2 bytes follow"));
  CHECK(has(refused(little(UINT64_MAX, 8) + "{}"), "length is 18446744073709551615, the most is 100000000"));
  CHECK(has(refused("", ""), "does not begin with '{'"));
  CHECK(has(refused(" {}", ""), "does not begin with '{'"));
  CHECK(has(refused("[]", ""), "does not begin with '{'"));
  CHECK(has(refused("{\"a\":", ""), "no JSON"));
  CHECK(has(refused("{}x", ""), "no JSON"));
  CHECK(has(refused("{\"\xff\":1}", ""), "no JSON"));
  CHECK(has(refused("{}", "1234"), "the tensors end at byte 0 of 4"));
  CHECK(has(refused(R"({"a":[[[[[[1]]]]]]})", ""), "nested deeper"));
  CHECK(has(refused("{\"a\":" + std::string(100000, '['), ""), "nested deeper"));
  CHECK(has(refused(R"({"__metadata__":3})", ""), "__metadata__ is 3"));
  CHECK(has(refused(R"({"__metadata__":{"a":{}}})", ""), "__metadata__: 'a' is {}"));
}

TEST_CASE("load_safetensors: tensors that are none") {
  CHECK(has(refused(R"({"a":1})", ""), "tensor 'a': is 1, not an object"));
  CHECK(has(refused(R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight), "empty name"));
  CHECK(has(refused(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", eight), "tensor 'a': no dtype"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", eight), "tensor 'a': no shape"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2]}})", eight), "tensor 'a': no data_offsets"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", eight), "unknown key 'x'"));
  CHECK(has(refused(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", eight),
            "'F8_E4M3' is not supported"));
  CHECK(has(refused(R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", eight), "dtype is 4"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", eight), "shape is 2"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight), "an extent is -2"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", eight), "an extent is 2.5"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", eight), "an extent is \"2\""));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", eight),
            "an extent is 18446744073709551615"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", eight), "rank 9"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", eight),
            "too large"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight),
            "do not hold the 12 bytes of f32[3]"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight), "[8,0] do not hold"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", eight), "not a pair"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-1,7]}})", eight), "a data offset is -1"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", eight),
            "[4,12] lie outside the 8 bytes"));
  CHECK(has(refused(R"({"a":{"dtype":"BOOL","shape":[8],"data_offsets":[0,8]}})", std::string(7, '\0') + "\2"),
            "byte 7 is 2, no bool"));
  CHECK(has(
      refused(
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
          eight),
      "tensor 'b': data_offsets [0,8] overlap"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight), "leave a gap after 0"));
  CHECK(has(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight), "end at byte 4 of 8"));
  CHECK(has(
      refused(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
          eight),
      "the key 'a' twice"));
}

TEST_CASE("load_safetensors: random damage is a load_error or leaves a set that can be read") {
  const folder f;
  param_set p;
  p.set("w", array<f32>::uniform({3, 4}, 1)).set("b", array<b8>::uniform({5}, 2)).set("s", array<i16>::full({}, 3));
  save_safetensors(f.path("a"), p);
  const std::string good = f.read("a");
  std::mt19937 random(1);
  int loaded = 0, refusals = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bad = good;
    for (auto n = random() % 4; n-- > 0;) bad[random() % bad.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    const auto path = f.write("b", bad);
    try {
      for (const param_value& v : load_safetensors(path))
        detail::hash_bytes(v.data(), static_cast<std::size_t>(v.bytes()));
      ++loaded;
    } catch (const load_error&) {
      ++refusals;
    }
  }
  CHECK(loaded + refusals == 1000);
  CHECK(refusals > 400);
}
