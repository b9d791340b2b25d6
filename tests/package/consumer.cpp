// What a user's first program is: it must build against the installed library with nothing of ours around it.
#include <cstdio>
#include <tenon/tenon.hpp>

using namespace tenon;

int main(int argc, char** argv) {
  auto twice = jit([](tensor<f32, shape<dyn>> x) { return x + x; }, {.target = argc > 1 ? argv[1] : "llvm"});
  const float values[] = {1, 2, 3};
  array<f32> x({3}, values);
  array<f32> y = twice(x);
  return y.size() == 3 && y.data()[2] == 6 ? 0 : 1;
}
