// TensorProto: elements in the file, in another file, or one by one in the message.
#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "onnx/proto.hpp"
#include "onnx/wire.hpp"
#include "runtime/mapped_file.hpp"

namespace tenon::onnx {
namespace {

struct tensor_fields {
  std::string_view name, raw;
  std::int64_t type = 0;
  std::vector<std::int64_t> extents;
  bool has_raw = false, external = false;
  std::string_view location;
  std::uint64_t offset = 0, length = 0;
  bool has_length = false;
};

std::uint64_t number_in(std::string_view text, const std::string& what) {
  std::uint64_t v = 0;
  if (text.empty() || text.size() > 18) throw load_error(fmt::format("{}: '{}' is no number", what, text));
  for (char c : text) {
    if (c < '0' || c > '9') throw load_error(fmt::format("{}: '{}' is no number", what, text));
    v = v * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return v;
}
void read_external(std::string_view message, tensor_fields& t) {
  std::string_view key, value;
  wire_reader r(message);
  for (field f; r.next(f);) {
    if (f.number == 1) key = f.bytes;
    if (f.number == 2) value = f.bytes;
  }
  const std::string what = fmt::format("tensor '{}': external data's {}", t.name, key);
  if (key == "location") t.location = value;
  if (key == "offset") t.offset = number_in(value, what);
  if (key == "length") {
    t.length = number_in(value, what);
    t.has_length = true;
  }
}
tensor_fields read_fields(std::string_view message) {
  tensor_fields t;
  std::vector<std::string_view> external;
  wire_reader r(message);
  for (field f; r.next(f);) switch (f.number) {
      case 1:
        for_each_number(f, wire::varint, [&](const field& e) {
          if (t.extents.size() <= static_cast<std::size_t>(dims::max_rank)) t.extents.push_back(e.integer());
        });
        break;
      case 2:
        t.type = f.integer();
        break;
      case 8:
        t.name = f.bytes;
        break;
      case 9:
        t.raw = f.bytes;
        t.has_raw = true;
        break;
      case 13:
        external.push_back(f.bytes);
        break;
      case 14:
        t.external = f.value == 1;
        break;
      default:
        break;
    }
  for (std::string_view e : external) read_external(e, t);
  return t;
}

/// Elements of a list of the message, in the width of the type.
struct element_list {
  std::uint32_t number;  ///< of the field that holds this type's elements
  wire encoding;
};
element_list list_of(dtype d) {
  switch (d) {
    case f32:
      return {4, wire::fixed32};
    case f64:
      return {10, wire::fixed64};
    case i64:
      return {7, wire::varint};
    case u32:
    case u64:
      return {11, wire::varint};
    default:  // 16-bit floats as their bits
      return {5, wire::varint};
  }
}
template <class F>
void for_each_element(std::string_view message, dtype d, F call) {
  const element_list list = list_of(d);
  wire_reader r(message);
  for (field f; r.next(f);)
    if (f.number == list.number) for_each_number(f, list.encoding, call);
}

/// A relative path without a way out of the model's folder.
void check_location(std::string_view location, std::string_view tensor) {
  bool escapes = location.empty() || location.front() == '/' || location.find('\0') != std::string_view::npos;
  for (std::size_t at = 0; at <= location.size() && !escapes;) {
    const std::size_t slash = std::min(location.find('/', at), location.size());
    escapes = location.substr(at, slash - at) == "..";
    at = slash + 1;
  }
  if (escapes)
    throw load_error(
        fmt::format("tensor '{}': external data in '{}', which is no path below the model's folder", tensor, location));
}

}  // namespace

named_constant read_tensor(std::string_view message, const source& from) {
  const tensor_fields t = read_fields(message);
  const auto fail = [&](const std::string& why) { throw load_error(fmt::format("tensor '{}': {}", t.name, why)); };
  const dtype d = element_type(t.type);
  if (d == any_dtype) fail(fmt::format("its elements are {}, no type of ours", element_name(t.type)));
  if (t.extents.size() > static_cast<std::size_t>(dims::max_rank))
    fail(fmt::format("its rank is above {}", dims::max_rank));
  dims shape;
  std::uint64_t count = 1;
  for (std::int64_t e : t.extents) {
    if (e < 0) fail(fmt::format("extent {} < 0", e));
    if (e > 0 && count > (std::uint64_t{1} << 48) / static_cast<std::uint64_t>(e)) fail("its extents are too large");
    count *= static_cast<std::uint64_t>(e);
    shape.push_back(e);
  }
  const std::uint64_t bytes = count * static_cast<std::uint64_t>(size_of(d));
  const auto share = [&](std::string_view data, std::shared_ptr<const void> owner) {
    if (d == b8) {
      const auto* first = reinterpret_cast<const std::byte*>(data.data());
      if (const auto at = detail::find_no_bool({first, data.size()}); at >= 0)
        fail(fmt::format("byte {} of its booleans is neither 0 nor 1", at));
    }
    if (reinterpret_cast<std::uintptr_t>(data.data()) % static_cast<std::uintptr_t>(size_of(d)) == 0)
      return ir::constant_value(d, shape, std::shared_ptr<const void>(std::move(owner), data.data()));
    std::shared_ptr<char[]> copy(new char[data.size()]);
    std::memcpy(copy.get(), data.data(), data.size());
    return ir::constant_value(d, shape, std::shared_ptr<const void>(copy, copy.get()));
  };
  if (t.external) {
    check_location(t.location, t.name);
    if (from.folder.empty()) fail("its elements are in another file, and a model in memory has no folder");
    std::unique_ptr<detail::mapped_file> file = detail::mapped_file::open(from.folder + "/" + std::string(t.location));
    const std::string_view all(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
    if (t.offset > all.size() || bytes > all.size() - t.offset || (t.has_length && t.length != bytes))
      fail(fmt::format("{} bytes at {} of '{}', which has {}", bytes, t.offset, t.location, all.size()));
    auto keep = std::make_shared<detail::shared_ref>(file.release());
    return {t.name, share(all.substr(t.offset, bytes), keep)};
  }
  if (t.has_raw) {
    if (t.raw.size() != bytes) fail(fmt::format("{} bytes, {} are needed", t.raw.size(), bytes));
    return {t.name, share(t.raw, from.owner)};
  }
  std::uint64_t have = 0;
  for_each_element(message, d, [&](const field&) { ++have; });
  if (have != count) fail(fmt::format("{} elements, {} are needed", have, count));
  std::shared_ptr<char[]> made(new char[bytes ? bytes : 1]);
  const auto size = static_cast<std::size_t>(size_of(d));
  char* to = made.get();
  for_each_element(message, d, [&](const field& e) {
    if (d == b8 && e.value > 1) fail(fmt::format("{} is no boolean", e.value));
    std::memcpy(to, &e.value, size);
    to += size;
  });
  return {t.name, ir::constant_value(d, shape, std::shared_ptr<const void>(made, made.get()))};
}

}  // namespace tenon::onnx
