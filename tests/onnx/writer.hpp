// ONNX models as the tests write them: the messages of onnx.proto, by field number.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace writer {

inline std::string varint(std::uint64_t n) {
  std::string s;
  for (; n > 127; n >>= 7) s += static_cast<char>((n & 127) | 128);
  return s + static_cast<char>(n);
}
inline std::string integer(int field, std::int64_t n) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(n));
}
inline std::string part(int field, std::string_view data) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(data.size()) + std::string(data);
}
inline std::string attribute(std::string_view name, std::int64_t v) { return part(1, name) + integer(3, v); }
inline std::string list(std::string_view name, const std::vector<std::int64_t>& v) {
  std::string s = part(1, name);
  for (std::int64_t i : v) s += integer(8, i);
  return s;
}
inline std::string text(std::string_view name, std::string_view v) { return part(1, name) + part(4, v); }
inline std::string reals(std::string_view name, const std::vector<float>& v) {
  return part(1, name) + part(7, std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)));
}
/// NodeProto, as a field of its graph (7 in a function).
inline std::string node(std::string_view op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::vector<std::string>& attributes = {},
                        std::string_view domain = "", int field = 1) {
  std::string s;
  for (const auto& i : inputs) s += part(1, i);
  for (const auto& o : outputs) s += part(2, o);
  if (!outputs.empty()) s += part(3, "make_" + outputs[0]);
  s += part(4, op);
  for (const auto& a : attributes) s += part(5, a);
  return part(field, s + part(7, domain));
}
/// ValueInfoProto; an extent is a number, or a name that begins with a letter.
inline std::string value(std::string_view name, const std::vector<std::string>& extents, int type = 1) {
  std::string shape;
  for (const auto& e : extents)
    shape += part(1, e.empty() ? "" : e[0] >= '0' && e[0] <= '9' ? integer(1, std::stoll(e)) : part(2, e));
  return part(1, name) + part(2, part(1, integer(1, type) + part(2, shape)));
}
inline std::string input(std::string_view name, const std::vector<std::string>& extents, int type = 1) {
  return part(11, value(name, extents, type));
}
inline std::string output(std::string_view name) { return part(12, value(name, {})); }
/// An initializer of i64.
inline std::string integers(std::string_view name, const std::vector<std::int64_t>& v) {
  return part(5, integer(1, static_cast<std::int64_t>(v.size())) + integer(2, 7) + part(8, name) +
                     part(9, std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * 8)));
}
inline std::string model(const std::string& graph, std::int64_t version = 17, const std::string& more = "") {
  return integer(1, 8) + part(7, graph) + part(8, part(1, "") + integer(2, version)) + more;
}
inline std::span<const std::byte> bytes(const std::string& s) { return std::as_bytes(std::span(s.data(), s.size())); }

}  // namespace writer
