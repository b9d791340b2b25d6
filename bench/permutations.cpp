// Permutations of axes (speed.md) beside copies of the same bytes. bench_permutations [--threads N] [--only NAME];
// bench/report.py makes the table.
#include <cstring>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

template <dtype D>
void run(const shape_line& s, const arguments& given) {
  const std::size_t rank = (s.numbers.size() - 1) / 2;
  std::vector<long> result(rank), operand(rank);
  ints order;
  std::vector<long> from(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    result[d] = s.numbers[1 + 2 * d];
    from[d] = s.numbers[2 + 2 * d];
    order.v[order.size++] = static_cast<int>(from[d]);
    operand[static_cast<std::size_t>(from[d])] = result[d];
  }
  array<D> x = array<D>::zeros(operand), y = array<D>::zeros(result);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<host_t<D>>(i * 7 % 251);
  using any = tensor<D, any_shape>;
  auto turn = jit([&](any a) { return transpose(a, order); }, {.target = given.target()});
  turn.into(y, x);
  for (std::int64_t i = 0; i < y.size(); ++i) {
    std::vector<long> at(rank);
    std::int64_t rest = i, source = 0;
    for (std::size_t d = rank; d-- > 0; rest /= result[d]) at[static_cast<std::size_t>(from[d])] = rest % result[d];
    for (std::size_t d = 0; d < rank; ++d) source = source * operand[d] + at[d];
    if (y.data()[i] != x.data()[source]) {
      std::fprintf(stderr, "%s: element %ld is not element %ld of the operand\n", s.name.c_str(), static_cast<long>(i),
                   static_cast<long>(source));
      std::exit(1);
    }
  }
  const auto* source = reinterpret_cast<const float*>(x.data());
  auto* copied = reinterpret_cast<float*>(y.data());
  const long bytes = static_cast<long>(x.size()) * size_of(D), floats = bytes / 4;
  const int n = given.threads;
  std::vector<side> sides{{"tenon", [&] { turn.into(y, x); }},
                          {"memcpy", [=] { copy_memcpy(source, copied, floats, n); }},
                          {"copy", [=] { copy_plain(source, copied, floats, n); }},
                          {"streamed copy", [=] { copy_streamed(source, copied, floats, n); }}};
  measure(sides, 9);
  print(given.table("permutation against a copy").c_str(), s.name, sides, 2.0 * static_cast<double>(bytes));
}

}  // namespace

int main(int argc, char** argv) {
  const arguments given(argc, argv, [](const std::string&, const std::function<long()>&) { return false; });
  for (const shape_line& s : read_shapes(TENON_BENCH_SHAPES "/permutations.csv")) {
    if (!given.wanted(s.name)) continue;
    const long bytes = s.numbers[0];
    bytes == 1   ? run<u8>(s, given)
    : bytes == 2 ? run<i16>(s, given)
    : bytes == 4 ? run<f32>(s, given)
                 : run<f64>(s, given);
  }
}
