#include "tenon/runtime/print.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "core/text.hpp"
#include "core/with_dtype.hpp"
#include "tenon/core/error.hpp"

namespace tenon {
namespace detail {
namespace {

// NumPy's defaults (numpy.set_printoptions).
constexpr extent_t most_elements = 1000, edge = 3;
constexpr std::size_t line_width = 75;
constexpr int most_digits = 8;

std::string scientific(double x, int digits) {
  char s[64];
  return {s, std::to_chars(s, s + sizeof s, x, std::chars_format::scientific, digits).ptr};
}

/// The decimal with the fewest digits that still names `x` among the values of its type.
double shortest(double x, dtype type) {
  if (type == f64) return x;
  for (int digits = 0;; ++digits) {
    const double y = std::strtod(scientific(x, digits).c_str(), nullptr);
    const auto narrow = static_cast<float>(y);
    const bool same = type == f32   ? narrow == static_cast<float>(x)
                      : type == f16 ? float16(narrow) == float16(static_cast<float>(x))
                                    : bfloat16(narrow) == bfloat16(static_cast<float>(x));
    if (same || digits > 9) return y;
  }
}

std::size_t length_of_fraction(const std::string& s) {
  const auto end = std::min(s.find('e'), s.size());
  const auto point = s.find('.');
  return point == s.npos ? 0 : end - point - 1;
}

/// "12.5", "3.": always with a point, without zeros at the end.
std::string positional(double x, dtype type) {
  char s[400];
  std::string t(s, std::to_chars(s, s + sizeof s, shortest(x, type), std::chars_format::fixed).ptr);
  if (length_of_fraction(t) > most_digits) {
    t.assign(s, std::to_chars(s, s + sizeof s, x, std::chars_format::fixed, most_digits).ptr);
    t.erase(t.find_last_not_of('0') + 1);
  }
  if (t.find('.') == t.npos) t += '.';
  return t;
}

/// Digits after the point that scientific notation needs, at most most_digits.
int digits_needed(double x, dtype type) {
  char s[64];
  const std::string t(s, std::to_chars(s, s + sizeof s, shortest(x, type), std::chars_format::scientific).ptr);
  if (length_of_fraction(t) <= most_digits) return static_cast<int>(length_of_fraction(t));
  const std::string cut = scientific(x, most_digits);
  const auto last = cut.find_last_not_of('0', cut.find('e') - 1);
  return static_cast<int>(last - cut.find('.'));
}

/// All values in one notation, with their points in one column.
std::vector<std::string> format_floats(const std::vector<double>& values, dtype type) {
  // NumPy's rule: beyond what the type's digits carry, or where columns would get wide.
  const double too_large = type == f64 ? 1e8 : type == f32 ? 1e6 : type == f16 ? 1e3 : 1e2;
  double largest = 0, smallest = HUGE_VAL;
  int digits = 0;
  for (double x : values) {
    if (!std::isfinite(x)) continue;
    digits = std::max(digits, digits_needed(x, type));
    if (x == 0) continue;
    largest = std::max(largest, std::abs(x));
    smallest = std::min(smallest, std::abs(x));
  }
  const bool exponents = largest > 0 && (largest >= too_large || smallest < 1e-4 || largest / smallest > 1000);

  std::vector<std::string> cells;
  std::size_t before = 0, after = 0;  // columns on each side of the point
  for (double x : values) {
    std::string s = std::isnan(x)   ? "nan"
                    : std::isinf(x) ? (x < 0 ? "-inf" : "inf")
                    : exponents     ? scientific(x, digits)
                                    : positional(x, type);
    if (std::isfinite(x)) {
      if (s.find('.') == s.npos) s.insert(s.find('e'), ".");
      before = std::max(before, s.find('.'));
      after = std::max(after, s.size() - s.find('.') - 1);
    }
    cells.push_back(std::move(s));
  }
  const bool any_finite = std::any_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
  const std::size_t point = any_finite ? 1 : 0;
  std::size_t width = before + point + after;
  for (const std::string& s : cells)
    if (s.find('.') == s.npos) width = std::max(width, s.size());
  for (std::string& s : cells) {
    if (s.find('.') == s.npos) {
      s.insert(0, width - s.size(), ' ');
    } else {
      s.append(after - (s.size() - s.find('.') - 1), ' ');
      s.insert(0, width - s.size(), ' ');
    }
  }
  return cells;
}

double load_float(const char* p, dtype type) {
  return with_host_type(type, [&](auto x) -> double {
    std::memcpy(&x, p, sizeof x);
    if constexpr (std::is_arithmetic_v<decltype(x)>)
      return static_cast<double>(x);
    else
      return static_cast<float>(x);
  });
}

std::string load_integer(const char* p, dtype type) {
  return with_host_type(type, [&](auto x) -> std::string {
    if constexpr (std::is_same_v<decltype(x), bool>) {
      return *p ? "True" : "False";
    } else if constexpr (std::is_integral_v<decltype(x)>) {
      std::memcpy(&x, p, sizeof x);
      return cat(x);
    } else {
      return {};
    }
  });
}

/// Lays the elements out. The shown ones are visited twice in one order: to format them together, and to place them.
class formatter {
 public:
  explicit formatter(const any_view& v) : v_(v), summarised_(v.size > most_elements) {
    std::vector<const char*> shown;
    collect(0, static_cast<const char*>(v.data), shown);
    if (is_float(v.type)) {
      std::vector<double> values;
      for (const char* p : shown) values.push_back(load_float(p, v.type));
      cells_ = format_floats(values, v.type);
    } else {
      std::size_t width = 0;
      for (const char* p : shown) {
        cells_.push_back(load_integer(p, v.type));
        width = std::max(width, cells_.back().size());
      }
      if (v.type == b8 && v.dims.rank > 0) width = 5;
      for (std::string& s : cells_) s.insert(0, width - s.size(), ' ');
    }
  }

  std::string text() { return place(0, " ", line_width); }

 private:
  bool summarised(int axis) const { return summarised_ && v_.dims.e[axis] > 2 * edge; }

  void collect(int axis, const char* p, std::vector<const char*>& shown) const {
    if (axis == v_.dims.rank) {
      shown.push_back(p);
      return;
    }
    const extent_t n = v_.dims.e[axis];
    for (extent_t i = 0; i < n; ++i) {
      if (summarised(axis) && i == edge) i = n - edge;
      collect(axis + 1, p + i * v_.strides[axis] * size_of(v_.type), shown);
    }
  }

  /// The sub-tensor from `axis` on; `indent` stands before its first bracket's content on each further line.
  std::string place(int axis, const std::string& indent, std::size_t width) {
    if (axis == v_.dims.rank) return cells_[next_++];
    const extent_t n = v_.dims.e[axis];
    const bool row = axis == v_.dims.rank - 1;
    std::string done, line = indent;
    const auto add = [&](const std::string& word, bool last) {
      if (row) {
        if (line.size() > indent.size() && line.size() + word.size() > width - 1) {
          line.erase(line.find_last_not_of(' ') + 1);
          done += line + "\n";
          line = indent;
        }
        line += word;
        if (!last) line += ' ';
      } else {
        done += indent + word;
        if (!last) done.append(static_cast<std::size_t>(v_.dims.rank - axis - 1), '\n');
      }
    };
    for (extent_t i = 0; i < n; ++i) {
      if (summarised(axis) && i == edge) {
        add("...", false);
        i = n - edge;
      }
      add(place(axis + 1, indent + ' ', width - 1), i + 1 == n);
    }
    if (row) done += line;
    return "[" + done.substr(indent.size()) + "]";
  }

  const any_view& v_;
  bool summarised_;
  std::vector<std::string> cells_;
  std::size_t next_ = 0;
};

}  // namespace

std::string format_tensor(const any_view& v) {
  check_view(v, "print", access::read);
  if (v.size == 0) return "[]";
  return formatter(v).text();
}

void print_text(std::string_view text) {
  std::string line(text);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
}

}  // namespace detail

std::string to_string(const param_value& v) { return detail::format_tensor(v); }

std::string to_string(const param_set& params) {
  std::string s;
  for (const param_value& v : params) {
    if (!s.empty()) s += '\n';
    detail::append(s, v.name());
    detail::append(s, ": ");
    detail::append(s, v.type());
    detail::append(s, v.dims());
  }
  return s;
}

std::string to_string(const dims& d) { return detail::cat(d); }

}  // namespace tenon
