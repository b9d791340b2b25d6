// The model that `sh cmake/text_model.sh FOLDER` fetches, beside what the package that it is from (wordllama
// 0.4.0.post1, with tokenizers 0.23.3) computes with it; where TENON_TEXT_MODEL is that FOLDER.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../examples/text_model.hpp"
#include "../../examples/tokenizer.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

struct sentence {
  const char* text;
  std::vector<std::int64_t> tokens;
  float vector[4];  // how it starts
};
const std::vector<sentence> sentences{
    {"How do I bake bread?",
     {1128, 437, 306, 289, 1296, 18423, 29973},
     {0.0913692f, 0.0673894f, -0.0358664f, -0.0537570f}},
    {"Preheat the oven and knead the dough.",
     {4721, 354, 271, 278, 288, 854, 322, 17905, 328, 278, 270, 820, 29889},
     {0.0920822f, 0.0525186f, 0.0140823f, -0.0461698f}},
    {"Zürich: 3.5% mehr, für 12 €",
     {24931, 29901, 29871, 29941, 29889, 29945, 29995, 5243, 29892, 1865, 29871, 29896, 29906, 25540},
     {0.0147585f, -0.0209578f, -0.0791421f, -0.0217495f}},
    {"日本語と 🍌",
     {29871, 30325, 30346, 30968, 30364, 29871, 243, 162, 144, 143},
     {-0.0995295f, 0.1176902f, -0.0065793f, -0.1344948f}},
    {"a <s>  b\n", {263, 29871, 1, 259, 289, 13}, {-0.1568939f, 0.0241308f, -0.0166416f, 0.1222962f}},
};

}  // namespace

TEST_CASE("text vectors: a trained model's tokens and vectors") {
  const char* folder = std::getenv("TENON_TEXT_MODEL");
  if (!folder) {
    std::printf("skipped: TENON_TEXT_MODEL names no folder with the model that cmake/text_model.sh fetches\n");
    return;
  }
  const tokenizer words = tokenizer::load(std::string(folder) + "/l2_supercat_tokenizer_config.json");
  const param_set weights = load_safetensors(std::string(folder) + "/l2_supercat_256.safetensors");
  CHECK(words.size() == text::model::words);
  std::vector<std::vector<std::int64_t>> tokens;
  for (const sentence& s : sentences) {
    tokens.push_back(words.encode(s.text));
    CAPTURE(s.text);
    CHECK(tokens.back() == s.tokens);
  }
  const text::batch all(tokens);
  for (const char* target : test::targets) {
    const auto net = build(text::model{}, text::model::inputs{}, {.target = target, .params = weights});
    const array<f32> vectors = net(all.tokens, all.mask);
    for (std::size_t i = 0; i < sentences.size(); ++i)
      for (extent_t d = 0; d < 4; ++d)
        CHECK(vectors(static_cast<extent_t>(i), d) == doctest::Approx(sentences[i].vector[d]).epsilon(1e-5));
  }
}
