// NumPy's files: .npy (a header that is a Python dictionary, then the elements) and .npz (a zip archive of them).
// Formats: numpy.lib.format's documentation; PKWARE's APPNOTE.TXT for zip.
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <set>

#include "runtime/mapped_file.hpp"

namespace tenon {
namespace {

using detail::cat;
using detail::little_endian;
using detail::quoted;
using bytes_t = std::span<const std::byte>;

static_assert(std::endian::native == std::endian::little, "elements are copied as they stand in the file");

std::string_view as_text(bytes_t b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

/// Says which file, and which member of it, is wrong.
struct place {
  const std::string& path;
  std::string_view member = {};

  template <class... T>
  [[noreturn]] void fail(const T&... parts) const {
    if (member.data()) throw load_error(cat(path, ": member ", quoted{member}, ": ", parts...));
    throw load_error(cat(path, ": ", parts...));
  }
};

// ---------------------------------------------------------------- the bytes of a member

/// The bytes of a stored or deflated member, in order. Never gives more than the size that was announced.
class member_stream {
 public:
  member_stream(place where, bytes_t packed, bool deflated, std::uint64_t size)
      : where_(where), packed_(packed), deflated_(deflated), left_(size) {
    // Deflate shrinks at most 1032 times: a larger claim is a lie, and is found before memory is asked for.
    if (deflated ? size / 1032 > packed.size() : size != packed.size())
      where_.fail("says ", size, " bytes, which ", packed.size(), deflated ? " deflated" : " stored",
                  " bytes cannot hold");
    if (deflated_ && inflateInit2(&z_, -MAX_WBITS) != Z_OK) where_.fail("zlib cannot start");
  }
  member_stream(const member_stream&) = delete;
  member_stream& operator=(const member_stream&) = delete;
  ~member_stream() {
    if (deflated_) inflateEnd(&z_);
  }

  std::uint64_t left() const { return left_; }

  void read(void* to, std::uint64_t n) {
    if (n > left_) where_.fail("ends ", n - left_, " bytes early");
    left_ -= n;
    auto* p = static_cast<std::byte*>(to);
    while (n > 0) {
      const auto part = static_cast<uInt>(std::min<std::uint64_t>(n, 1u << 30));  // zlib counts in 32 bits
      if (deflated_) {
        inflate_into(p, part);
      } else {
        std::memcpy(p, packed_.data(), part);
        packed_ = packed_.subspan(part);
      }
      crc_ = crc32(crc_, reinterpret_cast<const Bytef*>(p), part);
      p += part;
      n -= part;
    }
  }

  /// Everything was read; the packed bytes end here too, and the checksum is right.
  void finish(std::uint32_t crc) {
    if (left_) where_.fail(left_, " bytes are left after the elements");
    if (deflated_) {
      std::byte none[1];
      z_.next_out = reinterpret_cast<Bytef*>(none);
      z_.avail_out = 1;
      if (step() != Z_STREAM_END || z_.avail_out != 1 || z_.avail_in || !packed_.empty())
        where_.fail("the deflated bytes do not end with the member");
    }
    if (crc_ != crc) where_.fail("checksum ", crc_, ", should be ", crc);
  }

 private:
  int step() {
    if (z_.avail_in == 0 && !packed_.empty()) {
      const auto part = std::min<std::size_t>(packed_.size(), 1u << 30);
      z_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed_.data()));
      z_.avail_in = static_cast<uInt>(part);
      packed_ = packed_.subspan(part);
    }
    return inflate(&z_, Z_NO_FLUSH);
  }
  void inflate_into(std::byte* p, uInt n) {
    z_.next_out = reinterpret_cast<Bytef*>(p);
    z_.avail_out = n;
    while (z_.avail_out) {
      const int status = step();
      if (status == Z_STREAM_END && z_.avail_out) where_.fail("the deflated bytes end early");
      if (status != Z_OK && status != Z_STREAM_END)
        where_.fail("the deflated bytes are damaged: ", z_.msg ? z_.msg : "they end early");
    }
  }

  place where_;
  bytes_t packed_;
  bool deflated_;
  std::uint64_t left_;
  uLong crc_ = crc32(0, nullptr, 0);
  z_stream z_{};
};

// ---------------------------------------------------------------- .npy

struct npy_header {
  dtype type = any_dtype;
  bool fortran = false;
  dims extents;
};

/// Reads the dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with its keys in any order.
class header_parser {
 public:
  header_parser(place where, std::string_view s) : where_(where), all_(s), s_(s) {}

  npy_header parse() {
    npy_header h;
    std::set<std::string_view> keys;
    std::vector<extent_t> shape;
    expect('{');
    while (!take('}')) {
      const std::string_view key = string();
      if (!keys.insert(key).second) fail("has the key ", quoted{key}, " twice");
      expect(':');
      if (key == "descr")
        h.type = type();
      else if (key == "fortran_order")
        h.fortran = boolean();
      else if (key == "shape")
        shape = tuple();
      else
        fail("has the unknown key ", quoted{key});
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!s_.empty()) fail("goes on after its end");
    if (keys.size() != 3) fail("lacks one of descr, fortran_order and shape");
    try {
      h.extents = detail::checked_view(nullptr, h.type, extents(shape), "shape").dims;
    } catch (const shape_error& e) {
      where_.fail(e.what());
    }
    return h;
  }

 private:
  template <class... T>
  [[noreturn]] void fail(const T&... parts) const {
    where_.fail("the header ", quoted{all_}, " ", parts...);
  }
  void skip_blanks() {
    const auto n = s_.find_first_not_of(" \t\n");
    s_.remove_prefix(n == s_.npos ? s_.size() : n);
  }
  bool take(char c) {
    skip_blanks();
    if (!s_.starts_with(c)) return false;
    s_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail("has no ", std::string_view(&c, 1), " at byte ", all_.size() - s_.size());
  }
  bool take_word(std::string_view w) {
    skip_blanks();
    if (!s_.starts_with(w)) return false;
    s_.remove_prefix(w.size());
    return true;
  }
  std::string_view string() {
    skip_blanks();
    const char quote = s_.starts_with('"') ? '"' : '\'';
    expect(quote);
    const auto n = s_.find(quote);
    if (n == s_.npos) fail("has a string without end");
    const std::string_view text = s_.substr(0, n);
    s_.remove_prefix(n + 1);
    return text;
  }
  bool boolean() {
    if (take_word("True")) return true;
    if (!take_word("False")) fail("has a fortran_order that is neither True nor False");
    return false;
  }
  std::vector<extent_t> tuple() {
    std::vector<extent_t> v;
    expect('(');
    while (!take(')')) {
      skip_blanks();
      extent_t e = 0;
      const auto [end, status] = std::from_chars(s_.data(), s_.data() + s_.size(), e);
      if (status != std::errc()) fail("has a shape that is no tuple of extents");
      s_.remove_prefix(static_cast<std::size_t>(end - s_.data()));
      take('L');  // Python 2 wrote long integers so
      v.push_back(e);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return v;
  }
  dtype type() {
    skip_blanks();
    if (s_.starts_with('[')) where_.fail("structured element types are not supported");
    const std::string_view t = string();
    struct entry {
      std::string_view name;
      dtype type;
    };
    static constexpr entry known[] = {{"f8", f64}, {"f4", f32}, {"f2", f16}, {"i8", i64}, {"i4", i32}, {"i2", i16},
                                      {"u8", u64}, {"u4", u32}, {"u2", u16}, {"i1", i8},  {"u1", u8},  {"b1", b8}};
    if (t.size() == 3) {
      for (const entry& e : known) {
        if (t.substr(1) != e.name) continue;
        if (t[0] == '<' || (size_of(e.type) == 1 && t[0] == '|')) return e.type;
        if (t[0] == '>') where_.fail("element type ", quoted{t}, " is big-endian, which is not supported");
      }
    }
    where_.fail("element type ", quoted{t}, " is not supported");
  }

  place where_;
  std::string_view all_, s_;
};

param_value read_npy(place where, member_stream& in, std::string name) {
  constexpr std::string_view magic = "\x93NUMPY";
  constexpr std::uint32_t longest_header = 1 << 20;
  std::byte start[8];
  if (in.left() < sizeof start) where.fail("has ", in.left(), " bytes, too few for a .npy header");
  in.read(start, sizeof start);
  if (as_text(start).substr(0, 6) != magic) where.fail("does not begin as a .npy file");
  const auto version = std::to_integer<unsigned>(start[6]);
  if (version < 1 || version > 3)
    where.fail("has .npy version ", version, ".", std::to_integer<unsigned>(start[7]), ", 1 to 3 are read");
  std::byte length_bytes[4]{};
  in.read(length_bytes, version == 1 ? 2 : 4);
  const auto length = little_endian<std::uint32_t>(length_bytes);
  if (length > longest_header) where.fail("the header's length is ", length, ", the most is ", longest_header);
  if (length > in.left()) where.fail("the header's length is ", length, ", but only ", in.left(), " bytes follow");
  std::string text(length, ' ');
  in.read(text.data(), length);

  const npy_header h = header_parser(where, text).parse();
  const auto bytes = static_cast<std::uint64_t>(h.extents.count()) * static_cast<std::uint64_t>(size_of(h.type));
  if (bytes != in.left())
    where.fail(h.type, h.extents, " has ", bytes, " bytes, but ", in.left(), " follow the header");
  detail::array_storage s(h.type, h.extents, nullptr);
  in.read(s.get().data, bytes);
  if (h.type == b8) {
    const bytes_t elements(static_cast<const std::byte*>(s.get().data), bytes);
    if (const auto at = detail::find_no_bool(elements); at >= 0)
      where.fail("byte ", at, " is ", std::to_integer<unsigned>(elements[static_cast<std::size_t>(at)]), ", no bool");
  }
  if (h.fortran && h.extents.rank > 1) {
    std::vector<extent_t> strides;
    for (extent_t stride = 1; extent_t e : h.extents) {
      strides.push_back(stride);
      stride *= std::max<extent_t>(e, 1);
    }
    detail::array_storage rows(h.type, h.extents, nullptr);
    detail::copy_elements(rows.get(), detail::checked_view(s.get().data, h.type, h.extents, strides, "fortran_order"));
    s = std::move(rows);
  }
  return detail::own(std::move(name), std::move(s));
}

// ---------------------------------------------------------------- zip

struct member {
  std::string_view name;
  std::uint32_t crc = 0;
  bool deflated = false;
  std::uint64_t packed_size = 0, size = 0, header_at = 0;
  std::uint64_t data_at = 0;
};

class archive {
 public:
  archive(const std::string& path, bytes_t file) : path_(path), file_(file) {}

  /// All members, with their places checked against the file and one another.
  std::vector<member> members() {
    const directory d = find_directory();
    std::vector<member> all;
    std::uint64_t at = d.at;
    for (std::uint64_t i = 0; i < d.count; ++i) all.push_back(read_member(at, d.at + d.size));
    if (at != d.at + d.size) where().fail("the zip directory has ", d.at + d.size - at, " bytes too many");

    // Members that share bytes could blow a small file up without bound.
    std::vector<const member*> by_place;
    for (const member& m : all) by_place.push_back(&m);
    std::sort(by_place.begin(), by_place.end(),
              [](const member* a, const member* b) { return a->header_at < b->header_at; });
    std::uint64_t end = 0;
    for (const member* m : by_place) {
      if (m->header_at < end) where(m->name).fail("overlaps another member");
      end = m->data_at + m->packed_size;
    }
    if (end > d.at) where(by_place.back()->name).fail("overlaps the zip directory");
    return all;
  }
  bytes_t data(const member& m) const { return file_.subspan(m.data_at, m.packed_size); }
  place where(std::string_view member = {}) const { return {path_, member}; }

 private:
  struct directory {
    std::uint64_t at = 0, size = 0, count = 0;
  };
  static constexpr std::uint32_t end_signature = 0x06054b50, end64_signature = 0x06064b50,
                                 locator64_signature = 0x07064b50, entry_signature = 0x02014b50,
                                 local_signature = 0x04034b50;
  static constexpr std::uint64_t end_bytes = 22, end64_bytes = 56, locator64_bytes = 20, entry_bytes = 46,
                                 local_bytes = 30;

  /// `n` bytes at `at`, or a load_error.
  const std::byte* need(std::uint64_t at, std::uint64_t n, const char* what) const {
    if (at > file_.size() || n > file_.size() - at)
      where().fail("the ", what, " at byte ", at, " lies outside the ", file_.size(), " bytes of the file");
    return file_.data() + at;
  }
  static std::uint16_t u16_at(const std::byte* p) { return little_endian<std::uint16_t>(p); }
  static std::uint32_t u32_at(const std::byte* p) { return little_endian<std::uint32_t>(p); }
  static std::uint64_t u64_at(const std::byte* p) { return little_endian<std::uint64_t>(p); }

  /// The end record is found from behind: a comment of up to 65535 bytes may follow it.
  std::uint64_t find_end() const {
    if (file_.size() >= end_bytes) {
      const std::uint64_t last = file_.size() - end_bytes, longest_comment = 65535;
      for (std::uint64_t at = last + 1; at-- > (last > longest_comment ? last - longest_comment : 0);)
        if (u32_at(file_.data() + at) == end_signature && u16_at(file_.data() + at + 20) == last - at) return at;
    }
    where().fail("no zip archive: its end record is missing in ", file_.size(), " bytes");
  }

  directory find_directory() const {
    const std::uint64_t end_at = find_end();
    const std::byte* const e = file_.data() + end_at;
    directory d{u32_at(e + 16), u32_at(e + 12), u16_at(e + 10)};
    std::uint64_t limit = end_at;
    bool one_disk = u16_at(e + 4) == 0 && u16_at(e + 6) == 0 && u16_at(e + 8) == d.count;
    if (d.at == UINT32_MAX || d.size == UINT32_MAX || d.count == UINT16_MAX) {
      if (end_at < locator64_bytes) where().fail("the zip64 locator is missing");
      const std::byte* const l = file_.data() + end_at - locator64_bytes;
      if (u32_at(l) != locator64_signature) where().fail("the zip64 locator is missing");
      limit = u64_at(l + 8);
      const std::byte* const r = need(limit, end64_bytes, "zip64 end record");
      if (u32_at(r) != end64_signature) where().fail("the zip64 end record is missing at byte ", limit);
      d = {u64_at(r + 48), u64_at(r + 40), u64_at(r + 32)};
      one_disk = u32_at(r + 16) == 0 && u32_at(r + 20) == 0 && u64_at(r + 24) == d.count;
    }
    if (!one_disk) where().fail("the zip archive has several parts, which is not supported");
    if (d.at > limit || d.size > limit - d.at)
      where().fail("the zip directory of ", d.size, " bytes at ", d.at, " does not end before byte ", limit);
    if (d.count > d.size / entry_bytes)
      where().fail("the zip directory says ", d.count, " members in ", d.size, " bytes");
    return d;
  }

  /// Reads the directory's entry at `at` and moves `at` behind it.
  member read_member(std::uint64_t& at, std::uint64_t end) const {
    if (end - at < entry_bytes) where().fail("the zip directory ends early, at byte ", end);
    const std::byte* const e = file_.data() + at;
    if (u32_at(e) != entry_signature) where().fail("no zip directory entry at byte ", at);
    const std::uint64_t name_size = u16_at(e + 28), extra_size = u16_at(e + 30), comment_size = u16_at(e + 32);
    if (end - at - entry_bytes < name_size + extra_size + comment_size)
      where().fail("the zip directory ends early, at byte ", end);
    member m;
    m.name = as_text(file_.subspan(at + entry_bytes, name_size));
    const place here = where(m.name);
    const unsigned flags = u16_at(e + 8), method = u16_at(e + 10);
    if (flags & 0x2041) here.fail("is encrypted, which is not supported");
    if (method != 0 && method != 8)
      here.fail("compression method ", method, " is not supported: stored (0) and deflate (8) are");
    m.deflated = method == 8;
    m.crc = u32_at(e + 16);
    m.packed_size = u32_at(e + 20);
    m.size = u32_at(e + 24);
    m.header_at = u32_at(e + 42);
    read_zip64(here, file_.subspan(at + entry_bytes + name_size, extra_size), m);
    at += entry_bytes + name_size + extra_size + comment_size;

    const std::byte* const l = need(m.header_at, local_bytes, "local header");
    if (u32_at(l) != local_signature) here.fail("no local header at byte ", m.header_at);
    if (u16_at(l + 8) != method) here.fail("the local header has another compression method");
    const std::uint64_t local_name = u16_at(l + 26);
    m.data_at = m.header_at + local_bytes + local_name + u16_at(l + 28);
    need(m.header_at + local_bytes, local_name, "local name");
    if (as_text(file_.subspan(m.header_at + local_bytes, local_name)) != m.name)
      here.fail("the local header has another name");
    if (m.data_at > file_.size() || m.packed_size > file_.size() - m.data_at)
      here.fail(m.packed_size, " bytes at ", m.data_at, " lie outside the ", file_.size(), " bytes of the file");
    return m;
  }

  /// Fields that do not fit 32 bits stand in an extra field, in this order, each only when needed.
  static void read_zip64(const place& here, bytes_t extra, member& m) {
    constexpr unsigned zip64 = 1;
    bool need_size = m.size == UINT32_MAX, need_packed = m.packed_size == UINT32_MAX,
         need_at = m.header_at == UINT32_MAX;
    while (extra.size() >= 4 && (need_size || need_packed || need_at)) {
      const unsigned id = u16_at(extra.data());
      const std::size_t n = u16_at(extra.data() + 2);
      if (n > extra.size() - 4) break;
      bytes_t field = extra.subspan(4, n);
      extra = extra.subspan(4 + n);
      if (id != zip64) continue;
      const auto take = [&](bool& needed, std::uint64_t& to) {
        if (!needed || field.size() < 8) return;
        to = u64_at(field.data());
        field = field.subspan(8);
        needed = false;
      };
      take(need_size, m.size);
      take(need_packed, m.packed_size);
      take(need_at, m.header_at);
    }
    if (need_size || need_packed || need_at) here.fail("its zip64 sizes are missing");
  }

  const std::string& path_;
  bytes_t file_;
};

}  // namespace

param_set load_npz(const std::string& path) {
  const auto file = detail::mapped_file::open(path);
  archive zip(path, file->bytes());
  param_set params;
  for (const member& m : zip.members()) {
    const place where = zip.where(m.name);
    constexpr std::string_view suffix = ".npy";
    if (!m.name.ends_with(suffix) || m.name.size() == suffix.size()) where.fail("is not named NAME.npy");
    const std::string name(m.name.substr(0, m.name.size() - suffix.size()));
    if (params.contains(name)) where.fail("is there twice");
    member_stream in(where, zip.data(m), m.deflated, m.size);
    param_value v = read_npy(where, in, name);
    in.finish(m.crc);
    params.set(std::move(v));
  }
  return params;
}

param_value load_npy(const std::string& path) {
  const auto file = detail::mapped_file::open(path);
  const place where{path};
  member_stream in(where, file->bytes(), false, file->bytes().size());
  return read_npy(where, in, {});
}

}  // namespace tenon
