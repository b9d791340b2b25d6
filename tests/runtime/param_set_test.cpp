#include "tenon/runtime/param_set.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "files.hpp"
#include "runtime/shared_block.hpp"
#include "tenon/core/error.hpp"

using namespace tenon;
using test::has;
using test::text_of;

TEST_CASE("param_set: named tensors, sorted by name") {
  param_set p;
  CHECK(p.size() == 0);
  CHECK(p.begin() == p.end());
  CHECK(p.find("x") == nullptr);
  p.set("w", array<f32>::full({2, 3}, 1)).set("b", array<i64>::full({}, 4));
  p.set("c", array<b8>());
  CHECK(p.names() == std::vector<std::string>{"b", "c", "w"});
  CHECK(p["w"].type() == f32);
  CHECK(p["w"].dims() == dims{2, 3});
  CHECK(p["w"].bytes() == 24);
  CHECK(p["b"].as<i64>()() == 4);
  p.set("w", array<f32>::full({1}, 2));
  CHECK(p.size() == 3);
  CHECK(p["w"].as<f32>()(0) == 2);
  CHECK(p.erase("c"));
  CHECK_FALSE(p.erase("c"));
  CHECK_FALSE(p.contains("c"));
  CHECK(has(text_of<type_error>([&] { p["w"].as<f16>(); }), "parameter 'w': the elements are f32, not f16"));
  CHECK(has(text_of<argument_error>([&] { p["v"]; }), "no parameter 'v' among 2: 'b', 'w'"));
  CHECK_THROWS_AS(p.set("", array<f32>()), argument_error);
}

TEST_CASE("param_set: a value; copies share until one changes") {
  param_set p;
  p.set("w", array<f32>::full({4}, 1));
  param_set q = p;
  CHECK(q["w"].data() == p["w"].data());
  q.set("w", array<f32>::full({4}, 2));
  q.set("v", array<f32>());
  CHECK(p.size() == 1);
  CHECK(p["w"].as<f32>()(3) == 1);
  CHECK(q["w"].as<f32>()(3) == 2);
  const param_value kept = p["w"];
  p = q;
  q = param_set();
  CHECK(p.size() == 2);
  CHECK(kept.as<f32>()(0) == 1);
  const auto shared = detail::share(p["w"]);
  p = param_set();
  CHECK(static_cast<const float*>(shared.get())[1] == 2);
}

TEST_CASE("param_set: copies may live and die on any threads") {
  param_set p;
  p.set("w", array<f32>::full({4}, 1));
  std::vector<std::thread> threads;
  std::vector<float> sums(4);
  for (std::size_t t = 0; t < sums.size(); ++t)
    threads.emplace_back([&, t, q = p]() mutable {
      for (int i = 0; i < 1000; ++i) {
        param_set r = q;
        r.set("v", array<f32>::full({1}, 1));
        const param_value v = r["w"];
        r = q;
        sums[t] += v.as<f32>()(0);
      }
    });
  for (auto& t : threads) t.join();
  CHECK(sums == std::vector<float>(4, 1000));
}
