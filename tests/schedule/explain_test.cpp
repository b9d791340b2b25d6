// What a callable says of itself: its schedules as calls, what bounds its kernels, how they do.
#include <doctest/doctest.h>

#include <string>
#include <tenon/tenon.hpp>

#include "inner_loop.hpp"

using namespace tenon;

namespace {
bool says(const explanation& e, const std::string& what) {
  const bool found = e.text().find(what) != std::string::npos;
  if (!found) MESSAGE(e.text());
  return found;
}
compile_options uncached(std::string target = "llvm") { return {.target = std::move(target), .cache = false}; }
}  // namespace

TEST_CASE("explain: the library's schedule and a user's, as calls") {
  auto mm = jit([](tensor<f32, shape<96, 64>> a, tensor<f32, shape<64, 96>> b) { return matmul(a, b); },
                uncached("llvm -mcpu=x86-64-v3 -num-threads=1"));
  const auto a = array<f32>::uniform({96, 64}, 1), b = array<f32>::uniform({64, 96}, 2);
  (void)mm(a, b);
  CHECK(says(mm.explain(), "schedule:\n  split(i0, "));
  CHECK(says(mm.explain(), "  tensorize(i0.i, i1.i)  (a tile of "));
  CHECK(says(mm.explain(), "bound: "));
  CHECK(says(mm.explain(), "1.18e+06 operations at "));
  // What a row's elements share is computed once for it: the largest and their sum, no more than a step each an
  // element.
  auto soft = jit([](tensor<f32, shape<64, 128>> x) { return softmax(x); }, uncached());
  (void)soft(array<f32>::uniform({64, 128}, 1));
  CHECK(says(soft.explain(), "5.741e+04 operations at "));
  // One value everywhere is stored everywhere.
  auto fill = jit([](tensor<f32, shape<>> x) { return broadcast_to(x, {1024, 1024}); },
                  uncached("llvm -mcpu=x86-64-v3 -num-threads=1"));
  (void)fill(array<f32>::zeros({}));
  CHECK(says(fill.explain(), "predicted 65.5 us"));

  schedule s = mm.schedule();
  auto [i, j, k] = s.loops<3>("matmul");
  auto [io, ii] = s.split(i, 12);
  s.pack("x0", io, 1, 16);
  s.parallel(io);
  CHECK(says(s.compile().explain(), "schedule:\n  split(i0, 12)\n  pack(x0, i0.o, 1, 16)\n  parallel(i0.o)\nbound: "));

  auto rows = jit([](tensor<f32, shape<20, 300>> x) { return softmax(x); }, uncached());
  (void)rows(array<f32>::uniform({20, 300}, 1));
  CHECK(says(rows.explain(), "parallel(i0"));
  CHECK(says(rows.explain(), "vectorize(i1"));
}

TEST_CASE("bench: each kernel beside the machine's peaks") {
  for (const char* target : {"llvm", "native"}) {
    CAPTURE(target);
    auto mm = jit([](tensor<f32, shape<dyn, dyn>> a, tensor<f32, shape<dyn, dyn>> b) { return relu(matmul(a, b)); },
                  uncached(target));
    const auto a = array<f32>::uniform({64, 64}, 1), b = array<f32>::uniform({64, 64}, 2);
    const explanation e = mm.bench(a, b);
    CHECK(says(e, "a call takes "));
    CHECK(says(e, "us on one core, "));
    CHECK(says(e, "% of the peak)"));
    CHECK((e.text().find("busiest loop:\n.") != std::string::npos) == (target == std::string("llvm")));
    CHECK_THROWS_AS(mm.bench(a, array<f32>::uniform({63, 64}, 2)), shape_error);
  }
}

TEST_CASE("bench: where the time of several kernels goes") {
  auto f = jit([](tensor<f32, shape<96, 64>> a, tensor<f32, shape<64, 64>> b) { return matmul(matmul(a, b), b); },
               uncached());
  const explanation e = f.bench(array<f32>::uniform({96, 64}, 1), array<f32>::uniform({64, 64}, 2));
  CHECK(says(e, "the slowest of 2 kernels, "));
  CHECK(says(e, "% of the time, "));
  auto one = jit([](tensor<f32, shape<96, 64>> a) { return relu(a); }, uncached());
  CHECK(one.bench(array<f32>::uniform({96, 64}, 1)).text().find("the slowest") == std::string::npos);
}

TEST_CASE("the busiest loop is innermost and has the most vector arithmetic") {
  const char* text =
      "f:\n"
      ".LBB0_1:\n"
      "\tmovq %rax, %rbx\n"
      ".LBB0_2:                                # inner\n"
      "\tvmovups (%rax), %zmm0\n"
      "\tjne .LBB0_2\n"
      ".LBB0_3:\n"
      "\tvfmadd231ps (%rax){1to16}, %zmm1, %zmm2 # a comment\n"
      "\tjl\t.LBB0_3\n"
      "\tvaddps %zmm0, %zmm0, %zmm0\n"
      "\tvaddps %zmm0, %zmm0, %zmm0\n"
      "\tjne .LBB0_1\n"
      "\tretq\n";
  CHECK(busiest_loop(text) == ".LBB0_3:\n  vfmadd231ps (%rax){1to16}, %zmm1, %zmm2 \n  jl\t.LBB0_3\n");
  CHECK(busiest_loop("f:\n\tretq\n").empty());
  CHECK(predicted_throughput("", "x86-64").empty());
}
