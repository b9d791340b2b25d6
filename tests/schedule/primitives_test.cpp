// Schedules as users write them: what each step makes, what it refuses and with which words, and that the callable with
// the schedule computes the same.
#include <type_traits>

#include "schedule/by_hand.hpp"

using namespace tenon;
using namespace tenon::test;

TEST_CASE("a product scheduled by hand") {
  auto mm =
      jit([](tensor<f32, shape<512, 512>> a, tensor<f32, shape<512, 512>> b) { return matmul(a, b); }, uncached());

  schedule s = mm.schedule();
  auto [i, j, k] = s.loops<3>("matmul");
  auto [io, ii] = s.split(i, 12);
  auto [jo, ji] = s.split(j, 32);
  s.reorder(io, jo, k, ii, ji);
  s.vectorize(ji, 16);
  s.unroll(ii);
  s.parallel(io);
  CHECK(to_string(s) + "\n" == text_of(R"(
matmul(x0 f32[512,512], x1 f32[512,512]) -> y f32[512,512]
  parallel for i0.o in [0, 43)
    for i1.o in [0, 16)
      acc0[i0.i < 12, i1.i < 32]
      unrolled for i0.i in [0, 12)  // i0 = i0.o * 12 + i0.i where < 512
        vectorized(16) for i1.i in [0, 32)  // i1 = i1.o * 32 + i1.i
          acc0 = start of sum
      for i2 in [0, 512)
        unrolled for i0.i in [0, 12)  // i0 = i0.o * 12 + i0.i where < 512
          vectorized(16) for i1.i in [0, 32)  // i1 = i1.o * 32 + i1.i
            acc0 sum= x0[i0, i2] * x1[i2, i1]
      unrolled for i0.i in [0, 12)  // i0 = i0.o * 12 + i0.i where < 512
        vectorized(16) for i1.i in [0, 32)  // i1 = i1.o * 32 + i1.i
          y[i0, i1] = acc0
)"));
  auto mine = s.compile();
  static_assert(std::is_same_v<decltype(mine), decltype(mm)>);
  CHECK(mine.stats().kernels == 1);
  const array<f32> a = whole_numbers({512, 512}, 1), b = whole_numbers({512, 512}, 2);
  check_same(mm(a, b), mine(a, b));
  const array<f32> x = array<f32>::uniform({512, 512}, 1), y = array<f32>::uniform({512, 512}, 2);
  check_same(mm(x, y), mine(x, y), 1e-3);
}

TEST_CASE("plain loops of what a call computes") {
  auto softmax_rows = jit([](tensor<f32, shape<dyn, 64>> x) { return softmax(x); }, uncached());
  schedule s = softmax_rows.schedule({{7, 64}});
  CHECK(to_string(s) + "\n" == text_of(R"(
max_sub_exp_sum_reciprocal_mul(x0 f32[7,64]) -> y f32[7,64]
  for i0 in [0, 7)
    acc0 = start of max
    for i2 in [0, 64)
      acc0 max= x0[i0, i2]
    acc1 = start of sum
    for i3 in [0, 64)
      acc1 sum= exp(x0[i0, i3] - acc0)
    for i1 in [0, 64)
      y[i0, i1] = exp(x0[i0, i1] - acc0) * reciprocal(acc1)
)"));
  // Reductions come last, whatever the place where they run.
  auto [row, column, largest, total] = s.loops<4>("max");
  s.parallel(row);
  s.vectorize(column);
  s.vectorize(largest, 16);
  s.vectorize(total, 16);
  auto mine = s.compile();
  const array<f32> x = array<f32>::uniform({7, 64}, 3);
  check_same(softmax_rows(x), mine(x), 1e-6);

  auto scan = jit([](tensor<f32, shape<5>> x) { return cumsum(x, {.axis = 0}); }, uncached());
  const schedule own = scan.schedule();
  CHECK(to_string(own).starts_with("cumsum: the operator's own loops\nkernel cumsum"));
  CHECK(to_string(own).find("vectorized") == std::string::npos);
  const array<f32> five = whole_numbers({5}, 1);
  check_same(scan(five), own.compile()(five));
  // Lines that lie side by side are worked on side by side.
  auto columns = jit([](tensor<f32, shape<5, 37>> x) { return cumsum(x, {.axis = 0}); }, uncached());
  CHECK(to_string(columns.schedule()).find("vectorized") != std::string::npos);
}

TEST_CASE("several kernels are told apart by their operators") {
  auto two = jit([](tensor<f32, shape<9, 9>> x) { return relu(matmul(exp(matmul(x, x)), x)); }, uncached());
  schedule s = two.schedule();
  const auto first = s.loops<3>("exp"), second = s.loops<3>("relu");
  CHECK(first[0].kernel != second[0].kernel);
  CHECK(refused([&] { s.loops<3>("matmul"); }) ==
        "loops: several kernels hold matmul; there are: matmul_exp, matmul_relu");
  CHECK(refused([&] { s.loops<3>("conv"); }) == "loops: no kernel holds conv; there are: matmul_exp, matmul_relu");
  CHECK(refused([&] { s.loops<2>("matmul_relu"); }) == text_of(R"(
loops: matmul_relu has 3 loops, and 2 are asked for
matmul_relu(x0 f32[9,9], x1 f32[9,9]) -> y f32[9,9]
  for i0 in [0, 9)
    for i1 in [0, 9)
      acc0 = start of sum
      for i2 in [0, 9)
        acc0 sum= x0[i0, i2] * x1[i2, i1]
      y[i0, i1] = max(acc0, 0.0f))"));
  CHECK(refused([&] { s.reorder(first[0], second[1]); }) ==
        "reorder: loops of two kernels, 0 and 1, of: matmul_exp, matmul_relu");
  CHECK(refused([&] { s.unroll(loop_handle{}); }) ==
        "unroll: a loop of kernel -1; the schedule has 2: matmul_exp, matmul_relu");
  s.parallel(first[0]);
  s.parallel(second[0]);
  const array<f32> x = array<f32>::uniform({9, 9}, 3);
  check_same(two(x), s.compile()(x), 1e-3);
}

TEST_CASE("split: whole blocks, cut blocks, shifted blocks") {
  auto twice = jit([](tensor<f32, shape<10>> x) { return x + x; }, uncached());
  const array<f32> x = whole_numbers({10}, 1), want = twice(x);
  for (const auto& [factor, how, inner] :
       {std::tuple(5, tail::guard, "    for i0.i in [0, 5)  // i0 = i0.o * 5 + i0.i\n"),
        {5, tail::exact, "    for i0.i in [0, 5)  // i0 = i0.o * 5 + i0.i\n"},
        {4, tail::guard, "    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 10\n"},
        {4, tail::shift, "    for i0.i in [0, 4)  // i0 = min(i0.o * 4, 6) + i0.i\n"},
        {1, tail::guard, "    for i0.i in [0, 1)  // i0 = i0.o * 1 + i0.i\n"},
        {99, tail::guard, "    for i0.i in [0, 10)  // i0 = i0.o * 99 + i0.i\n"}}) {
    CAPTURE(factor);
    schedule s = twice.schedule();
    const auto [i] = s.loops<1>("add");
    s.split(i, factor, how);
    CHECK(to_string(s).find(inner) != std::string::npos);
    check_same(want, s.compile()(x));
  }
  schedule s = twice.schedule();
  const auto [i] = s.loops<1>("add");
  const std::string nest = R"(
add(x0 f32[10]) -> y f32[10]
  for i0 in [0, 10)  <-- here
    y[i0] = x0[i0] + x0[i0])";
  CHECK(refused([&, i = i] { s.split(i, 4, tail::exact); }) ==
        "split(i0, 4, exact): the extent 10 of i0 is no multiple of 4" + nest);
  CHECK(refused([&, i = i] { s.split(i, 0); }) == "split(i0, 0): the factor 0 is not at least 1" + nest);
  CHECK(refused([&, i = i] { s.split(i, 11, tail::shift); }) ==
        "split(i0, 11, shift): a block of 11 does not fit into the extent 10 of i0" + nest);
  s.split(i, 4);
  CHECK(refused([&, i = i] { s.unroll(i); }) == text_of(R"(
unroll(i0): i0 is there no more: it was split into i0.o and i0.i
add(x0 f32[10]) -> y f32[10]
  for i0.o in [0, 3)
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 10
      y[i0] = x0[i0] + x0[i0])"));

  auto total = jit([](tensor<f32, shape<10>> x) { return sum(x); }, uncached());
  schedule t = total.schedule();
  const auto [r] = t.loops<1>("sum");
  CHECK(refused([&, r = r] { t.split(r, 4, tail::shift); }) == text_of(R"(
split(i0, 4, shift): i0 is a reduction by sum: what a shifted block does again would count twice
sum(x0 f32[10]) -> y f32[]
  acc0 = start of sum
  for i0 in [0, 10)  <-- here
    acc0 sum= x0[i0]
  y[] = acc0)"));
  auto largest = jit([](tensor<f32, shape<10>> x) { return max(x); }, uncached());
  schedule u = largest.schedule();
  const auto [v] = u.loops<1>("max");
  u.split(v, 4, tail::shift);
  check_same(largest(x), u.compile()(x));
}

TEST_CASE("fuse: neighbours of one kind") {
  auto mm = product();
  schedule s = mm.schedule({{6, 5}, {5, 7}});
  const auto [i, j, k] = s.loops<3>("matmul");
  const std::string nest = R"(
matmul(x0 f32[6,5], x1 f32[5,7]) -> y f32[6,7]
  for i0 in [0, 6)
    for i1 in [0, 7)
      acc0 = start of sum
      for i2 in [0, 5)  <-- here
        acc0 sum= x0[i0, i2] * x1[i2, i1]
      y[i0, i1] = acc0)";
  CHECK(refused([&, j = j, k = k] { s.fuse(j, k); }) ==
        "fuse(i1, i2): one of i1 and i2 is a loop of a reduction, the other one of the result" + nest);
  CHECK(refused([&, i = i, j = j] { s.fuse(j, i); }).starts_with("fuse(i1, i0): i0 is not directly inside of i1\n"));
  const loop_handle ij = s.fuse(i, j);
  CHECK(to_string(s) + "\n" == text_of(R"(
matmul(x0 f32[6,5], x1 f32[5,7]) -> y f32[6,7]
  for i0_i1 in [0, 42)  // i0 = i0_i1 / 7, i1 = i0_i1 % 7
    acc0 = start of sum
    for i2 in [0, 5)
      acc0 sum= x0[i0, i2] * x1[i2, i1]
    y[i0, i1] = acc0
)"));
  s.split(ij, 5);
  const array<f32> a = whole_numbers({6, 5}, 1), b = whole_numbers({5, 7}, 2);
  check_same(plain_product(a, b), s.compile()(a, b));

  auto rows = jit([](tensor<f32, shape<4, 8>> x) { return softmax(x); }, uncached());
  schedule r = rows.schedule();
  const auto [row, column, largest, total] = r.loops<4>("max");
  CHECK(refused([&, largest = largest, total = total] {
          r.fuse(largest, total);
        }).starts_with("fuse(i2, i3): i2 and i3 are loops of two reductions\n"));
}

TEST_CASE("reorder: accumulators for what is inside of a reduction") {
  auto mm = product();
  const array<f32> a = whole_numbers({6, 5}, 1), b = whole_numbers({5, 7}, 2), want = plain_product(a, b);
  schedule s = mm.schedule({{6, 5}, {5, 7}});
  const auto [i, j, k] = s.loops<3>("matmul");
  s.reorder(k, j);
  CHECK(to_string(s) + "\n" == text_of(R"(
matmul(x0 f32[6,5], x1 f32[5,7]) -> y f32[6,7]
  for i0 in [0, 6)
    acc0[i1 < 7]
    for i1 in [0, 7)
      acc0 = start of sum
    for i2 in [0, 5)
      for i1 in [0, 7)
        acc0 sum= x0[i0, i2] * x1[i2, i1]
    for i1 in [0, 7)
      y[i0, i1] = acc0
)"));
  check_same(want, s.compile()(a, b));
  s.reorder(k, j, i);
  check_same(want, s.compile()(a, b));
  // More than registers and the stack hold.
  const array<f32> c = whole_numbers({90, 5}, 1), d = whole_numbers({5, 70}, 2);
  schedule large = mm.schedule({{90, 5}, {5, 70}});
  const auto [p, q, r] = large.loops<3>("matmul");
  large.reorder(r, p, q);
  check_same(plain_product(c, d), large.compile()(c, d));

  CHECK(refused([&, i = i] { s.reorder(i, i); }).starts_with("reorder(i0, i0): i0 is given twice\n"));
  auto rows = jit([](tensor<f32, shape<4, 8>> x) { return softmax(x); }, uncached());
  schedule t = rows.schedule();
  const auto [row, column, largest, total] = t.loops<4>("max");
  const std::string nest = R"(
max_sub_exp_sum_reciprocal_mul(x0 f32[4,8]) -> y f32[4,8]
  for i0 in [0, 4)
    acc0 = start of max
    for i2 in [0, 8)
      acc0 max= x0[i0, i2]
    acc1 = start of sum
    for i3 in [0, 8)
      acc1 sum= exp(x0[i0, i3] - acc0)
    for i1 in [0, 8))";
  CHECK(refused([&, row = row, largest = largest] { t.reorder(largest, row); })
            .starts_with("reorder(i2, i0): i1 of the result would be inside of i2 of acc0; with 2 reductions in the "
                         "nest their loops stay "
                         "inside" +
                         nest + "  <-- here"));
  CHECK(refused([&, total = total, largest = largest] { t.reorder(total, largest); })
            .starts_with(
                "reorder(i3, i2): i2 of acc0 would be inside of i3 of acc1, which begins when acc0 is complete\n"));
}

TEST_CASE("tile: two splits and a reorder") {
  auto swap = jit([](tensor<f32, shape<10, 13>> x) { return relu(transpose(x)); }, uncached());
  schedule s = swap.schedule();
  const auto [i, j] = s.loops<2>("relu");
  const auto [io, jo, ii, ji] = s.tile(i, j, 4, 8);
  CHECK(to_string(s) + "\n" == text_of(R"(
transpose_relu(x0 f32[10,13]) -> y f32[13,10]
  for i0.o in [0, 4)
    for i1.o in [0, 2)
      for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 13
        for i1.i in [0, 8)  // i1 = i1.o * 8 + i1.i where < 10
          y[i0, i1] = max(x0[i1, i0], 0.0f)
)"));
  s.parallel(io);
  s.vectorize(ji);
  s.unroll(ii);
  const array<f32> x = whole_numbers({10, 13}, 1);
  check_same(swap(x), s.compile()(x));
  schedule t = swap.schedule();
  const auto [p, q] = t.loops<2>("relu");
  CHECK(refused([&, p = p] { t.tile(p, p, 2, 2); }).starts_with("tile(i0, i0, 2, 2): i0 is given twice\n"));
  CHECK(refused([&, p = p, q = q] {
          t.tile(p, q, 2, 5, tail::exact);
        }).starts_with("tile(i0, i1, 2, 5, exact): the extent 13 of i0 is no multiple of 2\n"));
}

TEST_CASE("vectorize: results and reductions, one loop deep") {
  auto mm = product();
  const array<f32> a = whole_numbers({6, 37}, 1), b = whole_numbers({37, 21}, 2), want = plain_product(a, b);
  for (int which = 0; which < 3; ++which) {
    schedule s = mm.schedule({{6, 37}, {37, 21}});
    const auto l = s.loops<3>("matmul");
    s.vectorize(l[static_cast<std::size_t>(which)], 8);
    check_same(want, s.compile()(a, b));
  }
  schedule s = mm.schedule({{6, 37}, {37, 21}});
  const auto [i, j, k] = s.loops<3>("matmul");
  s.vectorize(j, 8);
  const std::string nest = R"(
matmul(x0 f32[6,37], x1 f32[37,21]) -> y f32[6,21]
  for i0 in [0, 6)
    vectorized(8) for i1 in [0, 21)
      acc0 = start of sum
      for i2 in [0, 37)  <-- here
        acc0 sum= x0[i0, i2] * x1[i2, i1]
      y[i0, i1] = acc0)";
  CHECK(refused([&, k = k] { s.vectorize(k, 8); }) ==
        "vectorize(i2, 8): i1 and, inside of it, i2 would both be vectorized" + nest);
  CHECK(refused([&, k = k] { s.vectorize(k, 12); }) ==
        "vectorize(i2, 12): 12 lanes; a power of two up to 64 is expected" + nest);
  CHECK(refused([&, j = j] {
          s.split(j, 2);
        }).starts_with("split(i1, 2): i1 is vectorized already, and cannot be split then\n"));
  schedule t = mm.schedule({{6, 37}, {37, 2100}});
  const auto [p, q, r] = t.loops<3>("matmul");
  t.vectorize(p, 8);
  CHECK(refused([&, q = q, r = r] {
          t.reorder(r, q);
        }).starts_with("reorder(i2, i1): each lane of i0 would keep 8400 bytes of acc0; 4096 are allowed\n"));
}

TEST_CASE("unroll: a bounded number of copies") {
  auto mm = product();
  const array<f32> a = whole_numbers({6, 40}, 1), b = whole_numbers({40, 50}, 2);
  schedule s = mm.schedule({{6, 40}, {40, 50}});
  const auto [i, j, k] = s.loops<3>("matmul");
  s.unroll(k);
  CHECK(refused([&, j = j] { s.unroll(j); }) == text_of(R"(
unroll(i1): there would be 2000 copies of the innermost statement; 256 are allowed
matmul(x0 f32[6,40], x1 f32[40,50]) -> y f32[6,50]
  for i0 in [0, 6)
    for i1 in [0, 50)  <-- here
      acc0 = start of sum
      unrolled for i2 in [0, 40)
        acc0 sum= x0[i0, i2] * x1[i2, i1]
      y[i0, i1] = acc0)"));
  s.unroll(i);
  check_same(plain_product(a, b), s.compile()(a, b));
}

TEST_CASE("parallel: the outermost loop of the result") {
  auto mm = product();
  schedule s = mm.schedule({{6, 5}, {5, 7}});
  const auto [i, j, k] = s.loops<3>("matmul");
  const auto nest = [](int marked) {
    std::string t = R"(
matmul(x0 f32[6,5], x1 f32[5,7]) -> y f32[6,7]
)";
    const auto line = [&](int l, const char* text) { t += std::string(text) + (l == marked ? "  <-- here\n" : "\n"); };
    line(0, "  for i0 in [0, 6)");
    line(1, "    for i1 in [0, 7)");
    line(-1, "      acc0 = start of sum");
    line(2, "      for i2 in [0, 5)");
    return t + "        acc0 sum= x0[i0, i2] * x1[i2, i1]\n      y[i0, i1] = acc0";
  };
  CHECK(refused([&, j = j] { s.parallel(j); }) ==
        "parallel(i1): the parallel loop i1 is not the outermost one" + nest(1));
  CHECK(refused([&, k = k] { s.parallel(k); }) ==
        "parallel(i2): i2 carries the reduction acc0: its trips write the same accumulator" + nest(2));
  s.parallel(i);
  CHECK(refused([&, i = i] {
          s.parallel(i);
        }).starts_with("parallel(i0): i0 is parallel already, and cannot be parallel then\n"));
  CHECK(refused([&, i = i, j = j] {
          s.reorder(j, i);
        }).starts_with("reorder(i1, i0): the parallel loop i0 is not the outermost one\n"));
  const array<f32> a = whole_numbers({6, 5}, 1), b = whole_numbers({5, 7}, 2);
  check_same(plain_product(a, b), s.compile()(a, b));

  auto share = jit([](tensor<f32, shape<10>> x) { return softmax(x); }, uncached());
  schedule t = share.schedule();
  const auto [e, r, q] = t.loops<3>("sum");
  CHECK(
      refused([&, e = e] {
        t.parallel(e);
      }).starts_with("parallel(i0): acc0 is computed before the parallel loop i0, which every thread would repeat\n"));
}

TEST_CASE("extents: stated by the types, or given, and they fit") {
  auto dense = jit([](tensor<f32, shape<dim("n"), 8>> x, tensor<f32, shape<8, dim("n")>> y) { return matmul(x, y); },
                   uncached());
  CHECK(
      refused([&] { (void)dense.schedule(); })
          .starts_with("schedule: the extents of argument 1 f32[n,8] are not all known: schedule({{...}}) takes them, "
                       "a list for each argument; made at "));
  CHECK(refused([&] {
          (void)dense.schedule({{3, 8}});
        }).starts_with("schedule: the extents of 1 arguments are given; there are 2; made at "));
  CHECK_THROWS_AS((void)dense.schedule({{3, 8}, {8, 4}}), shape_error);
  CHECK_THROWS_AS((void)dense.schedule({{3, 7}, {7, 3}}), shape_error);
  CHECK_THROWS_AS((void)dense.schedule({{-3, 8}, {8, -3}}), shape_error);
  auto native = product(uncached("native"));
  CHECK(refused([&] { (void)native.schedule({{2, 2}, {2, 2}}); }) ==
        "schedule: the native target runs operators as the C++ compiler compiled them: no loops");

  // Other extents than the schedule's: the same steps again.
  schedule s = dense.schedule({{6, 8}, {8, 6}});
  const auto [i, j, k] = s.loops<3>("matmul");
  const auto [io, ii] = s.split(i, 3, tail::exact);
  s.parallel(io);
  auto mine = s.compile();
  for (const long n : {6, 9}) {
    const array<f32> a = whole_numbers({n, 8}, 1), b = whole_numbers({8, n}, 2);
    check_same(plain_product(a, b), mine(a, b));
  }
  const array<f32> a = whole_numbers({7, 8}, 1), b = whole_numbers({8, 7}, 2);
  CHECK(refused([&] {
          (void)mine(a, b);
        }).starts_with("split(i0, 3, exact): the extent 7 of i0 is no multiple of 3\nmatmul(x0 f32[7,8]"));
  check_same(plain_product(whole_numbers({6, 8}, 1), whole_numbers({8, 6}, 2)),
             mine(whole_numbers({6, 8}, 1), whole_numbers({8, 6}, 2)));
  CHECK_THROWS_AS((void)mine(a, a), shape_error);

  // Empty results and empty sums.
  auto mm = product();
  schedule none = mm.schedule({{0, 4}, {4, 5}});
  CHECK(none.compile()(array<f32>::zeros({0, 4}), array<f32>::zeros({4, 5})).size() == 0);
  schedule zero = mm.schedule({{3, 0}, {0, 5}});
  const auto [p, q, r] = zero.loops<3>("matmul");
  zero.split(r, 4);
  zero.vectorize(q, 4);
  check_same(array<f32>::zeros({3, 5}), zero.compile()(array<f32>::zeros({3, 0}), array<f32>::zeros({0, 5})));
}

TEST_CASE("a schedule is a value: copied, saved, replayed") {
  auto mm = product();
  schedule s = mm.schedule({{6, 5}, {5, 7}});
  const auto [i, j, k] = s.loops<3>("matmul");
  const auto [jo, ji] = s.split(j, 4, tail::shift);
  schedule copy = s;
  copy.vectorize(ji, 4);
  s.unroll(ji);
  CHECK(to_string(s) != to_string(copy));
  const std::string json = s.json();
  CHECK(
      json ==
      R"({"extents":[[6,5],[5,7]],"steps":[{"kernel":"matmul","loops":[1],"numbers":[4],"step":"split","tail":"shift"},)"
      R"({"kernel":"matmul","loops":[4],"step":"unroll"}],"tenon_schedule":1})");
  schedule again = mm.schedule(json);
  CHECK(to_string(again) == to_string(s));
  CHECK(again.json() == json);
  copy = again;
  CHECK(to_string(copy) == to_string(s));
  // A refused step is not recorded.
  CHECK(refused([&, ji = ji] { again.unroll(ji); }) != "not refused");
  CHECK(again.json() == json);

  const auto with = [&](const std::string& from, const std::string& to) {
    std::string t = json;
    t.replace(t.find(from), from.size(), to);
    return refused([&] { (void)mm.schedule(t); });
  };
  CHECK(refused([&] { (void)mm.schedule(""); }) == "schedule record: no JSON at byte 1");
  CHECK(refused([&] { (void)mm.schedule(json.substr(0, 40)); }) == "schedule record: no JSON at byte 41");
  CHECK(refused([&] { (void)mm.schedule("[]"); }) == "schedule record: it is no object");
  CHECK(refused([&] { (void)mm.schedule("{}"); }) == "schedule record: the record has no \"tenon_schedule\"");
  CHECK(with("\"tenon_schedule\":1", "\"tenon_schedule\":2") == "schedule record: version 2 is not known; 1 is");
  CHECK(with("[6,5]", "6") == "schedule record: 6 are no extents");
  CHECK(with("[6,5]", "[6,5.5]") == "schedule record: [6,5.5] are no extents");
  CHECK(with("\"loops\":[1]", "\"loops\":[\"i\"]") == "schedule record: \"loops\" of step 1 holds \"i\"");
  CHECK(with("\"loops\":[1]", "\"loops\":[4294967297]") == "schedule record: \"loops\" of step 1 holds 4294967297");
  CHECK(with("\"loops\":[1]", "\"loops\":[1,2]").starts_with("split(i1, i2, 4, shift): it is given 2 loops\n"));
  CHECK(with("\"numbers\":[4],", "").starts_with("split(i1, shift): it is given 0 numbers, not 1\n"));
  CHECK(with("\"loops\":[4]", "\"loops\":[9]").starts_with("unroll(loop 9): matmul has no loop 9; it has had 5\n"));
  CHECK(with("\"unroll\"", "\"unrol\"") == "schedule record: \"step\" of step 2 is \"unrol\"");
  CHECK(with("\"shift\"", "\"shifted\"") == "schedule record: \"tail\" of step 1 is \"shifted\"");
  CHECK(with("\"matmul\"", "\"conv\"") == "schedule record: there is no kernel conv; there are: matmul");
}

TEST_CASE("views with strides run through the same loops") {
  auto mm = product();
  schedule s = mm.schedule({{6, 5}, {5, 7}});
  const auto [i, j, k] = s.loops<3>("matmul");
  const auto [jo, ji] = s.split(j, 4);
  s.reorder(jo, k, ji);
  s.vectorize(ji);
  s.parallel(i);
  auto mine = s.compile();
  const array<f32> a = whole_numbers({6, 5}, 1), b = whole_numbers({5, 7}, 2), want = plain_product(a, b);
  array<f32> across = array<f32>::zeros({7, 5});
  for (long r = 0; r < 5; ++r)
    for (long c = 0; c < 7; ++c) across.data()[c * 5 + r] = b.data()[r * 7 + c];
  check_same(want, mine(a, view<f32>(across.data(), {5, 7}, {1, 5})));
  array<f32> y = array<f32>::zeros({6, 7});
  mine.into(y, a, b);
  check_same(want, y);

  // A map has its result's axes, contiguous or not.
  auto twice = jit([](tensor<f32, shape<4, 6>> x) { return x + x; }, uncached());
  schedule t = twice.schedule();
  const auto [row, column] = t.loops<2>("add");
  t.vectorize(column, 4);
  auto doubled = t.compile();
  const array<f32> x = whole_numbers({4, 12}, 1);
  const view<f32> every_other(x.data(), {4, 6}, {12, 2});
  check_same(twice(every_other), doubled(every_other));
}

TEST_CASE("the same bits on every number of threads, the same numbers on every machine") {
  const array<f32> a = array<f32>::uniform({61, 47}, 1), b = array<f32>::uniform({47, 83}, 2);
  for (const char* cpu : {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native"}) {
    CAPTURE(cpu);
    array<f32> first;
    for (const char* threads : {"1", "2", "3"}) {
      const std::string target = std::string("llvm -mcpu=") + cpu + " -num-threads=" + threads;
      auto mm = product(uncached(target));
      try {
        mm(a, b);
      } catch (const target_error&) {  // not this processor's
        continue;
      }
      schedule s = mm.schedule({{61, 47}, {47, 83}});
      const auto [i, j, k] = s.loops<3>("matmul");
      const auto [io, ii] = s.split(i, 5);
      const auto [jo, ji] = s.split(j, 24);
      s.reorder(io, jo, k, ii, ji);
      s.vectorize(ji, 8);
      s.unroll(ii);
      s.parallel(io);
      const array<f32> got = s.compile()(a, b);
      check_same(mm(a, b), got, 1e-4);
      if (first.size() == 0)
        first = got;
      else
        check_same(first, got);
    }
  }
}

TEST_CASE("cache_read, cache_write, prefetch, compute_inline") {
  auto f = jit([](tensor<f32, shape<10, 13>> x) { return transpose(x) + 1.0f; }, uncached());
  const array<f32> x = whole_numbers({10, 13}, 1), want = f(x);
  schedule s = f.schedule();
  auto [i, j] = s.loops<2>("transpose");
  auto [io, jo, ii, ji] = s.tile(i, j, 4, 8);
  CHECK(refused([&, at = ji] { s.cache_read("x7", at); }).find(" reads no x7; it reads x0") != std::string::npos);
  const auto in = s.cache_read("x0", jo), out = s.cache_write(jo);
  s.prefetch("x0", io, 1);
  CHECK(refused([&, at = io] { s.cache_read("x0", at); }).find("there is x0.c already, inside of i1.o") !=
        std::string::npos);
  CHECK(refused([&, a = jo, b = ii] {
          s.reorder(b, a);
        }).find("x0.c would hold [8, 1] and not [8, 4]: this step is to be taken before") != std::string::npos);
  CHECK(refused([&, at = jo] { s.vectorize(at); }).find("x0.c would be inside of the vectorized loop i1.o") !=
        std::string::npos);
  s.vectorize(in[1], 4);
  s.reorder(out[1], out[0]);
  s.parallel(io);
  CHECK(to_string(s) + "\n" == text_of(R"(
transpose_add(x0 f32[10,13]) -> y f32[13,10]
  parallel for i0.o in [0, 4)
    for x0.l0 in [0, 10)
      for x0.l1 in [0, 1)
        prefetch x0[x0.l0, i0.o * 4 + x0.l1 * 16], 1 trips ahead
    for i1.o in [0, 2)
      y.c[4, 8]
      x0.c[8, 4]
      for x0.c0 in [0, 8)
        vectorized(4) for x0.c1 in [0, 4)
          x0.c[x0.c0, x0.c1] = x0[i1.o * 8 + x0.c0, i0.o * 4 + x0.c1]
      for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 13
        for i1.i in [0, 8)  // i1 = i1.o * 8 + i1.i where < 10
          y.c[i0, i1] = x0.c[i1, i0] + 1.0f
      for y.c1 in [0, 8)
        for y.c0 in [0, 4)
          y[i0.o * 4 + y.c0, i1.o * 8 + y.c1] = y.c[y.c0, y.c1]
)"));
  check_same(want, s.compile()(x));
  check_same(want, f.schedule(s.json()).compile()(x));
  s.compute_inline(in[0]);
  CHECK(refused([&] { s.unroll(in[1]); }).find("x0.c1 is there no more: it was computed inline again") !=
        std::string::npos);
  CHECK(refused([&, i = ii] { s.compute_inline(i); }).find("i0.i is no loop of a value that is kept") !=
        std::string::npos);
  check_same(want, s.compile()(x));
}

TEST_CASE("compute_at: a reduction, an intermediate") {
  auto rows = jit([](tensor<f32, shape<6, 40>> x) { return softmax(x); }, uncached());
  const array<f32> x = array<f32>::uniform({6, 40}, 3), want = rows(x);
  schedule s = rows.schedule();
  auto [i, j, m, e] = s.loops<4>("max");
  auto [io, ii] = s.split(i, 4);
  s.compute_at(m, io);
  s.compute_at(e, io);
  CHECK(refused([&, at = io] {
          s.compute_at("exp", at);
        }).find("exp.c is made of acc0, which differs along i0 inside of i0.o") != std::string::npos);
  CHECK(refused([&, own = i] { s.compute_at(own, own); }).find("i0 is there no more") != std::string::npos);
  CHECK(to_string(s) + "\n" == text_of(R"(
max_sub_exp_sum_reciprocal_mul(x0 f32[6,40]) -> y f32[6,40]
  for i0.o in [0, 2)
    acc0[i0.i < 4]
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      acc0 = start of max
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      for i2 in [0, 40)
        acc0 max= x0[i0, i2]
    acc1[i0.i < 4]
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      acc1 = start of sum
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      for i3 in [0, 40)
        acc1 sum= exp(x0[i0, i3] - acc0)
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      for i1 in [0, 40)
        y[i0, i1] = exp(x0[i0, i1] - acc0) * reciprocal(acc1)
)"));
  check_same(want, s.compile()(x), 1e-6);
  s.compute_at(e, ii);
  s.compute_at(m, ii);
  CHECK(refused([&, own = m, at = j] {
          s.compute_at(own, at);
        }).find("acc1 reads acc0, which would be computed further inside") != std::string::npos);
  const auto kept = s.compute_at("exp", ii);
  CHECK(kept.size() == 2);
  s.vectorize(kept[1], 8);
  CHECK(to_string(s) + "\n" == text_of(R"(
max_sub_exp_sum_reciprocal_mul(x0 f32[6,40]) -> y f32[6,40]
  for i0.o in [0, 2)
    for i0.i in [0, 4)  // i0 = i0.o * 4 + i0.i where < 6
      acc0 = start of max
      for i2 in [0, 40)
        acc0 max= x0[i0, i2]
      acc1 = start of sum
      exp.c[1, 40]
      for exp.c0 in [0, 1)
        vectorized(8) for exp.c1 in [0, 40)
          exp.c[exp.c0, exp.c1] = exp(x0[i0.o * 4 + i0.i + exp.c0, exp.c1] - acc0)
      for i3 in [0, 40)
        acc1 sum= exp.c[i0, i3]
      for i1 in [0, 40)
        y[i0, i1] = exp.c[i0, i1] * reciprocal(acc1)
)"));
  check_same(want, s.compile()(x), 1e-6);
}

TEST_CASE("partition: whole blocks apart from the rest") {
  auto twice = jit([](tensor<f32, shape<10, 9>> x) { return x + x; }, uncached());
  const array<f32> x = whole_numbers({10, 9}, 1), want = twice(x);
  for (const bool parallel : {false, true}) {
    schedule s = twice.schedule();
    auto [i, j] = s.loops<2>("add");
    CHECK(refused([&, i = i] { s.partition(i); }).find("i0 runs over no blocks of which the last one is cut") !=
          std::string::npos);
    CHECK(refused([&, i = i] { s.partition(i, 10); }).find("a cut at 10 leaves one part of i0 without trips") !=
          std::string::npos);
    auto [io, ii] = s.split(i, 4);
    s.unroll(ii);
    s.partition(io);
    if (parallel) s.parallel(io);
    CHECK(to_string(s).find("for i0.o in [0, 3), apart from 2 on") != std::string::npos);
    s.partition(j, 5);
    CHECK(refused([&, j = j] { s.vectorize(j); }).find("i1 is partitioned already, and cannot be vectorized then") !=
          std::string::npos);
    check_same(want, s.compile()(x));
  }
  schedule s = twice.schedule();
  auto [i, j] = s.loops<2>("add");
  auto [jo, ji] = s.split(j, 4, tail::mask);
  s.vectorize(ji, 4);
  CHECK(to_string(s).find("where < 9, masked") != std::string::npos);
  check_same(want, s.compile()(x));
}
