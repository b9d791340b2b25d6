// Operators of ONNX that the import writes in several of ours, against plain loops; and what they refuse.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <string>
#include <vector>

#include "runtime/files.hpp"
#include "targets.hpp"
#include "tenon/onnx/onnx.hpp"
#include "tenon/tenon.hpp"
#include "writer.hpp"

using namespace tenon;
using namespace writer;

namespace {

onnx_model imported(const std::string& m, const onnx_options& o = {}) { return import_onnx(bytes(m), o); }
std::string refusal(const std::string& m) {
  try {
    (void)imported(m);
  } catch (const load_error& e) {
    return e.what();
  }
  return "nothing was thrown";
}
/// A copy of the first result.
template <dtype D>
array<D> first(const std::vector<param_value>& results) {
  return array<D>(results[0].as<D>());
}
#define CHECK_REFUSAL(model, words) CHECK_MESSAGE(test::has(refusal(model), words), refusal(model))

// ---- Fourier transforms

using complex = std::complex<double>;

/// The sums over j of x[j] exp(-2 pi i j k / n) for k < n, elements of x behind its end being 0.
std::vector<complex> transformed(std::vector<complex> x, std::size_t n, bool inverse = false) {
  std::vector<complex> y(n), roots;
  for (std::size_t i = 0; i < n; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
    roots.push_back(std::polar(inverse ? 1 / static_cast<double>(n) : 1, inverse ? angle : -angle));
  }
  x.resize(n);
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t j = 0, at = 0; j < n; ++j, at = at + k < n ? at + k : at + k - n) y[k] += x[j] * roots[at];
  return y;
}
/// How far `y` is off, relative to the largest element.
template <class F>
double off(const std::vector<complex>& want, std::size_t count, F have) {
  double most = 0, size = 1e-30;
  for (std::size_t k = 0; k < count; ++k) {
    most = std::max(most, std::abs(want[k] - have(k)));
    size = std::max(size, std::abs(want[k]));
  }
  return most / size;
}
constexpr double rounding = 3e-6;

std::string dft(const std::vector<std::string>& extents, const std::vector<std::string>& attributes, int version = 17,
                int type = 1) {
  return model(input("x", extents, type) + node("DFT", {"x"}, {"y"}, attributes) + output("y"), version);
}
/// With a length, and from set 20 on an axis, as operands.
std::string dft_of(const std::vector<std::string>& extents, const std::string& operands,
                   const std::vector<std::string>& names, const std::vector<std::string>& attributes,
                   int version = 20) {
  return model(input("x", extents) + operands + node("DFT", names, {"y"}, attributes) + output("y"), version);
}

}  // namespace

TEST_CASE("DFT of every kind of length, of real and complex numbers, there and back") {
  // Products; factors; a prime below and above the largest product; such a one as a factor; powers of two.
  for (const extent_t n : {1, 2, 3, 17, 64, 65, 66, 67, 120, 251, 257, 526, 1000, 1031, 4096}) {
    const bool quick = n > 100 && n % 2 == 0;  // one target is enough
    for (const int parts : {1, 2}) {
      const array<f32> x = array<f32>::uniform({2, n, parts}, static_cast<std::uint64_t>(n));
      const std::string extents = std::to_string(n), last = std::to_string(parts);
      for (const char* target : test::targets) {
        if (quick && target != test::targets[0]) continue;
        CAPTURE(n);
        CAPTURE(parts);
        CAPTURE(std::string(target));
        for (const bool inverse : {false, true}) {
          if (inverse && n > 300) continue;
          const untyped_function f =
              build(imported(dft({"batch", extents, last}, {attribute("inverse", inverse)})), {.target = target});
          const array<f32> y = first<f32>(f(x));
          REQUIRE(y.dims() == dims{2, n, 2});
          for (const extent_t row : {0, 1}) {
            std::vector<complex> in;
            for (extent_t j = 0; j < n; ++j) in.emplace_back(x(row, j, 0), parts == 2 ? x(row, j, 1) : 0);
            const std::vector<complex> want = transformed(in, static_cast<std::size_t>(n), inverse);
            CHECK(off(want, want.size(), [&](std::size_t k) {
                    const auto at = static_cast<extent_t>(k);
                    return complex(y(row, at, 0), y(row, at, 1));
                  }) < rounding);
          }
        }
      }
    }
  }
}

TEST_CASE("DFT of f64 keeps its digits, where angles are large too") {
  for (const extent_t n : {1021, 1260}) {
    const array<f64> x = array<f64>::uniform({1, n, 1}, 5);
    const array<f64> y =
        first<f64>(build(imported(dft({"1", std::to_string(n), "1"}, {}, 17, 11)), {.target = test::targets[0]})(x));
    std::vector<complex> in;
    for (extent_t j = 0; j < n; ++j) in.emplace_back(x(0, j, 0), 0);
    const std::vector<complex> want = transformed(in, static_cast<std::size_t>(n));
    CHECK(off(want, want.size(), [&](std::size_t k) {
            return complex(y(0, static_cast<extent_t>(k), 0), y(0, static_cast<extent_t>(k), 1));
          }) < 1e-13);
  }
}

TEST_CASE("DFT along any axis, of batches that only the call knows, cut and padded, one side alone") {
  for (const char* target : test::targets)
    for (const extent_t length : {7, 4, 10}) {
      CAPTURE(length);
      const std::string operands = integers("length", {length}) + integers("axis", {-3});
      const untyped_function f =
          build(imported(dft_of({"a", "7", "b", "1"}, operands, {"x", "length", "axis"}, {attribute("onesided", 1)})),
                {.target = target});
      const array<f32> x = array<f32>::uniform({2, 7, 3, 1}, 1);
      const array<f32> y = first<f32>(f(x));
      REQUIRE(y.dims() == dims{2, length / 2 + 1, 3, 2});
      for (extent_t a = 0; a < 2; ++a)
        for (extent_t b = 0; b < 3; ++b) {
          std::vector<complex> in;
          for (extent_t j = 0; j < 7; ++j) in.emplace_back(x(a, j, b, 0), 0);
          in.resize(static_cast<std::size_t>(std::min<extent_t>(length, 7)));
          const std::vector<complex> want = transformed(in, static_cast<std::size_t>(length));
          CHECK(off(want, static_cast<std::size_t>(length / 2 + 1), [&](std::size_t k) {
                  const auto at = static_cast<extent_t>(k);
                  return complex(y(a, at, b, 0), y(a, at, b, 1));
                }) < rounding);
        }
    }
}

TEST_CASE("DFT of one vector, and of an axis behind others") {
  const untyped_function vector = build(imported(dft({"4", "1"}, {attribute("axis", 0)})), {.target = "native"});
  const array<f32> y = first<f32>(vector(array<f32>({4, 1}, std::vector<float>{1, 2, 3, 4}.data())));
  REQUIRE(y.dims() == dims{4, 2});
  CHECK(complex(y(0, 0), y(0, 1)) == complex(10, 0));
  CHECK(y(1, 0) == doctest::Approx(-2));
  CHECK(y(1, 1) == doctest::Approx(2));
  // Set 20 takes the last one where none is given.
  const untyped_function last = build(imported(dft({"2", "3", "5", "1"}, {}, 20)), {.target = "native"}),
                         same =
                             build(imported(dft({"2", "3", "5", "1"}, {attribute("axis", 2)})), {.target = "native"});
  const array<f32> x = array<f32>::uniform({2, 3, 5, 1}, 6), a = first<f32>(last(x)), b = first<f32>(same(x));
  REQUIRE(a.dims() == dims{2, 3, 5, 2});
  for (extent_t i = 0; i < a.size(); ++i) CHECK(a.data()[i] == b.data()[i]);
}

TEST_CASE("one side of a transform comes back as the real signal") {
  for (const extent_t n : {1, 6, 7, 130}) {
    const array<f32> x = array<f32>::uniform({3, n, 1}, 4);
    const std::string length = integers("n", {n}), half = std::to_string(n / 2 + 1);
    const untyped_function there = build(imported(dft({"3", std::to_string(n), "1"}, {attribute("onesided", 1)})),
                                         {.target = "native"}),
                           back = build(imported(dft_of({"3", half, "2"}, length, {"x", "n"},
                                                        {attribute("onesided", 1), attribute("inverse", 1)})),
                                        {.target = "native"});
    const array<f32> y = first<f32>(back(first<f32>(there(x))));
    REQUIRE(y.dims() == x.dims());
    for (extent_t i = 0; i < 3; ++i)
      for (extent_t j = 0; j < n; ++j) CHECK(y(i, j, 0) == doctest::Approx(x(i, j, 0)).epsilon(1e-5));
  }
  // Without a length it is even.
  const untyped_function even =
      build(imported(dft_of({"3", "4", "2"}, "", {"x"}, {attribute("onesided", 1), attribute("inverse", 1)})),
            {.target = "native"});
  CHECK(even(array<f32>::uniform({3, 4, 2}, 4))[0].dims() == dims{3, 6, 1});
}

TEST_CASE("DFT refuses what it has no meaning for") {
  CHECK_REFUSAL(dft({"2", "8", "3"}, {}), "DFT 'make_y': the last axis does not hold 1 or 2 parts of a number");
  CHECK_REFUSAL(dft({"2", "8", "1"}, {attribute("axis", 2)}), "axis 2 is none of the signal's, rank 3");
  CHECK_REFUSAL(dft({"2", "8", "1"}, {attribute("axis", 1)}, 20), "attribute 'axis' is not supported");
  CHECK_REFUSAL(dft({"2", "8", "2"}, {attribute("onesided", 1)}), "onesided, of complex numbers");
  CHECK_REFUSAL(dft({"2", "8", "1"}, {attribute("onesided", 1), attribute("inverse", 1)}),
                "onesided and inverse, of real numbers");
  CHECK_REFUSAL(dft({"2", "n", "1"}, {}), "give it in onnx_options::extents");
  CHECK_REFUSAL(dft({"2", "0", "1"}, {}), "a transform of length 0");
  CHECK_REFUSAL(dft({"2", "8", "1"}, {}, 17, 7), "a signal of i64");
  CHECK_REFUSAL(dft_of({"2", "8", "1"}, integers("n", {std::int64_t{1} << 40}), {"x", "n"}, {}),
                "a transform of length 1099511627776");
  // All nodes that are at fault, in one error.
  const std::string two = refusal(model(input("x", {"2", "8", "3"}) + node("DFT", {"x"}, {"y"}) +
                                        node("DFT", {"x"}, {"z"}, {attribute("norm", 1)}) + output("y") + output("z")));
  CHECK(test::has(two, "(2 faults)"));
  CHECK(test::has(two, "DFT 'make_y'"));
  CHECK(test::has(two, "DFT 'make_z'"));
}

namespace {

std::string stft(const std::vector<std::string>& extents, const std::string& operands,
                 const std::vector<std::string>& names, const std::vector<std::string>& attributes = {}) {
  return model(input("x", extents) + operands + node("STFT", names, {"y"}, attributes) + output("y"));
}

}  // namespace

TEST_CASE("STFT is the transform of frames under a window") {
  const extent_t length = 50, frame = 16, step = 5, frames = 7;
  for (const char* target : test::targets)
    for (const int parts : {1, 2})
      for (const bool windowed : {false, true}) {
        const bool onesided = parts == 1 && windowed;
        std::vector<std::string> attributes;
        if (!onesided) attributes.push_back(attribute("onesided", 0));
        const std::string operands = integers("step", {step}) + integers("frame", {frame});
        const std::string m =
            windowed ? stft({"batch", "50", std::to_string(parts)}, operands + input("w", {"16"}),
                            {"x", "step", "w", "frame"}, attributes)
                     : stft({"batch", "50", std::to_string(parts)}, operands, {"x", "step", "", "frame"}, attributes);
        const untyped_function f = build(imported(m), {.target = target});
        const array<f32> x = array<f32>::uniform({2, length, parts}, 3), w = array<f32>::uniform({frame}, 9);
        const array<f32> y = first<f32>(windowed ? f(x, w) : f(x));
        REQUIRE(y.dims() == dims{2, frames, onesided ? frame / 2 + 1 : frame, 2});
        for (extent_t b = 0; b < 2; ++b)
          for (extent_t i = 0; i < frames; ++i) {
            std::vector<complex> in;
            for (extent_t j = 0; j < frame; ++j)
              in.push_back(complex(x(b, i * step + j, 0), parts == 2 ? x(b, i * step + j, 1) : 0) *
                           (windowed ? double{w(j)} : 1.0));
            CHECK(off(transformed(in, static_cast<std::size_t>(frame)), static_cast<std::size_t>(y.dims()[2]),
                      [&](std::size_t k) {
                        const auto at = static_cast<extent_t>(k);
                        return complex(y(b, i, at, 0), y(b, i, at, 1));
                      }) < rounding);
          }
      }
}

TEST_CASE("STFT refuses frames that are none") {
  const std::string step = integers("step", {4}), frame = integers("frame", {16});
  const std::string make = "STFT 'make_y': ";
  CHECK_REFUSAL(stft({"1", "50", "1"}, step, {"x", "step"}), make + "neither a window nor the length");
  CHECK_REFUSAL(stft({"1", "50", "2"}, step + frame, {"x", "step", "", "frame"}), make + "onesided, of complex");
  CHECK_REFUSAL(stft({"1", "10", "1"}, step + frame, {"x", "step", "", "frame"}), make + "frames of 16");
  CHECK_REFUSAL(stft({"1", "50", "1"}, integers("step", {0}) + frame, {"x", "step", "", "frame"}), "a step of 0");
  CHECK_REFUSAL(stft({"1", "50", "1"}, step + frame + input("w", {"8"}), {"x", "step", "w", "frame"}),
                make + "a window of 8 for frames of 16");
  CHECK_REFUSAL(stft({"1", "n", "1"}, step + frame, {"x", "step", "", "frame"}), make + "the length of the signal");
  CHECK_REFUSAL(stft({"50", "1"}, step + frame, {"x", "step", "", "frame"}), make + "a signal of rank 2");
}

TEST_CASE("MelWeightMatrix is made of triangles, and of what the import knows") {
  const auto mel = [](const std::vector<std::string>& attributes) {
    return model(input("bins", {}, 7) + input("length", {}, 7) + input("rate", {}, 7) + input("low", {}) +
                 input("high", {}) +
                 node("MelWeightMatrix", {"bins", "length", "rate", "low", "high"}, {"y"}, attributes) + output("y"));
  };
  const auto known = [](std::int64_t bins, std::int64_t length, std::int64_t rate, float low, float high) {
    onnx_options o;
    o.values.set("bins", array<i64>::full({}, bins));
    o.values.set("length", array<i64>::full({}, length));
    o.values.set("rate", array<i64>::full({}, rate));
    o.values.set("low", array<f32>::full({}, low));
    o.values.set("high", array<f32>::full({}, high));
    return o;
  };
  for (const auto& [bins, length] : {std::pair<std::int64_t, std::int64_t>{8, 16}, {20, 511}}) {
    const onnx_model m = imported(mel({}), known(bins, length, 8192, 20, 4000));
    CHECK(m.inputs().empty());
    const array<f32> y = first<f32>(build(m, {.target = "native"})(param_set()));
    REQUIRE(y.dims() == dims{length / 2 + 1, bins});
    const double first = 2595 * std::log10(1 + 20 / 700.0), last = 2595 * std::log10(1 + 4000 / 700.0);
    const auto corner = [&](std::int64_t i) {
      const double at = first + (last - first) / static_cast<double>(bins + 2) * static_cast<double>(i);
      return std::floor(static_cast<double>(length + 1) * 700 * (std::pow(10, at / 2595) - 1) / 8192);
    };
    for (std::int64_t i = 0; i < bins; ++i)
      for (std::int64_t j = 0; j <= length / 2; ++j) {
        const double left = corner(i), peak = corner(i + 1), right = corner(i + 2), at = static_cast<double>(j);
        const double want = at == peak                ? 1
                            : at > left && at < peak  ? (at - left) / (peak - left)
                            : at > peak && at < right ? (right - at) / (right - peak)
                                                      : 0;
        CHECK(y(j, i) == doctest::Approx(want));
      }
  }
  CHECK(build(imported(mel({attribute("output_datatype", 11)}), known(4, 32, 8192, 0, 4000)),
              {.target = "native"})(param_set())[0]
            .type() == f64);
  const auto refused = [&](const std::vector<std::string>& attributes, const onnx_options& o) -> std::string {
    try {
      (void)imported(mel(attributes), o);
    } catch (const load_error& e) {
      return e.what();
    }
    return "";
  };
  const std::string make = "MelWeightMatrix 'make_y': ";
  CHECK(test::has(refused({attribute("output_datatype", 8)}, known(4, 32, 8192, 0, 4000)), make + "of string"));
  CHECK(test::has(refused({}, known(4, 32, 8192, 0, 40000)), make + "edges of"));
  CHECK(test::has(refused({}, known(4, 32, 8192, 4000, 0)), make + "edges of"));
  CHECK(test::has(refused({}, known(-4, 32, 8192, 0, 4000)), make + "-4 filters"));
  CHECK(test::has(refused({}, known(4, std::int64_t{1} << 50, 8192, 0, 4000)), make + "4 filters of"));
  try {
    (void)imported(mel({}));
    FAIL("nothing was thrown");
  } catch (const onnx_error& e) {
    CHECK(e.wanted_inputs() == std::vector<std::string>{"bins"});
  }
}

TEST_CASE("tables that nodes compute of a few numbers are bounded for a model as a whole") {
  const auto windows = [](int count) {
    std::string m = integers("size", {65536});
    for (int i = 0; i < count; ++i) {
      const std::string y = "y" + std::to_string(i);
      m += node("HannWindow", {"size"}, {y}) + output(y);
    }
    return model(m);
  };
  CHECK(imported(windows(3)).outputs().size() == 3);
  CHECK_REFUSAL(windows(40), "the tables that the model's nodes compute take more than 16777216 bytes");
}

TEST_CASE("Det of batches, against the sum over all permutations") {
  const std::string m = model(input("x", {"batch", "4", "4"}) + node("Det", {"x"}, {"y"}) + output("y"));
  const array<f32> x = array<f32>::uniform({3, 4, 4}, 8);
  for (const char* target : test::targets) {
    const std::vector<param_value> y = build(imported(m), {.target = target})(x);
    REQUIRE(y[0].dims() == dims{3});
    for (extent_t b = 0; b < 3; ++b) {
      std::vector<extent_t> p{0, 1, 2, 3};
      double sum = 0;
      do {
        double term = 1;
        for (std::size_t i = 0; i < 4; ++i) {
          term *= x(b, static_cast<extent_t>(i), p[i]);
          for (std::size_t j = 0; j < i; ++j)
            if (p[j] > p[i]) term = -term;
        }
        sum += term;
      } while (std::ranges::next_permutation(p).found);
      CHECK(y[0].as<f32>()(b) == doctest::Approx(sum).epsilon(1e-4));
    }
  }
  CHECK_REFUSAL(model(input("x", {"3", "4"}) + node("Det", {"x"}, {"y"}) + output("y")),
                "Det 'make_y': det: [3,4] holds no square matrices");
  CHECK_REFUSAL(model(input("x", {"3", "3"}) + node("Det", {"x"}, {"y"}, {attribute("log", 1)}) + output("y")),
                "Det 'make_y': attribute 'log' is not supported");
}

namespace {

struct text_case {
  std::string mode = "TF";
  std::int64_t shortest = 1, longest = 2, skips = 0;
  std::vector<std::int64_t> starts{0, 3}, columns{2, 0, 5, 1, 4}, pool{7, 8, 9, 7, 8, 8, 8};
  std::vector<float> weights{};
};
std::string vectorizer(const text_case& c, const std::vector<std::string>& extents, int type = 7,
                       const std::vector<std::string>& more = {}) {
  std::vector<std::string> attributes{text("mode", c.mode),
                                      attribute("min_gram_length", c.shortest),
                                      attribute("max_gram_length", c.longest),
                                      attribute("max_skip_count", c.skips),
                                      list("ngram_counts", c.starts),
                                      list("ngram_indexes", c.columns),
                                      list("pool_int64s", c.pool)};
  if (!c.weights.empty()) attributes.push_back(reals("weights", c.weights));
  attributes.insert(attributes.end(), more.begin(), more.end());
  return model(input("x", extents, type) + node("TfIdfVectorizer", {"x"}, {"y"}, attributes) + output("y"));
}
/// One row by counting.
std::vector<float> counted(const text_case& c, const std::vector<std::int64_t>& words) {
  std::vector<float> y(static_cast<std::size_t>(*std::ranges::max_element(c.columns)) + 1);
  std::size_t gram = 0;
  for (std::size_t length = 1; length <= c.starts.size(); ++length) {
    const auto end = length < c.starts.size() ? static_cast<std::size_t>(c.starts[length]) : c.pool.size();
    for (auto at = static_cast<std::size_t>(c.starts[length - 1]); at < end; at += length, ++gram) {
      if (static_cast<std::int64_t>(length) < c.shortest || static_cast<std::int64_t>(length) > c.longest) continue;
      for (std::size_t gap = 1; gap <= (length == 1 ? 1 : static_cast<std::size_t>(c.skips) + 1); ++gap)
        for (std::size_t i = 0; i + (length - 1) * gap < words.size(); ++i) {
          bool same = true;
          for (std::size_t k = 0; k < length; ++k) same = same && words[i + k * gap] == c.pool[at + k];
          if (same) y[static_cast<std::size_t>(c.columns[gram])] += 1;
        }
    }
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float w = c.weights.empty() ? 1 : c.weights[i];
    if (c.mode == "IDF") y[i] = y[i] > 0 ? w : 0;
    if (c.mode == "TFIDF") y[i] *= w;
  }
  return y;
}

}  // namespace

TEST_CASE("TfIdfVectorizer counts n-grams of numbers") {
  const std::vector<std::vector<std::int64_t>> rows = {{7, 8, 8, 9, 8, 7, 8, 8, 1, 2, 7},
                                                       {9, 9, 1, 8, 7, 2, 8, 3, 8, 9, 5}};
  array<i64> x = array<i64>::zeros({2, 11});
  array<i32> narrow = array<i32>::zeros({2, 11});
  for (extent_t r = 0; r < 2; ++r)
    for (extent_t i = 0; i < 11; ++i) {
      x(r, i) = rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)];
      narrow(r, i) = static_cast<std::int32_t>(x(r, i));
    }
  std::vector<text_case> all;
  for (const char* mode : {"TF", "IDF", "TFIDF"})
    for (const std::int64_t skips : {0, 3, 100}) all.push_back({.mode = mode, .skips = skips});
  all.push_back({.shortest = 2, .skips = 1});
  all.push_back({.longest = 1});
  all.push_back({.shortest = 2,
                 .longest = 7,
                 .skips = 2,
                 .starts = {0, 3, 7},
                 .columns = {0, 1, 2, 3, 4, 3},
                 .pool = {7, 8, 9, 7, 8, 8, 8, 8, 8, 9}});
  // An empty level, and several n-grams in a column.
  all.push_back({.starts = {0, 0}, .columns = {1, 1, 1}, .pool = {7, 8, 8, 8, 8, 7}});
  for (const char* mode : {"IDF", "TFIDF"})
    all.push_back({.mode = mode, .columns = {2, 0, 3, 1, 4}, .weights = {.5F, 2, 3, 4, 5}});
  for (const char* target : test::targets)
    for (const text_case& c : all) {
      CAPTURE(c.mode);
      CAPTURE(c.skips);
      const array<f32> y = first<f32>(build(imported(vectorizer(c, {"rows", "11"})), {.target = target})(x));
      const array<f32> z = first<f32>(build(imported(vectorizer(c, {"2", "11"}, 6)), {.target = target})(narrow));
      const std::vector<std::vector<float>> want = {counted(c, rows[0]), counted(c, rows[1])};
      const auto columns = static_cast<extent_t>(want[0].size());
      REQUIRE(y.dims() == dims{2, columns});
      REQUIRE(z.dims() == dims{2, columns});
      for (extent_t r = 0; r < 2; ++r)
        for (extent_t i = 0; i < columns; ++i) {
          CHECK(y(r, i) == want[static_cast<std::size_t>(r)][static_cast<std::size_t>(i)]);
          CHECK(z(r, i) == y(r, i));
        }
    }
  // A vector of words; too few of them; as many as the call brings, of n-grams of one.
  const text_case pairs{.shortest = 2};
  const untyped_function vector = build(imported(vectorizer(pairs, {"5"})), {.target = "native"});
  const std::vector<float> of_five = counted(pairs, {7, 8, 8, 9, 8});
  const array<f32> five = first<f32>(vector(array<i64>::from({7, 8, 8, 9, 8})));
  REQUIRE(five.dims() == dims{6});
  for (extent_t i = 0; i < 6; ++i) CHECK(five(i) == of_five[static_cast<std::size_t>(i)]);
  const array<f32> none =
      first<f32>(build(imported(vectorizer(pairs, {"3", "1"})), {.target = "native"})(array<i64>::full({3, 1}, 7)));
  REQUIRE(none.dims() == dims{3, 6});
  for (extent_t i = 0; i < 6; ++i) CHECK(none(2, i) == 0);
  const untyped_function any = build(imported(vectorizer({.longest = 1}, {"words"})), {.target = "native"});
  CHECK(any(array<i64>::from({8, 8, 7}))[0].as<f32>()(0) == 2);
}

TEST_CASE("TfIdfVectorizer refuses strings, and pools that are none") {
  const std::vector<std::string> rows = {"2", "5"};
  const std::string make = "TfIdfVectorizer 'make_y': ";
  CHECK_REFUSAL(vectorizer({}, rows, 7, {part(1, "pool_strings") + part(9, "a")}),
                make + "a pool of strings is not supported");
  CHECK_REFUSAL(vectorizer({}, rows, 7, {attribute("norm", 1)}), make + "attribute 'norm' is not supported");
  CHECK_REFUSAL(vectorizer({.mode = "L2"}, rows), make + "mode 'L2' is not known");
  CHECK_REFUSAL(vectorizer({.shortest = 3}, rows), make + "n-grams of 3 to 2 words");
  CHECK_REFUSAL(vectorizer({}, rows, 1), make + "words of f32");
  CHECK_REFUSAL(vectorizer({}, {"2", "5", "1"}), make + "rank 3, neither 1 nor 2");
  CHECK_REFUSAL(vectorizer({}, {"2", "words"}), make + "the number of words is not known");
  CHECK_REFUSAL(vectorizer({.starts = {0, 4}}, rows), make + "ngram_counts do not cut a pool of 7");
  CHECK_REFUSAL(vectorizer({.starts = {0, 9}}, rows), make + "ngram_counts do not cut a pool of 7");
  CHECK_REFUSAL(vectorizer({.starts = {INT64_MIN, INT64_MAX}}, rows), make + "ngram_counts do not cut a pool of 7");
  CHECK(imported(vectorizer({.skips = INT64_MAX}, rows)).outputs().size() == 1);
  CHECK_REFUSAL(vectorizer({.columns = {0, 1}}, rows), make + "ngram_indexes has 2 elements");
  CHECK_REFUSAL(vectorizer({.columns = {0, 1, 2, 3, -4}}, rows), make + "an index of -4");
  CHECK_REFUSAL(vectorizer({.columns = {0, 1, 2, 3, std::int64_t{1} << 50}}, rows),
                make + "an index of 1125899906842624");
  CHECK_REFUSAL(vectorizer({.weights = {1, 2}}, rows), make + "2 weights for 5 n-grams");
  CHECK_REFUSAL(vectorizer({.skips = std::int64_t{1} << 60}, {"2", "1000000"}), make + "n-grams of 2 words");
}

namespace {

/// Of state s and elements a and b: s + a * b, and that again.
std::string scan_of_8(const std::vector<std::string>& state, const std::vector<std::string>& elements,
                      const std::string& first, const std::vector<std::string>& more, const std::string& inputs = "") {
  const std::string body = input("s", {"2"}) + input("a", {"2"}) + input("b", {"2"}) + node("Mul", {"a", "b"}, {"p"}) +
                           node("Add", {"s", "p"}, {"n"}) + node("Identity", {"n"}, {"c"}) + output("n") + output("c");
  std::vector<std::string> attributes{part(1, "body") + part(6, body), attribute("num_scan_inputs", 2)};
  attributes.insert(attributes.end(), more.begin(), more.end());
  return model(inputs + input("s0", state) + input("xs", elements) + input("ys", elements) +
                   node("Scan", {first, "s0", "xs", "ys"}, {"last", "all"}, attributes) + output("last") +
                   output("all"),
               8);
}

}  // namespace

TEST_CASE("Scan of set 8 scans each element of a batch by itself, in the directions of its inputs") {
  for (const char* target : test::targets)
    // Written out; only the call knows how long, or how many, or both; too long to write out.
    for (const auto& [batch, steps, name] :
         std::vector<std::tuple<extent_t, extent_t, std::vector<std::string>>>{{3, 4, {"3", "4", "2"}},
                                                                               {3, 5, {"3", "steps", "2"}},
                                                                               {3, 4, {"batch", "4", "2"}},
                                                                               {2, 6, {"batch", "steps", "2"}},
                                                                               {2, 600, {"2", "600", "2"}}})
      for (const std::vector<std::int64_t>& directions :
           std::vector<std::vector<std::int64_t>>{{}, {0, 0}, {1, 0}, {1, 1}}) {
        if (steps > 100 && directions.size() == 2 && directions[0] == directions[1]) continue;
        CAPTURE(name[0] + " " + name[1]);
        CAPTURE(directions.size());
        std::vector<std::string> more;
        if (!directions.empty()) more.push_back(list("directions", directions));
        const untyped_function f = build(imported(scan_of_8({name[0], "2"}, name, "", more)), {.target = target});
        const array<f32> s0 = array<f32>::uniform({batch, 2}, 1), xs = array<f32>::uniform({batch, steps, 2}, 2),
                         ys = array<f32>::uniform({batch, steps, 2}, 3);
        const std::vector<param_value> y = f(s0, xs, ys);
        REQUIRE(y[0].dims() == dims{batch, 2});
        REQUIRE(y[1].dims() == dims{batch, steps, 2});
        for (extent_t b = 0; b < batch; ++b)
          for (extent_t j = 0; j < 2; ++j) {
            float sum = s0(b, j);
            for (extent_t t = 0; t < steps; ++t) {
              const auto at = [&](std::size_t i) { return !directions.empty() && directions[i] ? steps - 1 - t : t; };
              sum += xs(b, at(0), j) * ys(b, at(1), j);
              CHECK(y[1].as<f32>()(b, t, j) == doctest::Approx(sum));
            }
            CHECK(y[0].as<f32>()(b, j) == doctest::Approx(sum));
          }
      }
}

TEST_CASE("Scan of set 8 refuses sequences of different lengths, and axes that are not there") {
  const std::vector<std::string> xs = {"3", "4", "2"};
  const std::string make = "Scan 'make_last': ";
  CHECK_REFUSAL(scan_of_8({"3", "2"}, xs, "lens", {}, input("lens", {"3"}, 7)),
                make + "sequences of different lengths (sequence_lens) are not supported");
  CHECK_REFUSAL(scan_of_8({"3", "2"}, xs, "", {list("directions", {1})}), make + "directions has 1 elements, not 2");
  CHECK_REFUSAL(scan_of_8({"3", "2"}, xs, "", {list("scan_input_axes", {0, 0})}),
                make + "attribute 'scan_input_axes' is not supported");
  CHECK_REFUSAL(scan_of_8({"2", "2"}, xs, "", {}), make + "batches of 2 and 3");
  CHECK_REFUSAL(scan_of_8({"3", "2"}, {"3"}, "", {}), make + "an operand has no batch axis");
}

TEST_CASE("Scan turns its inputs and outputs one by one") {
  const std::string body = input("s", {}) + input("a", {}) + input("b", {}) + node("Mul", {"a", "b"}, {"p"}) +
                           node("Add", {"s", "p"}, {"n"}) + node("Identity", {"n"}, {"c"}) + output("n") + output("c");
  for (const char* steps : {"5", "steps"}) {
    const onnx_model m =
        imported(model(input("s0", {}) + input("xs", {steps}) + input("ys", {steps}) +
                       node("Scan", {"s0", "xs", "ys"}, {"last", "all"},
                            {part(1, "body") + part(6, body), attribute("num_scan_inputs", 2),
                             list("scan_input_directions", {0, 1}), list("scan_output_directions", {1})}) +
                       output("last") + output("all")));
    const array<f32> xs = array<f32>::uniform({5}, 1), ys = array<f32>::uniform({5}, 2);
    const std::vector<param_value> y = build(m, {.target = "native"})(array<f32>::full({}, 2), xs, ys);
    float sum = 2;
    for (extent_t t = 0; t < 5; ++t) {
      sum += xs(t) * ys(4 - t);
      CHECK(y[1].as<f32>()(4 - t) == doctest::Approx(sum));
    }
    CHECK(y[0].as<f32>()() == doctest::Approx(sum));
  }
}
