// Random convolutions of 1 to 3 spatial axes against plain loops, and transposed ones: stride, padding on both sides,
// dilation, groups, many of few channels, depthwise; alone, from and to channels last, in small networks where layouts
// change inside, and depthwise ones in the kernel of the pointwise one that follows; weights as arguments and as
// constants; on each target; the same bits with 1, 2 and 3 threads.
//   test_schedule_convolutions [--from SEED] [--to SEED] [--target TEXT]...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "schedule/winograd.hpp"
#include "seeds.hpp"

using namespace tenon;

namespace {

enum class form { alone, last, network, pooled, summed, separable };
constexpr const char* form_names[] = {"alone", "channels last", "network", "pooled", "summed", "separable"};

struct problem {
  int spatial = 2, groups = 1;
  long n = 1, in = 1, out = 1;  // channels
  long extent[3]{1, 1, 1}, kernel[3]{1, 1, 1};
  int stride[3]{1, 1, 1}, dilation[3]{1, 1, 1}, before[3]{}, after[3]{};
  bool constant = true, transposed = false;
  int more[3]{};  // transposed: elements added at the end
  form what = form::alone;
  std::string text() const {
    std::string s = std::to_string(spatial) + "d " + (transposed ? "transposed " : "") +
                    form_names[static_cast<int>(what)] + " n" + std::to_string(n) + " c" + std::to_string(in) + " o" +
                    std::to_string(out) + " groups " + std::to_string(groups);
    for (int d = 0; d < spatial; ++d)
      s += " | " + std::to_string(extent[d]) + " k" + std::to_string(kernel[d]) + " s" + std::to_string(stride[d]) +
           " d" + std::to_string(dilation[d]) + " p" + std::to_string(before[d]) + "," + std::to_string(after[d]);
    return s + (constant ? "" : " weights given");
  }
  ints attribute(const int (&v)[3]) const {
    ints r;
    for (int d = 0; d < spatial; ++d) r.v[r.size++] = v[d];
    return r;
  }
  ints padding() const {
    ints p = attribute(before);
    for (int d = 0; d < spatial; ++d) p.v[p.size++] = after[d];
    return p;
  }
  conv2d_attrs attrs() const {
    return {.stride = attribute(stride), .padding = padding(), .dilation = attribute(dilation), .groups = groups};
  }
  conv_transpose_attrs transposed_attrs() const {
    return {.stride = attribute(stride),
            .padding = padding(),
            .dilation = attribute(dilation),
            .groups = groups,
            .output_padding = attribute(more)};
  }
  bool may_be_transformed() const {
    return spatial == 2 && !transposed && constant && groups == 1 && kernel[0] == 3 && kernel[1] == 3 &&
           stride[0] * stride[1] * dilation[0] * dilation[1] == 1;
  }
  long result(int d) const {
    const long reach = dilation[d] * (kernel[d] - 1) + 1, around = before[d] + after[d];
    return transposed ? stride[d] * (extent[d] - 1) + reach + more[d] - around
                      : (extent[d] + around - reach) / stride[d] + 1;
  }
};

problem make_problem(std::mt19937_64& random) {
  const auto up_to = [&](long most) { return 1 + static_cast<long>(random() % static_cast<std::uint64_t>(most)); };
  problem p;
  p.spatial = random() % 5 == 0 ? (random() % 2 ? 1 : 3) : 2;
  p.what = p.spatial == 2 ? static_cast<form>(random() % 5) : static_cast<form>(random() % 2);
  p.transposed = random() % 5 == 0;
  // What transformed tiles are made for.
  const bool filter = p.spatial == 2 && !p.transposed && random() % 4 == 0;
  const long most = p.spatial == 1 ? 80 : p.spatial == 2 ? 18 : 7;
  do {
    p.n = random() % 3 ? 1 : up_to(3);
    for (int d = 0; d < p.spatial; ++d) {
      p.extent[d] = up_to(most);
      p.kernel[d] = random() % 3 == 0 ? 1 : random() % 2 ? 3 : up_to(7);
      p.stride[d] = random() % 2 ? 1 : static_cast<int>(up_to(3));
      p.dilation[d] = random() % 3 ? 1 : static_cast<int>(up_to(3));
      p.before[d] = random() % 2 ? static_cast<int>(p.kernel[d] / 2) : static_cast<int>(random() % 4);
      p.after[d] = random() % 2 ? p.before[d] : static_cast<int>(random() % 4);
      if (p.transposed && random() % 2) p.more[d] = static_cast<int>(random() % 3);
      if (filter) p.kernel[d] = 3, p.stride[d] = p.dilation[d] = 1;
    }
    switch (random() % 3) {
      case 0:  // depthwise
        p.groups = static_cast<int>(up_to(70));
        p.in = p.out = p.groups;
        break;
      case 1:
        p.groups = static_cast<int>(up_to(4));
        p.in = p.groups * up_to(9);
        p.out = p.groups * up_to(20);
        break;
      default:
        p.groups = 1;
        p.in = up_to(40);
        p.out = up_to(70);
    }
    if (filter) p.groups = 1, p.in = 8 + up_to(60), p.out = 8 + up_to(100);
  } while ([&] {
    for (int d = 0; d < p.spatial; ++d)
      if (p.transposed ? p.result(d) < 1
                       : p.dilation[d] * (p.kernel[d] - 1) + 1 > p.extent[d] + p.before[d] + p.after[d])
        return true;
    return false;
  }());
  p.constant = random() % 4 != 0;
  return p;
}

/// A depthwise convolution, to be followed by a pointwise one; some with several results for each channel.
problem make_separable(std::mt19937_64& random) {
  const auto up_to = [&](long most) { return 1 + static_cast<long>(random() % static_cast<std::uint64_t>(most)); };
  problem p;
  p.what = form::separable;
  p.spatial = random() % 6 == 0 ? (random() % 2 ? 1 : 3) : 2;
  p.n = random() % 3 ? 1 : up_to(3);
  p.groups = 1 + static_cast<int>(up_to(70));
  p.in = p.groups;
  p.out = random() % 8 ? p.in : 2 * p.in;
  for (int d = 0; d < p.spatial; ++d) {
    p.kernel[d] = random() % 4 ? 3 : up_to(5);
    p.stride[d] = random() % 3 ? 1 : 2;
    p.dilation[d] = random() % 4 ? 1 : 2;
    p.before[d] = random() % 3 ? static_cast<int>(p.kernel[d] / 2) : static_cast<int>(random() % 4);
    p.after[d] = random() % 2 ? p.before[d] : static_cast<int>(random() % 4);
    p.extent[d] = p.dilation[d] * (p.kernel[d] - 1) + up_to(p.spatial == 3 ? 7 : 40);
  }
  p.constant = random() % 8 != 0;
  return p;
}

/// Many groups of few channels, which share vectors where their sizes are powers of two.
problem make_grouped(std::mt19937_64& random) {
  const auto up_to = [&](long most) { return 1 + static_cast<long>(random() % static_cast<std::uint64_t>(most)); };
  problem p;
  p.spatial = random() % 6 == 0 ? (random() % 2 ? 1 : 3) : 2;
  p.what = p.spatial == 2 ? static_cast<form>(random() % 6) : static_cast<form>(random() % 2);
  p.n = random() % 3 ? 1 : up_to(3);
  const long each_out = 1L << up_to(4), each_in = random() % 2 ? each_out : random() % 8 ? 1L << random() % 5 : 3;
  p.groups = static_cast<int>(1 + up_to(64 / each_out + 4));
  p.in = p.groups * each_in;
  p.out = p.groups * each_out;
  for (int d = 0; d < p.spatial; ++d) {
    p.kernel[d] = random() % 3 ? 3 : up_to(p.spatial == 3 ? 2 : 5);
    p.stride[d] = random() % 3 ? 1 : 2;
    p.dilation[d] = random() % 4 ? 1 : 2;
    p.before[d] = random() % 3 ? static_cast<int>(p.kernel[d] / 2) : static_cast<int>(random() % 4);
    p.after[d] = random() % 2 ? p.before[d] : static_cast<int>(random() % 4);
    const long most = p.spatial == 3 ? 5 : d + 1 == p.spatial ? 36 : 8;
    p.extent[d] = p.dilation[d] * (p.kernel[d] - 1) + up_to(most);
  }
  p.constant = random() % 8 != 0;
  return p;
}

/// Values in double, n, c and three spatial extents.
struct values {
  long n, c, e[3];
  std::vector<double> v;
  double& at(long i, long j, long x, long y, long z) {
    return v[static_cast<std::size_t>((((i * c + j) * e[0] + x) * e[1] + y) * e[2] + z)];
  }
};

/// A transposed convolution adds each element times the taps to what they reach.
values convolved_transposed(const problem& p, values& x, const std::vector<double>& w, bool magnitude) {
  values r{p.n, p.out, {p.result(0), p.result(1), p.result(2)}, {}};
  r.v.resize(static_cast<std::size_t>(r.n * r.c * r.e[0] * r.e[1] * r.e[2]));
  const long each_in = p.in / p.groups, each_out = p.out / p.groups;
  for (long i = 0; i < p.n; ++i)
    for (long q = 0; q < p.in; ++q)
      for (long o = 0; o < each_out; ++o)
        for (long a = 0; a < x.e[0]; ++a)
          for (long b = 0; b < x.e[1]; ++b)
            for (long c = 0; c < x.e[2]; ++c) {
              std::size_t tap = static_cast<std::size_t>((q * each_out + o) * p.kernel[0] * p.kernel[1] * p.kernel[2]);
              for (long f = 0; f < p.kernel[0]; ++f)
                for (long g = 0; g < p.kernel[1]; ++g)
                  for (long h = 0; h < p.kernel[2]; ++h, ++tap) {
                    const long at[3] = {a * p.stride[0] + f * p.dilation[0] - p.before[0],
                                        b * p.stride[1] + g * p.dilation[1] - p.before[1],
                                        c * p.stride[2] + h * p.dilation[2] - p.before[2]};
                    if (at[0] < 0 || at[1] < 0 || at[2] < 0 || at[0] >= r.e[0] || at[1] >= r.e[1] || at[2] >= r.e[2])
                      continue;
                    const double term = x.at(i, q, a, b, c) * w[tap];
                    r.at(i, q / each_in * each_out + o, at[0], at[1], at[2]) += magnitude ? std::abs(term) : term;
                  }
            }
  return r;
}

/// The convolution, and with `magnitude` the sum of the absolute values of its terms.
values convolved(const problem& p, values& x, const std::vector<double>& w, bool magnitude) {
  if (p.transposed) return convolved_transposed(p, x, w, magnitude);
  values r{p.n, p.out, {}, {}};
  for (int d = 0; d < 3; ++d) r.e[d] = p.result(d);
  r.v.resize(static_cast<std::size_t>(r.n * r.c * r.e[0] * r.e[1] * r.e[2]));
  const long each = p.in / p.groups;
  for (long i = 0; i < r.n; ++i)
    for (long o = 0; o < r.c; ++o)
      for (long a = 0; a < r.e[0]; ++a)
        for (long b = 0; b < r.e[1]; ++b)
          for (long c = 0; c < r.e[2]; ++c) {
            double sum = 0;
            std::size_t tap = static_cast<std::size_t>(o * each * p.kernel[0] * p.kernel[1] * p.kernel[2]);
            for (long q = 0; q < each; ++q)
              for (long f = 0; f < p.kernel[0]; ++f)
                for (long g = 0; g < p.kernel[1]; ++g)
                  for (long h = 0; h < p.kernel[2]; ++h, ++tap) {
                    const long at[3] = {a * p.stride[0] + f * p.dilation[0] - p.before[0],
                                        b * p.stride[1] + g * p.dilation[1] - p.before[1],
                                        c * p.stride[2] + h * p.dilation[2] - p.before[2]};
                    if (at[0] < 0 || at[1] < 0 || at[2] < 0 || at[0] >= x.e[0] || at[1] >= x.e[1] || at[2] >= x.e[2])
                      continue;
                    const double term = x.at(i, o / (p.out / p.groups) * each + q, at[0], at[1], at[2]) * w[tap];
                    sum += magnitude ? std::abs(term) : term;
                  }
            r.at(i, o, a, b, c) = sum;
          }
  return r;
}
values pooled(values& x) {  // 3 x 3, stride 2, padding 1
  values r{x.n, x.c, {1, (x.e[1] - 1) / 2 + 1, (x.e[2] - 1) / 2 + 1}, {}};
  r.v.resize(static_cast<std::size_t>(r.n * r.c * r.e[1] * r.e[2]));
  for (long i = 0; i < r.n; ++i)
    for (long c = 0; c < r.c; ++c)
      for (long a = 0; a < r.e[1]; ++a)
        for (long b = 0; b < r.e[2]; ++b) {
          double most = -1e300;
          for (long f = 2 * a - 1; f <= 2 * a + 1; ++f)
            for (long g = 2 * b - 1; g <= 2 * b + 1; ++g)
              if (f >= 0 && g >= 0 && f < x.e[1] && g < x.e[2]) most = std::max(most, x.at(i, c, 0, f, g));
          r.at(i, c, 0, a, b) = most;
        }
  return r;
}

template <class T>
double number(T v) {
  return static_cast<double>(static_cast<float>(v));
}
double number(double v) { return v; }

template <dtype D>
array<D> random_array(const std::vector<long>& extents, std::mt19937_64& random) {
  array<D> a = array<D>::zeros(extents);
  for (std::int64_t i = 0; i < a.size(); ++i)
    if constexpr (is_integer(D))
      a.data()[i] = static_cast<host_t<D>>(static_cast<int>(random() % 255) - 127);
    else
      a.data()[i] = static_cast<host_t<D>>(std::uniform_real_distribution<float>(-1, 1)(random));
  return a;
}
template <dtype D>
std::vector<double> doubles(const array<D>& a) {
  std::vector<double> r;
  for (std::int64_t i = 0; i < a.size(); ++i) r.push_back(number(a.data()[i]));
  return r;
}

template <dtype D, dtype R = D>
bool check(const problem& p, std::mt19937_64& random, const std::vector<std::string>& targets, std::uint64_t seed,
           int* joined = nullptr) {
  using any = tensor<D, any_shape>;
  using sums = tensor<R, any_shape>;
  const conv2d_attrs attrs = p.attrs();
  const conv_transpose_attrs transposed = p.transposed_attrs();
  const auto convolution = [&](any x, any w) {
    if (p.transposed)
      return p.spatial == 1   ? sums(conv_transpose1d(x, w, transposed))
             : p.spatial == 2 ? sums(conv_transpose2d(x, w, transposed))
                              : sums(conv_transpose3d(x, w, transposed));
    return p.spatial == 1   ? sums(conv1d(x, w, attrs))
           : p.spatial == 2 ? sums(conv2d(x, w, attrs))
                            : sums(conv3d(x, w, attrs));
  };
  std::vector<long> ex{p.n, p.in}, ew{p.out, p.in / p.groups};
  if (p.transposed) ew = {p.in, p.out / p.groups};
  for (int d = 0; d < p.spatial; ++d) ex.push_back(p.extent[d]), ew.push_back(p.kernel[d]);
  const array<D> x = random_array<D>(ex, random), w = random_array<D>(ew, random);
  const long mixed = 1 + static_cast<long>(random() % 20);
  std::vector<long> point{mixed, p.out};
  for (int d = 0; d < p.spatial; ++d) point.push_back(1);
  const array<R> mix = random_array<R>(point, random);
  const bool from_last = p.what == form::last || p.what == form::separable;
  const bool two = p.what == form::network || p.what == form::pooled || p.what == form::separable;

  // In plain loops; spatial axes are the last ones, those that there are not have one element.
  problem q = p;
  values in{p.n, p.in, {1, 1, 1}, doubles(x)};
  for (int d = 0; d < 3; ++d) {
    const int from = d - (3 - p.spatial);
    in.e[d] = from < 0 ? 1 : p.extent[from];
    q.extent[d] = in.e[d];
    q.more[d] = from < 0 ? 0 : p.more[from];
    q.kernel[d] = from < 0 ? 1 : p.kernel[from];
    q.stride[d] = from < 0 ? 1 : p.stride[from];
    q.dilation[d] = from < 0 ? 1 : p.dilation[from];
    q.before[d] = from < 0 ? 0 : p.before[from];
    q.after[d] = from < 0 ? 0 : p.after[from];
  }
  values want = convolved(q, in, doubles(w), false), size = convolved(q, in, doubles(w), true);
  double terms = static_cast<double>(p.in / p.groups * p.kernel[0] * p.kernel[1] * p.kernel[2]);
  double scale = p.what == form::summed ? 2 : 1;  // of what the convolution's error becomes
  if (two) {
    scale = static_cast<double>(p.out);
    for (double& v : want.v) v = std::max(v, 0.0);
    if (p.what == form::pooled) {
      for (double& v : size.v) v = std::abs(v);
      want = pooled(want);
      size = pooled(size);
    }
    problem one;
    one.n = p.n, one.in = p.out, one.out = mixed;
    for (int d = 0; d < 3; ++d) one.extent[d] = want.e[d];
    std::vector<double> absolute = doubles(mix);
    want = convolved(one, want, absolute, false);
    size = convolved(one, size, absolute, true);
    terms += static_cast<double>(p.out);
  } else if (p.what == form::summed) {
    for (double& v : want.v) v = 2 * v + 1;
    for (double& v : size.v) v = 2 * v + 1;
  }

  std::vector<int> to_last{0}, to_first{0, p.spatial + 1};
  for (int d = 2; d < p.spatial + 2; ++d) to_last.push_back(d), to_first.push_back(d - 1);
  to_last.push_back(1);
  const auto axes = [](const std::vector<int>& v) {
    ints r;
    for (int d : v) r.v[r.size++] = d;
    return r;
  };
  const auto body = [&](any v, any weights) -> sums {
    const auto second = [&](sums y) {
      const sums weights = as<R, any_shape>(param("mix", R, extents(point)));
      return p.spatial == 1   ? sums(conv1d(y, weights))
             : p.spatial == 2 ? sums(conv2d(y, weights))
                              : sums(conv3d(y, weights));
    };
    switch (p.what) {
      case form::alone:
        return convolution(v, weights);
      case form::last:
        return transpose(convolution(transpose(v, axes(to_first)), weights), axes(to_last));
      case form::network:
        return second(maximum(convolution(v, weights), 0));
      case form::separable:
        return transpose(second(minimum(maximum(convolution(transpose(v, axes(to_first)), weights), 0), 1e6)),
                         axes(to_last));
      case form::pooled:
        return second(max_pool(sums(maximum(convolution(v, weights), 0)),
                               {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}));
      default: {
        const sums y = convolution(v, weights);
        return y + (y + 1);
      }
    }
  };
  array<D> given = x;
  if (from_last) given = jit([&](any v) -> any { return transpose(v, axes(to_last)); }, {.target = "native"})(x);
  for (const std::string& target : targets) {
    std::vector<char> bits;
    for (const int threads : {1, 2, 3}) {
      compile_options options{.target = target + " -num-threads=" + std::to_string(threads), .cache = false};
      options.params = param_set();
      if (two) options.params.set("mix", mix);
      if (p.what == form::separable) options.context.options = {{"fuse.strips", "possible"}};
      array<R> got;
      const auto called = [&](auto f, auto&... arguments) {
        got = f(arguments...);
        if (joined) *joined += f.stats().kernels == 1;
      };
      if (p.constant) {
        options.params.set("w", w);
        called(jit([&](any v) { return body(v, as<D, any_shape>(param("w", D, extents(ew)))); }, options), given);
      } else {
        called(jit([&](any v, any weights) { return body(v, weights); }, options), given, w);
      }
      if (from_last) got = jit([&](sums v) -> sums { return transpose(v, axes(to_first)); }, {.target = "native"})(got);
      const auto fail = [&](const std::string& what) {
        std::fprintf(stderr, "seed %lu: %s %s, %s, %d threads: %s\n", static_cast<unsigned long>(seed),
                     std::string(name(D)).c_str(), p.text().c_str(), target.c_str(), threads, what.c_str());
        return false;
      };
      if (static_cast<std::size_t>(got.size()) != want.v.size())
        return fail("a result of " + std::to_string(got.size()) + " elements, not " + std::to_string(want.v.size()));
      const double sum_eps = is_integer(R) ? 0
                             : D == f64    ? 0x1p-53
                                           : 0x1p-24,
                   store_eps = D == f64 || D == f32 || is_integer(R) ? sum_eps
                               : D == f16                            ? 0x1p-11
                                                                     : 0x1p-8;
      // Transformed tiles mix what their patches hold: a thousandth of the worst case, of values up to 1.
      const double mixed_eps = p.may_be_transformed() ? scheduling::winograd(4, 3).growth() / 1000 *
                                                            static_cast<double>((p.in + 16) * p.in) * sum_eps
                                                      : 0;
      for (std::size_t i = 0; i < want.v.size(); ++i) {
        // Summation in any order, and a rounding of each stored value.
        const double allowed =
            ((terms + 8) * sum_eps + 4 * store_eps) * (size.v[i] + std::abs(want.v[i])) + mixed_eps * scale + 1e-7;
        const double v = number(got.data()[i]);
        if (!(std::abs(v - want.v[i]) <= allowed))
          return fail("element " + std::to_string(i) + " is " + std::to_string(v) + ", not " +
                      std::to_string(want.v[i]));
      }
      const auto* data = reinterpret_cast<const char*>(got.data());
      const std::vector<char> these(data, data + got.size() * size_of(R));
      if (threads == 1)
        bits = these;
      else if (bits != these)
        return fail("other bits than with 1 thread");
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(argc, argv, {.to = 60, .kept = {436, 1080, 1287}});
  int separable = 0, joined = 0;
  const int failures = test::count_failures(seeds, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    problem p = make_problem(random);
    const auto kind = random() % 10;
    if (kind == 3 && p.what != form::last) p.what = form::alone;  // nothing follows sums of integers here
    const bool good = [&] {
      switch (kind) {
        case 0:
          return check<f64>(p, random, seeds.targets, seed);
        case 1:
          return check<bf16>(p, random, seeds.targets, seed);
        case 2:
          return check<f16>(p, random, seeds.targets, seed);
        case 3:
          return check<i8, i32>(p, random, seeds.targets, seed);
        default:
          return check<f32>(p, random, seeds.targets, seed);
      }
    }();
    const problem q = make_separable(random);
    const std::vector<std::string> one{seeds.targets[seed % seeds.targets.size()]};
    ++separable;
    int kernels = 0;
    const bool also = kind == 0   ? check<f64>(q, random, one, seed, &kernels)
                      : kind == 1 ? check<bf16>(q, random, one, seed, &kernels)
                                  : check<f32>(q, random, one, seed, &kernels);
    joined += kernels > 0;
    const problem g = make_grouped(random);
    const bool grouped = kind == 0   ? check<f64>(g, random, one, seed)
                         : kind == 1 ? check<bf16>(g, random, one, seed)
                         : kind == 2 ? check<f16>(g, random, one, seed)
                         : kind == 3 && (g.what == form::alone || g.what == form::last)
                             ? check<i8, i32>(g, random, one, seed)
                             : check<f32>(g, random, one, seed);
    return good && also && grouped;
  });
  std::printf("%d of %d depthwise convolutions are in the kernel of the pointwise one\n", joined, separable);
  if (separable > 20 && joined < separable / 4) {
    std::fprintf(stderr, "too few: that is no test of them\n");
    return 1;
  }
  return failures != 0;
}
