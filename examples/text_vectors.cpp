// Texts as vectors, and how close each comes to the first:
//   text_vectors FOLDER [TEXT...]
// FOLDER holds the weights and the tokenizer that `sh cmake/text_model.sh FOLDER` fetches. Without a TEXT each line of
// the standard input is one. Prints the cosine between each text's vector and the first's, the closest first, with the
// vector's first numbers; and times.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "text_model.hpp"
#include "tokenizer.hpp"

using namespace tenon;

namespace {

// Median time of a call, in microseconds.
template <class F>
double microseconds(F&& call) {
  std::vector<double> times;
  for (int i = 0; i < 101; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + 50, times.end());
  return times[50];
}

void run(const std::string& folder, const std::vector<std::string>& texts) {
  if (!std::filesystem::is_directory(folder))
    throw std::invalid_argument(folder + " is no folder; sh cmake/text_model.sh " + folder + " makes it");
  if (texts.size() < 2)
    throw std::invalid_argument("at least two texts are compared, not " + std::to_string(texts.size()));
  const tokenizer words = tokenizer::load(folder + "/l2_supercat_tokenizer_config.json");
  const param_set weights = load_safetensors(folder + "/l2_supercat_256.safetensors");
  if (words.size() > text::model::words)
    throw std::invalid_argument("tokens up to " + std::to_string(words.size() - 1) + ": the table has rows for " +
                                std::to_string(text::model::words));

  std::vector<std::vector<std::int64_t>> tokens;
  for (std::size_t i = 0; i < texts.size(); ++i) try {
      tokens.push_back(words.encode(texts[i]));
      if (tokens.back().empty()) throw std::invalid_argument("empty: it has no tokens");
    } catch (const std::invalid_argument& e) {
      throw std::invalid_argument("text " + std::to_string(i + 1) + ": " + e.what());
    }
  const text::batch batch(tokens);

  const auto net = build(text::model{}, text::model::inputs{}, {.params = weights});
  const auto cosines = jit([](tensor<f32, shape<dim("texts"), text::model::width>> vectors,
                              tensor<f32, shape<text::model::width>> query) { return matmul(vectors, query); });
  array<f32> vectors = net(batch.tokens, batch.mask);
  const array<f32> cosine = cosines(vectors, view<f32>(vectors.data(), {text::model::width}));

  std::vector<extent_t> order(texts.size() - 1);
  std::iota(order.begin(), order.end(), 1);
  std::sort(order.begin(), order.end(), [&](extent_t a, extent_t b) { return cosine(a) > cosine(b); });
  order.insert(order.begin(), 0);
  for (extent_t i : order)
    std::printf("%6.3f  [%6.3f %6.3f %6.3f ...]  %s\n", cosine(i), vectors(i, 0), vectors(i, 1), vectors(i, 2),
                texts[static_cast<std::size_t>(i)].c_str());

  const double encoding = microseconds([&] {
    for (const std::string& t : texts) (void)words.encode(t);
  });
  const double call = microseconds([&] { net.into(vectors, batch.tokens, batch.mask); });
  const call_stats s = net.stats();
  std::printf(
      "%zu texts of up to %d tokens: %.1f us for the tokens, %.1f us for the vectors in %d kernels (compiled in "
      "%.0f ms)\n",
      texts.size(), static_cast<int>(batch.tokens.dims()[1]), encoding, call, static_cast<int>(s.kernels),
      s.compile_seconds * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("text_vectors FOLDER [TEXT...]; without a TEXT, lines from the input");
    std::vector<std::string> texts(argv + 2, argv + argc);
    if (argc == 2)
      for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
    run(argv[1], texts);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "text_vectors: %s\n", e.what());
    return 1;
  }
}
