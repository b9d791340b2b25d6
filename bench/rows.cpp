// Row operations (speed.md) beside oneDNN while they are in cache, and beside copies of the same bytes where they are
// not. bench_rows [--threads N] [--only NAME]; bench/report.py makes the table.
#include <cmath>
#include <tenon/ops/scan.hpp>
#include <tenon/ops/scatter.hpp>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

using matrix = tensor<f32, shape<dyn, dyn>>;
constexpr float epsilon = 1e-5f;

void compare(const std::string& what, const array<f32>& ours, const array<f32>& theirs) {
  for (std::int64_t i = 0; i < ours.size(); ++i)
    if (!(std::abs(ours.data()[i] - theirs.data()[i]) <= 1e-4f)) {
      std::fprintf(stderr, "%s: element %ld is %g, oneDNN has %g\n", what.c_str(), static_cast<long>(i), ours.data()[i],
                   theirs.data()[i]);
      std::exit(1);
    }
}

void run(const shape_line& s, const arguments& given) {
  const long rows = s.numbers[0], columns = s.numbers[1], elements = rows * columns;
  const array<f32> x = array<f32>::uniform({rows, columns}, 1);
  array<f32> ours = array<f32>::zeros({rows, columns}), theirs = ours, sums = array<f32>::zeros({rows}),
             turned = array<f32>::zeros({columns, rows});
  const compile_options options{.target = given.target()};
  auto soft = jit([](matrix a) { return softmax(a); }, options);
  auto norm = jit([](matrix a) { return layer_norm(a); }, options);
  auto bent = jit([](matrix a) { return gelu(a); }, options);
  auto total = jit([](matrix a) { return sum(a, {.axes = {1}}); }, options);
  auto turn = jit([](matrix a) { return transpose(a); }, options);
  const double both = 8.0 * static_cast<double>(elements);
  const bool in_cache = both <= 1 << 20;
  // Copies that read and write as many bytes in all.
  const auto against_copies = [&](const char* name, std::function<void()> us, long copied) {
    const int n = given.threads;
    std::vector<side> sides{{"tenon", std::move(us)},
                            {"memcpy", [&, copied, n] { copy_memcpy(x.data(), theirs.data(), copied, n); }},
                            {"copy", [&, copied, n] { copy_plain(x.data(), theirs.data(), copied, n); }},
                            {"streamed copy", [&, copied, n] { copy_streamed(x.data(), theirs.data(), copied, n); }}};
    measure(sides, 9);
    print(given.table(name).c_str(), s.name, sides, 8.0 * static_cast<double>(copied));
  };
  const auto against_peer = [&](const char* name, std::function<void()> us, std::function<void()> them) {
    std::vector<side> sides{{"tenon", std::move(us)}, {"oneDNN", std::move(them)}};
    measure(sides, 9);
    print(given.table(name).c_str(), s.name, sides, both);
  };
  const auto dnnl_soft = onednn_softmax(rows, columns, x.data(), theirs.data()),
             dnnl_norm = onednn_layer_norm(rows, columns, x.data(), theirs.data(), epsilon);
  const auto our_soft = [&] { soft.into(ours, x); };
  const auto our_norm = [&] { norm.into(ours, x); };
  our_soft(), dnnl_soft(), compare(s.name + " softmax", ours, theirs);
  our_norm(), dnnl_norm(), compare(s.name + " layer_norm", ours, theirs);
  against_peer("softmax against oneDNN", our_soft, dnnl_soft);
  against_peer("layer norm against oneDNN", our_norm, dnnl_norm);
  if (in_cache) return;
  against_copies("softmax against a copy", our_soft, elements);
  against_copies("layer norm against a copy", our_norm, elements);
  against_copies("gelu against a copy", [&] { bent.into(ours, x); }, elements);
  against_copies("transpose against a copy", [&] { turn.into(turned, x); }, elements);
  against_copies("row sums against a copy", [&] { total.into(sums, x); }, elements / 2);

  // What is summed up over other axes reads as much and writes next to nothing.
  array<f32> column = array<f32>::zeros({columns}), one = array<f32>::zeros({});
  array<i64> places = array<i64>::zeros({rows});
  auto columns_of = jit([](matrix a) { return sum(a, {.axes = {0}}); }, options);
  auto all_of = jit([](matrix a) { return sum(a); }, options);
  auto best_of = jit([](matrix a) { return argmax(a); }, options);
  against_copies("column sums against a copy", [&] { columns_of.into(column, x); }, elements / 2);
  against_copies("sums of everything against a copy", [&] { all_of.into(one, x); }, elements / 2);
  against_copies("argmax of rows against a copy", [&] { best_of.into(places, x); }, elements / 2);

  // Rows gathered in an order without order; two halves joined.
  array<i64> order = array<i64>::zeros({rows}), targets = array<i64>::zeros({rows, 1});
  for (long i = 0; i < rows; ++i) order.data()[i] = targets.data()[i] = i * 7919 % rows;
  auto gathered = jit([](matrix a, tensor<i64, shape<dyn>> at) { return gather(a, at); }, options);
  array<f32> upper = array<f32>::uniform({rows / 2, columns}, 2), joined = array<f32>::zeros({rows / 2 * 2, columns});
  auto join = jit([](matrix a, matrix b) { return concat(a, b); }, options);
  against_copies("gather of rows against a copy", [&] { gathered.into(theirs, x, order); }, elements);
  // Each row is added to another one; sums down the columns.
  auto added = jit([](matrix a, tensor<i64, shape<dyn, 1>> at,
                      matrix b) { return scatter_nd(a, at, b, {.mode = scatter_mode::add}); },
                   options);
  auto summed = jit([](matrix a) { return cumsum(a, {.axis = 0}); }, options);
  against_copies("scatter of rows with sums against a copy", [&] { added.into(theirs, ours, targets, x); }, elements);
  against_copies("cumulated columns against a copy", [&] { summed.into(theirs, x); }, elements);
  against_copies("concat against a copy", [&] { join.into(joined, upper, upper); }, rows / 2 * 2 * columns);

  // Chains of cheap operators beside one of them.
  auto single = jit([](matrix a) { return relu(a); }, options);
  auto chain3 = jit([](matrix a) { return matrix(abs(relu(a * 0.5f))); }, options);
  auto chain16 = jit(
      [](matrix a) {
        matrix y = a;
        for (int i = 0; i < 4; ++i) y = abs(relu(y * 0.5f) - 0.25f);
        return y;
      },
      options);
  const auto against_one = [&](const char* name, std::function<void()> us) {
    std::vector<side> sides{{"tenon", std::move(us)}, {"one operator", [&] { single.into(theirs, x); }}};
    measure(sides, 9);
    print(given.table(name).c_str(), s.name, sides, both);
  };
  against_one("chain of 3 against one", [&] { chain3.into(ours, x); });
  against_one("chain of 16 against one", [&] { chain16.into(ours, x); });
}

}  // namespace

int main(int argc, char** argv) {
  const arguments given(argc, argv, [](const std::string&, const std::function<long()>&) { return false; });
  set_peer_threads(given.threads);
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peak());
  for (const shape_line& s : read_shapes(TENON_BENCH_SHAPES "/rows.csv"))
    if (given.wanted(s.name)) run(s, given);
}
