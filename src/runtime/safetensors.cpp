// The safetensors format: 8 bytes of header length, a JSON header, the bytes of the tensors without gaps.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/mapped_file.hpp"

namespace tenon {
namespace {

using detail::cat;
using detail::quoted;
using json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the elements of a file are used in place");

constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t longest_header = 100'000'000;  // the bound of the reference implementation
constexpr std::string_view metadata_name = "__metadata__";

struct type_name {
  std::string_view in_file;
  dtype type;
};
constexpr type_name type_names[] = {{"F64", f64}, {"F32", f32}, {"F16", f16}, {"BF16", bf16}, {"I64", i64},
                                    {"I32", i32}, {"I16", i16}, {"I8", i8},   {"U64", u64},   {"U32", u32},
                                    {"U16", u16}, {"U8", u8},   {"BOOL", b8}};

/// The header of one tensor; bytes count from the end of the file's header.
struct entry {
  std::string name;
  dtype type = any_dtype;
  dims extents;
  std::uint64_t begin = 0, end = 0;
};

/// The file being read, for errors.
struct reader {
  const std::string& path;

  template <class... T>
  [[noreturn]] void fail(const T&... parts) const {
    throw load_error(cat(path, ": ", parts...));
  }
  template <class... T>
  [[noreturn]] void fail_tensor(std::string_view name, const T&... parts) const {
    fail("tensor ", quoted{name}, ": ", parts...);
  }

  /// Parses with bounded depth and without repeated keys, both of which the JSON library lets pass.
  json parse(std::string_view text) const {
    constexpr int deepest = 3;  // file, tensor, list
    std::vector<std::set<std::string>> keys;
    const auto check = [&](int depth, json::parse_event_t event, json& value) {
      if (depth > deepest) fail("the header is nested deeper than ", deepest);
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key) {
        auto key = value.get<std::string>();
        if (!keys.back().insert(key).second) fail("the header has the key ", quoted{key}, " twice");
      }
      return true;
    };
    try {
      return json::parse(text, check);
    } catch (const json::exception& e) {
      fail("the header is no JSON: ", std::string_view(e.what()).substr(0, 300));  // it quotes the last token whole
    }
  }

  std::uint64_t natural(const json& v, const char* what, std::string_view name) const {
    if (!v.is_number_unsigned()) fail_tensor(name, what, " is ", shown(v), ", not a natural number");
    return v.get<std::uint64_t>();
  }

  static std::string shown(const json& v) {
    std::string s = v.dump();
    if (s.size() > 100) s = s.substr(0, 100) + "...";
    return s;
  }

  entry read_entry(const std::string& name, const json& v) const {
    if (name.empty()) fail("a tensor has an empty name");
    if (!v.is_object()) fail_tensor(name, "is ", shown(v), ", not an object");
    for (const auto& [key, unused] : v.items())
      if (key != "dtype" && key != "shape" && key != "data_offsets") fail_tensor(name, "unknown key ", quoted{key});
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!v.contains(key)) fail_tensor(name, "no ", key);

    entry e;
    e.name = name;
    if (!v["dtype"].is_string()) fail_tensor(name, "dtype is ", shown(v["dtype"]), ", not a string");
    const auto& type = v["dtype"].get_ref<const std::string&>();
    const auto* const known = std::find_if(std::begin(type_names), std::end(type_names),
                                           [&](const type_name& t) { return t.in_file == type; });
    if (known == std::end(type_names)) fail_tensor(name, "element type ", quoted{type}, " is not supported");
    e.type = known->type;

    if (!v["shape"].is_array()) fail_tensor(name, "shape is ", shown(v["shape"]), ", not a list");
    std::vector<extent_t> shape;
    for (const json& x : v["shape"]) {
      const std::uint64_t extent = natural(x, "an extent", name);
      if (extent > INT64_MAX) fail_tensor(name, "an extent is ", extent);
      shape.push_back(static_cast<extent_t>(extent));
    }
    try {
      e.extents = detail::checked_view(nullptr, e.type, extents(shape), "shape").dims;
    } catch (const shape_error& s) {
      fail_tensor(name, s.what());
    }

    const json& offsets = v["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2)
      fail_tensor(name, "data_offsets is ", shown(offsets), ", not a pair");
    e.begin = natural(offsets[0], "a data offset", name);
    e.end = natural(offsets[1], "a data offset", name);
    const auto bytes = static_cast<std::uint64_t>(e.extents.count()) * static_cast<std::uint64_t>(size_of(e.type));
    if (e.end < e.begin || e.end - e.begin != bytes)
      fail_tensor(name, "data_offsets [", e.begin, ",", e.end, "] do not hold the ", bytes, " bytes of ", e.type,
                  e.extents);
    return e;
  }

  void check_metadata(const json& v) const {
    if (!v.is_object()) fail(metadata_name, " is ", shown(v), ", not an object");
    for (const auto& [key, value] : v.items())
      if (!value.is_string()) fail(metadata_name, ": ", quoted{key}, " is ", shown(value), ", not a string");
  }

  /// Every byte belongs to exactly one tensor: what else might hide there is not a parameter file.
  void check_places(std::vector<entry> entries, std::uint64_t bytes) const {
    std::sort(entries.begin(), entries.end(),
              [](const entry& a, const entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    std::uint64_t at = 0;
    for (const entry& e : entries) {
      if (e.end > bytes)
        fail_tensor(e.name, "data_offsets [", e.begin, ",", e.end, "] lie outside the ", bytes, " bytes of data");
      if (e.begin < at)
        fail_tensor(e.name, "data_offsets [", e.begin, ",", e.end, "] overlap those of another, which end at ", at);
      if (e.begin > at) fail_tensor(e.name, "data_offsets [", e.begin, ",", e.end, "] leave a gap after ", at);
      at = e.end;
    }
    if (at != bytes) fail("the tensors end at byte ", at, " of ", bytes, " bytes of data");
  }
};

/// A file that is written aside and takes its name at the end, or vanishes.
class file_aside {
 public:
  explicit file_aside(const std::string& path)
      : path_(path), aside_(cat(path, ".", ::getpid(), ".part")), file_(std::fopen(aside_.c_str(), "wbe")) {
    if (!file_) fail(errno);
  }
  ~file_aside() {
    if (file_) std::fclose(file_);
    if (!done_) ::unlink(aside_.c_str());
  }
  void write(const void* data, std::size_t bytes) {
    if (bytes && std::fwrite(data, 1, bytes, file_) != bytes) fail(errno);
  }
  void commit() {
    std::FILE* const f = std::exchange(file_, nullptr);
    if (std::fclose(f) != 0 || std::rename(aside_.c_str(), path_.c_str()) != 0) fail(errno);
    done_ = true;
  }

 private:
  [[noreturn]] void fail(int number) const {
    throw load_error(cat(path_, ": cannot be written: ", std::strerror(number)));
  }
  std::string path_, aside_;
  std::FILE* file_;
  bool done_ = false;
};

}  // namespace

param_set load_safetensors(const std::string& path) {
  const reader r{path};
  auto opened = detail::mapped_file::open(path);
  const std::span<const std::byte> file = opened->bytes();
  const detail::shared_ref owner(opened.release());
  if (file.size() < length_bytes) r.fail("has ", file.size(), " bytes, too few for the header's length");
  const auto length = detail::little_endian<std::uint64_t>(file.data());
  if (length > longest_header) r.fail("the header's length is ", length, ", the most is ", longest_header);
  if (length > file.size() - length_bytes)
    r.fail("the header's length is ", length, ", but only ", file.size() - length_bytes, " bytes follow");
  const auto header = file.subspan(length_bytes, static_cast<std::size_t>(length));
  const auto data = file.subspan(length_bytes + static_cast<std::size_t>(length));
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  if (!text.starts_with('{')) r.fail("the header does not begin with '{'");

  const json parsed = r.parse(text);
  std::vector<entry> entries;
  for (const auto& [name, value] : parsed.items()) {
    if (name == metadata_name)
      r.check_metadata(value);
    else
      entries.push_back(r.read_entry(name, value));
  }
  r.check_places(entries, data.size());

  param_set params;
  for (const entry& e : entries) {
    const auto bytes = data.subspan(e.begin, e.end - e.begin);
    if (e.type == b8)
      if (const auto at = detail::find_no_bool(bytes); at >= 0)
        r.fail_tensor(e.name, "byte ", at, " is ", std::to_integer<unsigned>(bytes[static_cast<std::size_t>(at)]),
                      ", no bool");
    const auto v = detail::checked_view(bytes.empty() ? nullptr : bytes.data(), e.type, e.extents, "shape");
    const auto misaligned = reinterpret_cast<std::uintptr_t>(v.data) % static_cast<std::uintptr_t>(size_of(e.type));
    if (misaligned) {
      detail::array_storage copy(e.type, e.extents, nullptr);
      std::memcpy(copy.get().data, bytes.data(), bytes.size());
      params.set(detail::own(e.name, std::move(copy)));
    } else {
      params.set(param_value(e.name, v, owner));
    }
  }
  return params;
}

void save_safetensors(const std::string& path, const param_set& params) {
  // Large elements first, so that all are aligned; the data begin at a multiple of 64.
  std::vector<const param_value*> order;
  for (const param_value& v : params) order.push_back(&v);
  std::sort(order.begin(), order.end(), [](const param_value* a, const param_value* b) {
    const int m = size_of(a->type()), n = size_of(b->type());
    return m != n ? m > n : a->name() < b->name();
  });
  json header = json::object();
  std::int64_t at = 0;
  for (const param_value* v : order) {
    if (v->name() == metadata_name)
      throw argument_error(cat(path, ": a tensor cannot be named ", quoted{metadata_name}, " in this format"));
    const auto* const known = std::find_if(std::begin(type_names), std::end(type_names),
                                           [&](const type_name& t) { return t.type == v->type(); });
    header[v->name()] = {{"dtype", known->in_file},
                         {"shape", std::vector<extent_t>(v->dims().begin(), v->dims().end())},
                         {"data_offsets", {at, at + v->bytes()}}};
    at += v->bytes();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& e) {
    throw argument_error(cat(path, ": a name is not UTF-8: ", e.what()));
  }
  text.resize((text.size() + length_bytes + 63) / 64 * 64 - length_bytes, ' ');

  const auto length = static_cast<std::uint64_t>(text.size());
  file_aside file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const param_value* v : order) file.write(v->data(), static_cast<std::size_t>(v->bytes()));
  file.commit();
}

}  // namespace tenon
