#include "ops/attrs_text.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <system_error>

#include "core/with_dtype.hpp"
#include "ops/leaf.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

constexpr extent_t printed_elements = 32;

std::uint64_t hashed(std::uint64_t h, std::uint64_t v) { return detail::mix(h, v); }

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

/// The value so that it reads back with the same bits, a NaN by its bits.
template <class T>
void print_element(std::string& s, T v) {
  if constexpr (is_half<T>) {
    const float f = static_cast<float>(v);
    if (std::isnan(f))
      s += fmt::format("nan:{:x}", v.bits);
    else
      s += fmt::format("{}", f);
  } else if constexpr (std::is_same_v<T, double>) {
    s += std::isnan(v) ? fmt::format("nan:{:x}", std::bit_cast<std::uint64_t>(v)) : fmt::format("{}", v);
  } else if constexpr (std::is_same_v<T, float>) {
    s += std::isnan(v) ? fmt::format("nan:{:x}", std::bit_cast<std::uint32_t>(v)) : fmt::format("{}", v);
  } else if constexpr (std::is_same_v<T, bool>) {
    s += v ? "true" : "false";
  } else {
    s += fmt::format("{}", +v);
  }
}
template <class T>
bool parse_element(std::string_view w, T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    v = w == "true";
    return v || w == "false";
  } else if constexpr (is_half<T> || std::is_floating_point_v<T>) {
    if (w.starts_with("nan:")) {
      std::uint64_t bits = 0;
      const auto r = std::from_chars(w.data() + 4, w.data() + w.size(), bits, 16);
      if (r.ec != std::errc() || r.ptr != w.data() + w.size()) return false;
      // Little-endian hosts only, as all of the file formats here.
      std::memcpy(&v, &bits, sizeof v);
      return true;
    }
    std::conditional_t<is_half<T>, float, T> f{};
    const auto r = std::from_chars(w.data(), w.data() + w.size(), f);
    v = T(f);
    return r.ec == std::errc() && r.ptr == w.data() + w.size();
  } else {
    const auto r = std::from_chars(w.data(), w.data() + w.size(), v);
    return r.ec == std::errc() && r.ptr == w.data() + w.size();
  }
}

}  // namespace

void print_field(std::string& s, bool v) { s += v ? "true" : "false"; }
void print_field(std::string& s, int v) { s += fmt::format("{}", v); }
void print_field(std::string& s, double v) { s += fmt::format("{}", v); }
void print_field(std::string& s, dtype v) { s += name(v); }
void print_field(std::string& s, const reals& v) {
  s += "{";
  for (int i = 0; i < v.size; ++i) {
    if (i) s += ",";
    print_field(s, v[i]);
  }
  s += "}";
}
void print_field(std::string& s, const ints& v) {
  s += "{";
  for (int i = 0; i < v.size; ++i) s.append(i ? "," : "").append(std::to_string(v[i]));
  s += "}";
}
void print_field(std::string& s, const dims& v) {
  detail::text t;
  t << v;
  s += t.view();
}
void print_wanted(std::string& s, const dims& v) {
  if (v.any()) return print_field(s, v);
  detail::text t;
  t << "[";
  for (int i = 0; i < v.rank; ++i) {
    if (i) t << ",";
    if (v[i] == dyn)
      t << -1;
    else
      t << v[i];
  }
  t << "]";
  s += t.view();
}
void print_field(std::string& s, const std::string& v) {
  s += '"';
  for (char c : v) {
    if (c == '"' || c == '\\') s += '\\';
    if (c == '\n')
      s += "\\n";
    else
      s += c;
  }
  s += '"';
}
void print_field(std::string& s, const einsum_attrs& v) { print_field(s, std::string(v.view())); }
void print_field(std::string& s, const constant_value& v) {
  s += name(v.type());
  print_field(s, v.extents());
  const extent_t n = v.extents().count();
  if (n > printed_elements) {
    s += fmt::format(" #{:016x}{:016x}", v.hash().hi, v.hash().lo);
    return;
  }
  s += " {";
  if (v.type() == any_dtype) {  // the default: no constant
    s += "}";
    return;
  }
  detail::with_host_type(v.type(), [&](auto zero) {
    const auto* p = static_cast<const decltype(zero)*>(v.data());
    for (extent_t i = 0; i < n; ++i) {
      if (i) s += ",";
      print_element(s, p[i]);
    }
  });
  s += "}";
}

std::uint64_t hash_field(bool v) { return v; }
std::uint64_t hash_field(int v) { return static_cast<std::uint64_t>(v); }
std::uint64_t hash_field(double v) { return std::bit_cast<std::uint64_t>(v); }
std::uint64_t hash_field(dtype v) { return static_cast<std::uint64_t>(v); }
std::uint64_t hash_field(const reals& v) {
  std::uint64_t h = static_cast<std::uint64_t>(v.size);
  for (int i = 0; i < v.size; ++i) h = hashed(h, hash_field(v[i]));
  return h;
}
std::uint64_t hash_field(const ints& v) {
  std::uint64_t h = static_cast<std::uint64_t>(v.size);
  for (int x : v) h = hashed(h, static_cast<std::uint64_t>(x));
  return h;
}
std::uint64_t hash_field(const dims& v) {
  std::uint64_t h = static_cast<std::uint64_t>(v.rank);
  for (extent_t e : v) h = hashed(h, static_cast<std::uint64_t>(e));
  return h;
}
std::uint64_t hash_field(const std::string& v) { return detail::hash_text(v).lo; }
std::uint64_t hash_field(const einsum_attrs& v) { return detail::hash_text(v.view()).lo; }
std::uint64_t hash_field(const constant_value& v) { return v.hash().lo; }

void attrs_reader::fail(std::string_view expected) const {
  throw parse_error(fmt::format("attributes: expected {} at column {} of {}", expected, at_ + 1, text_));
}
void attrs_reader::unknown(std::string_view field, const std::vector<std::string_view>& known) const {
  if (known.empty()) throw parse_error(fmt::format("attributes: '{}' in {}; there are none here", field, text_));
  std::string list;
  for (std::string_view k : known) list.append(list.empty() ? "" : ", ").append(k);
  throw parse_error(fmt::format("attributes: no field '{}' in {}; known are {}", field, text_, list));
}
void attrs_reader::space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
}
bool attrs_reader::accept(char c) {
  space();
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}
void attrs_reader::expect(char c) {
  if (!accept(c)) fail(fmt::format("'{}'", c));
}
std::string_view attrs_reader::word() {
  space();
  const std::size_t start = at_;
  auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '+' || c == '.' || c == ':';
  };
  while (at_ < text_.size() && in_word(text_[at_])) ++at_;
  return text_.substr(start, at_ - start);
}
std::string_view attrs_reader::next_field() {
  space();
  if (!started_) {
    started_ = true;
    if (at_ == text_.size()) return {};
    expect('{');
    if (accept('}')) return {};
  } else if (accept('}')) {
    return {};
  } else {
    expect(',');
  }
  expect('.');
  const std::string_view field = word();
  if (field.empty()) fail("a field's name");
  expect('=');
  return field;
}
void attrs_reader::finish() {
  space();
  if (at_ != text_.size()) fail("the end");
}
extent_t attrs_reader::integer() {
  const std::size_t start = at_;
  const std::string_view w = word();
  extent_t v = 0;
  const auto r = std::from_chars(w.data(), w.data() + w.size(), v);
  if (w.empty() || r.ec != std::errc() || r.ptr != w.data() + w.size()) {
    at_ = start;
    fail("an integer");
  }
  return v;
}
void attrs_reader::read(bool& v) {
  const std::size_t start = at_;
  const std::string_view w = word();
  if (w != "true" && w != "false") {
    at_ = start;
    fail("true or false");
  }
  v = w == "true";
}
void attrs_reader::read(int& v) {
  const std::size_t start = at_;
  const extent_t e = integer();
  if (e < std::numeric_limits<int>::min() || e > std::numeric_limits<int>::max()) {
    at_ = start;
    fail("an integer of 32 bits");
  }
  v = static_cast<int>(e);
}
void attrs_reader::read(double& v) {
  const std::size_t start = at_;
  const std::string_view w = word();
  const auto r = std::from_chars(w.data(), w.data() + w.size(), v);
  if (w.empty() || r.ec != std::errc() || r.ptr != w.data() + w.size()) {
    at_ = start;
    fail("a number");
  }
}
void attrs_reader::read(dtype& v) {
  const std::size_t start = at_;
  const std::string_view w = word();
  for (int i = 0; i <= static_cast<int>(any_dtype); ++i)
    if (name(static_cast<dtype>(i)) == w) {
      v = static_cast<dtype>(i);
      return;
    }
  at_ = start;
  fail("an element type");
}
int attrs_reader::one_of(value_names names) {
  const std::size_t start = at_;
  const std::string_view w = word();
  std::string expected;
  for (int i = 0; i < names.n; ++i) {
    if (names.v[i] == w) return i;
    expected.append(i == 0 ? "" : i + 1 == names.n ? " or " : ", ").append(names.v[i]);
  }
  at_ = start;
  fail(expected);
}
void attrs_reader::read(reals& v) {
  v = {};
  expect('{');
  if (accept('}')) return;
  do {
    if (v.size == reals::capacity) fail("at most 16 numbers");
    read(v.v[v.size++]);
  } while (accept(','));
  expect('}');
}
void attrs_reader::read(ints& v) {
  v = {};
  expect('{');
  if (accept('}')) return;
  do {
    if (v.size == ints::capacity) fail("at most 8 integers");
    read(v.v[v.size]);
    ++v.size;
  } while (accept(','));
  expect('}');
}
extent_t attrs_reader::extent() {
  space();
  const std::size_t start = at_;
  const std::string_view w = word();
  if (w == "dyn" || w == "-1") return dyn;
  if (!w.empty() && w[0] >= '0' && w[0] <= '9') {
    extent_t v = 0;
    const auto r = std::from_chars(w.data(), w.data() + w.size(), v);
    if (r.ec == std::errc() && r.ptr == w.data() + w.size()) return v;
  } else if (const extent_t packed = detail::pack_name(w.data(), w.size())) {
    return detail::name_base + packed;
  }
  at_ = start;
  fail("an extent: a number, dyn or a name of 1 to 10 characters");
}
void attrs_reader::read(dims& v) {
  v = {};
  expect('[');
  if (accept(']')) return;
  space();
  if (text_.substr(at_, 3) == "...") {
    at_ += 3;
    v.rank = -1;
    expect(']');
    return;
  }
  do {
    if (v.rank == dims::max_rank) fail("at most 8 extents");
    v.push_back(extent());
  } while (accept(','));
  expect(']');
}
void attrs_reader::read(std::string& v) {
  v.clear();
  expect('"');
  while (at_ < text_.size() && text_[at_] != '"') {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
      ++at_;
      v += text_[at_] == 'n' ? '\n' : text_[at_];
    } else {
      v += text_[at_];
    }
    ++at_;
  }
  if (at_ == text_.size()) fail("'\"'");
  ++at_;
}
void attrs_reader::read(einsum_attrs& v) {
  const std::size_t start = at_;
  std::string s;
  read(s);
  if (s.size() > einsum_attrs::capacity) {
    at_ = start;
    fail("a spec of at most 47 characters");
  }
  v = einsum_attrs(std::string_view(s));
}
void attrs_reader::read(constant_value& v) {
  dtype type = any_dtype;
  dims extents;
  const std::size_t start = at_;
  read(type);
  read(extents);
  if (type == any_dtype || !extents.is_static()) {
    at_ = start;
    fail("a known element type and known extents");
  }
  if (accept('#')) fail("elements: a large constant's text has only their hash, and no constant with it was given");
  extent_t n = 1;
  for (extent_t e : extents)
    if (n > printed_elements || e > printed_elements || (n *= e) > printed_elements) fail("at most 32 elements");
  expect('{');
  detail::with_host_type(type, [&](auto zero) {
    using T = decltype(zero);
    std::shared_ptr<T[]> data(new T[static_cast<std::size_t>(n ? n : 1)]());
    for (extent_t i = 0; i < n; ++i) {
      if (i) expect(',');
      const std::size_t at = at_;
      if (!parse_element(word(), data[static_cast<std::size_t>(i)])) {
        at_ = at;
        fail(fmt::format("an element of type {}", name(type)));
      }
    }
    v = constant_value(type, extents, std::shared_ptr<const void>(data, data.get()));
  });
  expect('}');
}

}  // namespace tenon::ir
