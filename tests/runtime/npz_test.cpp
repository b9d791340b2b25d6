#include <doctest/doctest.h>
#include <zlib.h>

#include <functional>
#include <random>
#include <vector>

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

std::string npy_raw(const std::string& dictionary, const std::string& data, int version = 1) {
  return "\x93NUMPY" + little(static_cast<unsigned>(version), 1) + little(0, 1) +
         little(dictionary.size(), version == 1 ? 2 : 4) + dictionary + data;
}
std::string npy(const std::string& type, const std::string& shape, const std::string& data, bool fortran = false,
                int version = 1) {
  std::string d =
      "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  while ((d.size() + 11) % 64) d += ' ';
  return npy_raw(d + "\n", data, version);
}

std::string deflated(const std::string& s) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, s.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(s.data()));
  z.avail_in = static_cast<uInt>(s.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// Writes a zip archive, with whatever is to be wrong in it.
struct zip_writer {
  struct entry {
    std::string name, packed;
    unsigned method = 0, flags = 0;
    std::uint64_t size = 0, crc = 0, packed_size = 0;
    std::string local_name{};
    bool zip64 = false;
    std::int64_t header_at = -1;  // where it is, unless stated
  };
  std::vector<entry> entries;
  bool zip64 = false;
  std::string comment{};

  entry& add(const std::string& name, const std::string& bytes, bool deflate = false) {
    entry e;
    e.name = e.local_name = name;
    e.packed = deflate ? deflated(bytes) : bytes;
    e.method = deflate ? 8 : 0;
    e.size = bytes.size();
    e.packed_size = e.packed.size();
    e.crc = crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    entries.push_back(e);
    return entries.back();
  }
  std::string bytes() const {
    std::string file, directory;
    for (const entry& e : entries) {
      const std::uint64_t at = e.header_at < 0 ? file.size() : static_cast<std::uint64_t>(e.header_at);
      const std::string extra = e.zip64 ? little(0x7075, 2) + little(1, 2) + "x" + little(1, 2) + little(24, 2) +
                                              little(e.size, 8) + little(e.packed_size, 8) + little(at, 8)
                                        : "";
      const auto field = [&](std::uint64_t v) { return e.zip64 ? little(UINT32_MAX, 4) : little(v, 4); };
      const std::string common = little(20, 2) + little(e.flags, 2) + little(e.method, 2) + little(0, 4) +
                                 little(e.crc, 4) + field(e.packed_size) + field(e.size);
      file += "PK\3\4" + common + little(e.local_name.size(), 2) + little(4, 2) + e.local_name + std::string(4, '\0') +
              e.packed;
      directory += "PK\1\2" + little(20, 2) + common + little(e.name.size(), 2) + little(extra.size(), 2) +
                   little(0, 2) + little(0, 8) + field(at) + e.name + extra;
    }
    const std::uint64_t at = file.size(), n = entries.size();
    file += directory;
    if (zip64) {
      const std::uint64_t end = file.size();
      file += "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(n, 8) + little(n, 8) +
              little(directory.size(), 8) + little(at, 8);
      file += "PK\6\7" + little(0, 4) + little(end, 8) + little(1, 4);
      return file + "PK\5\6" + little(0, 4) + little(UINT16_MAX, 2) + little(UINT16_MAX, 2) + little(UINT32_MAX, 4) +
             little(UINT32_MAX, 4) + little(comment.size(), 2) + comment;
    }
    return file + "PK\5\6" + little(0, 4) + little(n, 2) + little(n, 2) + little(directory.size(), 4) + little(at, 4) +
           little(comment.size(), 2) + comment;
  }
};

/// The text of the load_error for a file of these bytes. It names the file.
std::string refused_npz(const std::string& bytes) {
  const folder f;
  const auto path = f.write("bad.npz", bytes);
  const std::string text = text_of<load_error>([&] { load_npz(path); });
  CHECK(has(text, path + ": "));
  return text;
}
std::string refused_npy(const std::string& bytes) {
  const folder f;
  const auto path = f.write("bad.npy", bytes);
  const std::string text = text_of<load_error>([&] { load_npy(path); });
  CHECK(has(text, path + ": "));
  // The same bytes as a member: the error names it.
  zip_writer z;
  z.add("w.npy", bytes);
  CHECK(has(refused_npz(z.bytes()), "member 'w.npy': "));
  return text;
}

const float six[] = {1, 2, 3, 4, 5, 6};
const std::string six_bytes = bytes_of(six);
const std::string good = npy("<f4", "(2, 3)", six_bytes);

/// The refusal of an archive of one good member after a change.
std::string refused_entry(bool deflate, const std::function<void(zip_writer&, zip_writer::entry&)>& change) {
  zip_writer z;
  change(z, z.add("w.npy", good, deflate));
  return refused_npz(z.bytes());
}

}  // namespace

TEST_CASE("load_npy: versions 1 to 3, C and Fortran order, keys in any order") {
  const folder f;
  for (int version : {1, 2, 3}) {
    const param_value v = load_npy(f.write("a", npy("<f4", "(2, 3)", six_bytes, false, version)));
    CHECK(v.dims() == dims{2, 3});
    CHECK(v.as<f32>()(1, 0) == 4);
  }
  const param_value t = load_npy(f.write("a", npy("<f4", "(2, 3)", six_bytes, true)));
  CHECK(t.as<f32>()(1, 0) == 2);
  CHECK(t.as<f32>()(0, 2) == 5);
  const param_value cube = load_npy(f.write("a", npy("|u1", "(2, 1, 3)", "abcdef", true)));
  CHECK(cube.as<u8>()(1, 0, 2) == 'f');
  CHECK(cube.as<u8>()(0, 0, 1) == 'c');
  CHECK(load_npy(f.write("a", npy("<f4", "()", six_bytes.substr(0, 4)))).rank() == 0);
  CHECK(load_npy(f.write("a", npy("<f4", "(6,)", six_bytes, true))).as<f32>()(5) == 6);
  CHECK(load_npy(f.write("a", npy("<f4", "(0, 7)", "", true))).dims() == dims{0, 7});
  CHECK(load_npy(f.write("a", npy_raw("{\"shape\":(6L,),\"fortran_order\":False,\"descr\":\"<f4\"}", six_bytes)))
            .size() == 6);
}

TEST_CASE("load_npy: every element type") {
  const folder f;
  const auto check = [&](const std::string& name, dtype type) {
    const auto n = static_cast<std::size_t>(size_of(type));
    const param_value v = load_npy(f.write("a", npy(name, "(1,)", std::string(n, '\1'))));
    CHECK(v.type() == type);
    CHECK(std::string(static_cast<const char*>(v.data()), n) == std::string(n, '\1'));
  };
  check("<f8", f64), check("<f4", f32), check("<f2", f16), check("<i8", i64), check("<i4", i32), check("<i2", i16);
  check("|i1", i8), check("<u8", u64), check("<u4", u32), check("<u2", u16), check("|u1", u8), check("|b1", b8);
}

TEST_CASE("load_npz: stored and deflated members, a comment, zip64") {
  const folder f;
  for (bool zip64 : {false, true})
    for (bool deflate : {false, true}) {
      zip_writer z;
      z.zip64 = zip64;
      z.comment = "any comment";
      z.add("w.npy", good, deflate).zip64 = zip64;
      z.add("layer/b.npy", npy("<i8", "(1000,)", std::string(8000, '\0')), deflate).zip64 = zip64;
      z.add("s.npy", npy("|b1", "()", "\1"), !deflate);
      const param_set p = load_npz(f.write("a.npz", z.bytes()));
      CHECK(p.names() == std::vector<std::string>{"layer/b", "s", "w"});
      CHECK(p["w"].as<f32>()(1, 2) == 6);
      CHECK(p["layer/b"].as<i64>()(999) == 0);
      CHECK(p["s"].as<b8>()());
    }
  CHECK(load_npz(f.write("a.npz", zip_writer().bytes())).size() == 0);
}

TEST_CASE("load_npy: files that are none") {
  CHECK(has(refused_npy(""), "has 0 bytes"));
  CHECK(has(refused_npy("\x93NUMPX, which is none"), "does not begin as a .npy file"));
  CHECK(has(refused_npy(good.substr(0, 9)), "ends 1 bytes early"));
  CHECK(has(refused_npy(good.substr(0, 20)), "but only 10 bytes follow"));
  CHECK(has(refused_npy(npy_raw("{}", "", 4)), "version 4.0"));
  CHECK(has(refused_npy(std::string("\x93NUMPY\2\0", 8) + little(UINT32_MAX, 4)),
            "length is 4294967295, the most is 1048576"));
  CHECK(has(refused_npy(npy_raw("{}", "")), "lacks one of descr"));
  CHECK(has(refused_npy(npy_raw("[]", "")), "has no { at byte 0"));
  CHECK(has(refused_npy(npy_raw("{'descr': '<f4', 'descr': '<f4'}", "")), "the key 'descr' twice"));
  CHECK(has(refused_npy(npy_raw("{'x': 1}", "")), "the unknown key 'x'"));
  CHECK(has(refused_npy(npy_raw("{'descr': '<f4", "")), "a string without end"));
  CHECK(has(refused_npy(npy_raw("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "")), "neither True nor False"));
  CHECK(has(refused_npy(npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': ()}x", "1234")),
            "goes on after its end"));
  CHECK(has(refused_npy(npy("<f4", "(x,)", "")), "no tuple of extents"));
  CHECK(has(refused_npy(npy("<f4", "(99999999999999999999,)", "")), "no tuple of extents"));
  CHECK(has(refused_npy(npy("<f4", "(2 3)", six_bytes)), "has no )"));
  CHECK(has(refused_npy(npy("<f4", "(-2, 3)", six_bytes)), "extent 0 of [-2,3] is negative"));
  CHECK(has(refused_npy(npy("<f4", "(1,1,1,1,1,1,1,2,3)", six_bytes)), "rank 9"));
  CHECK(has(refused_npy(npy("<f4", "(4294967296, 4294967296)", six_bytes)), "too large"));
  CHECK(has(refused_npy(npy("<f4", "(2, 4)", six_bytes)), "f32[2,4] has 32 bytes, but 24 follow"));
  CHECK(has(refused_npy(npy("<f4", "(1000000000000,)", six_bytes)), "has 4000000000000 bytes, but 24 follow"));
  CHECK(has(refused_npy(npy("<f4", "(2, 2)", six_bytes)), "f32[2,2] has 16 bytes, but 24 follow"));
  CHECK(has(refused_npy(npy(">f4", "(2, 3)", six_bytes)), "'>f4' is big-endian"));
  CHECK(has(refused_npy(npy("<c8", "(3,)", six_bytes)), "'<c8' is not supported"));
  CHECK(has(refused_npy(npy("|O", "(3,)", six_bytes)), "'|O' is not supported"));
  CHECK(has(refused_npy(npy("<U6", "(1,)", six_bytes)), "'<U6' is not supported"));
  CHECK(has(refused_npy(npy("|S24", "(1,)", six_bytes)), "'|S24' is not supported"));
  CHECK(has(refused_npy(npy("<M8[ns]", "(3,)", six_bytes)), "'<M8[ns]' is not supported"));
  CHECK(has(refused_npy(npy_raw("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "")), "structured"));
  CHECK(has(refused_npy(npy("|b1", "(3,)", "\1\1\3")), "byte 2 is 3, no bool"));
}

TEST_CASE("load_npz: archives that are none") {
  const folder f;
  CHECK(has(text_of<load_error>([&] { load_npz(f.path("missing")); }), "No such file"));
  CHECK(has(refused_npz(""), "its end record is missing in 0 bytes"));
  CHECK(has(refused_npz(good), "no zip archive"));
  zip_writer z;
  z.add("w.npy", good);
  const std::string bytes = z.bytes();
  CHECK(has(refused_npz(bytes.substr(0, bytes.size() - 1)), "no zip archive"));
  CHECK(has(refused_npz(bytes + "x"), "no zip archive"));
  CHECK(has(refused_npz(bytes.substr(10)), "the zip directory of"));
  const auto with = [&](std::size_t from_end, const std::string& part) {
    std::string b = bytes;
    b.replace(b.size() - from_end, part.size(), part);
    return refused_npz(b);
  };
  CHECK(has(with(18, little(1, 2)), "has several parts"));
  CHECK(has(with(14, little(2, 2) + little(2, 2)), "2 members in 51 bytes"));
  CHECK(has(with(14, little(9, 2)), "several parts"));
  CHECK(has(with(6, little(1, 4)), "no zip directory entry at byte 1"));
  CHECK(has(with(6, little(UINT32_MAX, 4)), "zip64 locator is missing"));
  CHECK(has(with(14 - 4, little(1 << 20, 4)), "does not end before byte"));
  CHECK(has(with(14 - 4, little(20, 4)), "1 members in 20 bytes"));
}

TEST_CASE("load_npz: members that are none") {
  using W = zip_writer;
  using E = zip_writer::entry;
  CHECK(has(refused_entry(false, [](W&, E& e) { e.crc ^= 1; }), "member 'w.npy': checksum "));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.crc ^= 1; }), "checksum "));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.packed[e.packed.size() - 1] ^= 1; }), "checksum "));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.packed[0] = '\7'; }), "damaged"));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.packed_size -= 5; }), "the deflated bytes"));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.packed += "xy", e.packed_size += 2; }), "do not end with the member"));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.size += 1; }), "but 25 follow"));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.size -= 1; }), "but 23 follow"));
  CHECK(has(refused_entry(true, [](W&, E& e) { e.size = 1 << 30; }), "says 1073741824 bytes, which"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.size += 1; }), "stored bytes cannot hold"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.flags = 1; }), "encrypted"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.method = 14; }), "compression method 14"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.name = e.local_name = "w.txt"; }), "not named NAME.npy"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.name = e.local_name = ".npy"; }), "not named NAME.npy"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.name = "v.npy"; }), "another name"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.header_at = 1; }), "no local header at byte 1"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.header_at = 1 << 30; }), "lies outside"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.packed_size = e.size = 1 << 30; }), "lie outside"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.packed_size = e.size = good.size() + 20; }),
            "overlaps the zip directory"));
  CHECK(has(refused_entry(false, [](W&, E& e) { e.packed_size = UINT32_MAX; }), "zip64 sizes are missing"));
  CHECK(has(refused_entry(false, [](W& z, E&) { z.add("w.npy", good); }), "is there twice"));
  CHECK(has(refused_entry(false, [](W& z, E&) { z.add("w.npy", good).header_at = 0; }), "overlaps another member"));
}

TEST_CASE("load_npz: random damage is a load_error or leaves a set that can be read") {
  const folder f;
  zip_writer z;
  z.zip64 = true;
  z.add("w.npy", good, true);
  z.add("t.npy", npy("<f4", "(2, 3)", six_bytes, true), false).zip64 = true;
  const std::string whole = z.bytes();
  std::mt19937 random(1);
  int loaded = 0, refusals = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bad = whole;
    for (auto n = random() % 4; n-- > 0;) bad[random() % bad.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    const auto path = f.write("b", bad);
    try {
      for (const param_value& v : load_npz(path)) detail::hash_bytes(v.data(), static_cast<std::size_t>(v.bytes()));
      ++loaded;
    } catch (const load_error&) {
      ++refusals;
    }
  }
  CHECK(loaded + refusals == 1000);
  CHECK(refusals > 400);
}
