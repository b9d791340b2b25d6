// What the example of text vectors is made of, on a vocabulary and a table made here.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../examples/text_model.hpp"
#include "../../examples/tokenizer.hpp"
#include "error_of.hpp"
#include "targets.hpp"

using nlohmann::json;
using tenon::test::contains;
using tenon::test::error_of;
using tokens = std::vector<std::int64_t>;

namespace {

// Of the words that merges make, "ab" and "bc" compete for the b.
const json small = json::parse(R"({
  "truncation": null, "padding": null, "pre_tokenizer": null, "post_processor": {"type": "TemplateProcessing"},
  "added_tokens": [{"id": 12, "content": "<s>", "single_word": false, "normalized": false, "special": true},
                   {"id": 13, "content": "<s>!", "special": true}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
  "model": {"type": "BPE", "dropout": null, "unk_token": "?", "fuse_unk": true, "byte_fallback": false,
    "vocab": {"?": 0, "a": 1, "b": 2, "c": 3, "_": 4, "bc": 5, "ab": 6, "_a": 7, "aa": 8, "_ab": 9, "abc": 10, "é": 11},
    "merges": ["b c", "a a", "a b", "_ a", "_a b", "ab c"]}})");

tokens encode(const json& file, std::string_view text) { return tokenizer(file.dump(), "small").encode(text); }

std::string refused(const json& file) {
  return error_of<std::runtime_error>([&] { tokenizer(file.dump(), "small"); });
}

/// `small` with a field changed: "/model/type".
json with(const char* field, json value) {
  json file = small;
  file[json::json_pointer(field)] = std::move(value);
  return file;
}

}  // namespace

TEST_CASE("tokenizer: merges in the list's order, then from the left") {
  CHECK(encode(small, "") == tokens{});
  CHECK(encode(small, "c") == tokens{4, 3});
  CHECK(encode(small, "ab") == tokens{4, 6});       // _ a b: "a b" is before "_ a"; then "_ ab" is no merge
  CHECK(encode(small, "abc") == tokens{7, 5});      // "b c" is first, and leaves the a to "_ a"
  CHECK(encode(small, "aaab") == tokens{4, 8, 6});  // _ a a a b: the left two of three
  CHECK(encode(small, "aaaa") == tokens{4, 8, 8});  // the middle pair is gone when its turn comes
  CHECK(encode(small, "a  a") == tokens{7, 4, 7});  // _a__a
  CHECK(encode(small, "é") == tokens{4, 11});       // of two bytes
  CHECK(tokenizer(small.dump(), "small").size() == 14);

  // The pair (a, b) is gone when its turn comes, and (a, bc) in its place has to wait for its own.
  const json moved = json::parse(R"({"model": {"type": "BPE", "merges": ["b c", "a b", "bc d", "a bc"],
    "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "bc": 4, "ab": 5, "bcd": 6, "abc": 7}}})");
  CHECK(encode(moved, "abcd") == tokens{0, 6});
  CHECK(encode(moved, "abc") == tokens{7});

  json twice = small;  // the later one counts
  for (const char* m : {"b c", "a b"}) twice["model"]["merges"].push_back(m);
  CHECK(encode(twice, "abc") == tokens{9, 3});
  CHECK(encode(twice, "cabc") == tokens{4, 3, 1, 5});

  json pairs = small;
  for (json& m : pairs["model"]["merges"]) {
    const std::string both = m;
    m = {both.substr(0, both.find(' ')), both.substr(both.find(' ') + 1)};
  }
  CHECK(encode(pairs, "abc aaab") == encode(small, "abc aaab"));
}

TEST_CASE("tokenizer: what has no token is bytes, or unknown") {
  CHECK(encode(small, "xyaz") == tokens{4, 0, 1, 0});
  CHECK(encode(with("/model/fuse_unk", false), "xyaz") == tokens{4, 0, 0, 1, 0});
  CHECK(encode(with("/model/unk_token", nullptr), "xyaz") == tokens{7});  // nothing is left between _ and a

  json bytes = with("/model/byte_fallback", true);
  CHECK(contains(refused(bytes), "byte_fallback: \"<0x00>\" is not in the vocabulary"));
  for (unsigned b = 0; b < 256; ++b) {
    constexpr char digits[] = "0123456789ABCDEF";
    bytes["model"]["vocab"][std::string("<0x") + digits[b / 16] + digits[b % 16] + ">"] = 1000 + b;
  }
  CHECK(encode(bytes, "aßé🍌") ==
        tokens{7, 1000 + 0xc3, 1000 + 0x9f, 11, 1000 + 0xf0, 1000 + 0x9f, 1000 + 0x8d, 1000 + 0x8c});
  CHECK(encode(bytes, std::string_view("\0", 1)) == tokens{4, 1000});
}

TEST_CASE("tokenizer: added tokens stand as they are, and start a text behind them") {
  CHECK(encode(small, "<s>") == tokens{12});
  CHECK(encode(small, "<s>a") == tokens{12, 7});
  CHECK(encode(small, "a<s>!<s>b") == tokens{7, 13, 12, 4, 2});
  CHECK(encode(small, "<<s>") == tokens{4, 0, 12});
}

TEST_CASE("tokenizer: the queue merges what a search through all pairs merges") {
  std::mt19937 random(7);
  auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> words{"a", "b", "c"};
    json vocabulary{{"a", 0}, {"b", 1}, {"c", 2}}, merges = json::array();
    std::vector<std::pair<std::string, std::string>> rules;
    while (rules.size() < 20) {
      const std::pair rule(words[static_cast<std::size_t>(below(static_cast<int>(words.size())))],
                           words[static_cast<std::size_t>(below(static_cast<int>(words.size())))]);
      if (std::find(rules.begin(), rules.end(), rule) != rules.end()) continue;
      rules.push_back(rule);
      merges.push_back(rule.first + " " + rule.second);
      if (!vocabulary.contains(rule.first + rule.second)) {
        vocabulary[rule.first + rule.second] = words.size();
        words.push_back(rule.first + rule.second);
      }
    }
    std::string text;
    for (int i = below(60); i >= 0; --i) text += static_cast<char>('a' + below(3));

    std::vector<std::string> symbols;
    for (char c : text) symbols.emplace_back(1, c);
    for (std::size_t r = 0; r < rules.size();) {
      std::size_t i = 0;
      while (i + 1 < symbols.size() && std::pair(symbols[i], symbols[i + 1]) != rules[r]) ++i;
      if (i + 1 >= symbols.size()) {
        ++r;
        continue;
      }
      symbols[i] += symbols[i + 1];
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      r = 0;
    }
    tokens want;
    for (const std::string& s : symbols) want.push_back(vocabulary[s]);
    CAPTURE(text);
    CAPTURE(merges.dump());
    CHECK(encode({{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}}, text) == want);
  }
}

TEST_CASE("tokenizer: text that is not UTF-8") {
  const tokenizer t(small.dump(), "small");
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1"}) {
    CAPTURE(bad);
    CHECK(error_of<std::invalid_argument>([&] { t.encode(std::string("aé") + bad); }) == "not UTF-8 from byte 3 on");
  }
  for (const char* good : {"\x7f", "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(t.encode(good) == tokens{4, 0});
}

TEST_CASE("tokenizer: files that are none") {
  auto text_refused = [](const char* text) { return error_of<std::runtime_error>([&] { tokenizer(text, "t.json"); }); };
  CHECK(contains(text_refused("{\"model\": "), "t.json: not the JSON of a tokenizer: "));
  CHECK(contains(text_refused(""), "t.json: not the JSON of a tokenizer: "));
  CHECK(contains(text_refused("[1, 2]"), "t.json: not the JSON of a tokenizer: "));
  CHECK(contains(text_refused("{}"), "key 'model' not found"));
  CHECK(error_of<std::runtime_error>([] { tokenizer::load("no/such.json"); }) ==
        "no/such.json: cannot be read as text");
  CHECK(error_of<std::runtime_error>([] { tokenizer::load("/"); }) == "/: cannot be read as text");

  CHECK(refused(small) == "no error");
  CHECK(refused(with("/model/type", "WordPiece")) == "small: model \"WordPiece\" is not supported");
  CHECK(refused(with("/model/dropout", 0.1)) == "small: dropout is not supported");
  CHECK(refused(with("/model/end_of_word_suffix", "</w>")) == "small: end_of_word_suffix is not supported");
  CHECK(refused(with("/model/end_of_word_suffix", "")) == "no error");
  CHECK(refused(with("/pre_tokenizer", {{"type", "ByteLevel"}})) ==
        "small: pre_tokenizer \"ByteLevel\" is not supported");
  CHECK(refused(with("/normalizer", {{"type", "NFC"}})) == "small: normalizer \"NFC\" is not supported");
  CHECK(refused(with("/normalizer/normalizers/1/pattern", {{"Regex", " "}})) ==
        "small: normalizer \"Replace\" is not supported");
  CHECK(refused(with("/added_tokens/0/lstrip", true)) == "small: added token \"<s>\": lstrip is not supported");
  CHECK(refused(with("/model/merges/0", "b x")) == "small: merge \"b x\": \"x\" is not in the vocabulary");
  CHECK(refused(with("/model/merges/0", "b b")) == "small: merge \"b b\": \"bb\" is not in the vocabulary");
  CHECK(refused(with("/model/merges/0", "b b b")) == "small: merge \"b b b\" has not two parts");
  CHECK(contains(refused(with("/model/merges/0", {"b", 1})), "type must be string, but is number"));
  CHECK(refused(with("/model/unk_token", "x")) == "small: unk_token \"x\" is not in the vocabulary");
  CHECK(refused(with("/model/vocab/a", -1)) == "small: the token of \"a\" is -1, not a number below 2^31");
  CHECK(refused(with("/model/vocab/a", "1")) == "small: the token of \"a\" is string, not a number below 2^31");
  CHECK(contains(refused(with("/model/vocab", 3)), "small: "));
}

TEST_CASE("text model: the mean of the rows of a text's tokens, of length 1, whatever the texts beside it") {
  using namespace tenon;
  constexpr extent_t width = text::model::width;
  const array<f32> numbers = array<f32>::uniform({text::model::words, width}, 3);
  array<f16> table = array<f16>::zeros({text::model::words, width});
  for (extent_t i = 0; i < table.size(); ++i) table.data()[i] = host_t<f16>(numbers.data()[i] - 0.5f);
  const std::vector<tokens> texts{{31999}, {0, 0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 4711}, {5, 31998, 5}};
  const text::batch all(texts);
  CHECK(all.mask(1, 13, 0) == 1);
  CHECK(all.mask(2, 3, 0) == 0);

  param_set weights;
  weights.set("embedding.weight", table);
  for (const char* target : test::targets) {
    const auto net = build(text::model{}, text::model::inputs{}, {.target = target, .params = weights});
    const array<f32> vectors = net(all.tokens, all.mask);
    CHECK(vectors.dims() == dims{3, width});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::vector<double> mean(width);
      double squares = 0;
      for (extent_t d = 0; d < width; ++d) {
        for (std::int64_t t : texts[i])
          mean[d] += static_cast<float>(table(t, d)) / static_cast<double>(texts[i].size());
        squares += mean[d] * mean[d];
      }
      double worst = 0;
      for (extent_t d = 0; d < width; ++d)
        worst = std::max(worst, std::abs(mean[d] / std::sqrt(squares) - double{vectors(static_cast<extent_t>(i), d)}));
      CAPTURE(target);
      CAPTURE(i);
      CHECK(worst < 1e-6);
    }
  }
}
