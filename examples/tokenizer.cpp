#include "tokenizer.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <queue>
#include <stdexcept>

using nlohmann::json;

namespace {

/// Bytes of the UTF-8 character at the start; 0 where none is.
std::size_t character(std::string_view s) {
  auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned first = byte(0), second = byte(1);
  const std::size_t n = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Longer than it need be, half of a surrogate pair, beyond U+10FFFF.
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : n;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  std::string result;
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(from, done)) != std::string::npos; done = at + from.size())
    result.append(text, done, at - done) += to;
  text = result.append(text, done);
}

/// False where the field is absent, or says that nothing is done.
bool asked(const json& object, const char* field) {
  static const json nothing = {nullptr, false, "", 0};
  const auto it = object.find(field);
  return it != object.end() && std::find(nothing.begin(), nothing.end(), *it) == nothing.end();
}

std::string type_of(const json& part) { return "\"" + part.at("type").get<std::string>() + "\""; }
[[noreturn]] void unsupported(const std::string& what) { throw std::runtime_error(what + " is not supported"); }

std::int64_t token_of(const json& value, const std::string& text) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 0x7fffffff)
    throw std::runtime_error("the token of \"" + text + "\" is " +
                             (value.is_number() ? value.dump() : value.type_name()) + ", not a number below 2^31");
  return value.get<std::int64_t>();
}

}  // namespace

tokenizer::tokenizer(std::string_view text, const std::string& name) try {
  const json file = json::parse(text);
  const json& model = file.at("model");
  if (model.at("type") != "BPE") unsupported("model " + type_of(model));
  for (const char* field : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"})
    if (asked(model, field)) unsupported(field);
  if (asked(file, "pre_tokenizer")) unsupported("pre_tokenizer " + type_of(file["pre_tokenizer"]));

  if (asked(file, "normalizer")) {
    const json& whole = file["normalizer"];
    const json steps = whole.at("type") == "Sequence" ? whole.at("normalizers") : json::array({whole});
    for (const json& step : steps) {
      if (step.at("type") == "Prepend") {
        normalizer_.push_back({"", step.at("prepend")});
      } else if (step["type"] == "Replace" && !step.at("pattern").value("String", std::string()).empty()) {
        normalizer_.push_back({step["pattern"]["String"], step.at("content")});
      } else {
        unsupported("normalizer " + type_of(step));
      }
    }
  }

  const json& vocabulary = model.at("vocab");
  for (const auto& [word, value] : vocabulary.items()) {
    const token t = token_of(value, word);
    vocabulary_.emplace(word, t);
    size_ = std::max(size_, t + 1);
  }
  auto known = [&](const std::string& word, const std::string& what) {
    const auto it = vocabulary_.find(word);
    if (it == vocabulary_.end()) throw std::runtime_error(what + " \"" + word + "\" is not in the vocabulary");
    return it->second;
  };
  std::size_t rank = 0;
  for (const json& m : model.at("merges")) {  // "a b", or since 2024 ["a", "b"]
    std::string a, b;
    if (m.is_array() && m.size() == 2) {
      m[0].get_to(a), m[1].get_to(b);
    } else {
      const std::string both = m.get<std::string>();
      const std::size_t blank = both.find(' ');
      if (blank == std::string::npos || blank != both.rfind(' '))
        throw std::runtime_error("merge " + m.dump() + " has not two parts");
      a = both.substr(0, blank), b = both.substr(blank + 1);
    }
    const std::pair parts(known(a, "merge " + m.dump() + ":"), known(b, "merge " + m.dump() + ":"));
    merges_.insert_or_assign(parts, merge{rank++, known(a + b, "merge " + m.dump() + ":")});
  }
  if (asked(model, "byte_fallback"))
    for (int b = 0; b < 256; ++b) {
      char word[8];
      std::snprintf(word, sizeof word, "<0x%02X>", static_cast<unsigned>(b));
      bytes_.push_back(known(word, "byte_fallback:"));
    }
  if (asked(model, "unk_token")) unknown_ = known(model["unk_token"], "unk_token");
  fuse_unknown_ = asked(model, "fuse_unk");

  for (const json& a : file.value("added_tokens", json::array())) {
    const std::string word = a.at("content");
    for (const char* field : {"single_word", "lstrip", "rstrip", "normalized"})
      if (asked(a, field)) unsupported("added token \"" + word + "\": " + field);
    if (word.empty()) throw std::runtime_error("an added token is empty");
    added_.emplace_back(word, token_of(a.at("id"), word));
    size_ = std::max(size_, added_.back().second + 1);
  }
} catch (const json::exception& e) {
  throw std::runtime_error(name + ": not the JSON of a tokenizer: " + e.what());
} catch (const std::runtime_error& e) {
  throw std::runtime_error(name + ": " + e.what());
}

tokenizer tokenizer::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::getline(file, text, '\0');  // all of it: text has no NUL
  if (!file.eof()) throw std::runtime_error(path + ": cannot be read as text");
  return tokenizer(text, path);
}

std::vector<std::int64_t> tokenizer::encode(std::string_view text) const {
  for (std::size_t at = 0, n; at < text.size(); at += n)
    if ((n = character(text.substr(at))) == 0)
      throw std::invalid_argument("not UTF-8 from byte " + std::to_string(at) + " on");
  std::vector<token> tokens;
  std::size_t plain = 0;  // where the text behind the last added token starts
  for (std::size_t at = 0; at < text.size();) {
    const std::pair<std::string, token>* longest = nullptr;
    for (const auto& a : added_)
      if (text.substr(at, a.first.size()) == a.first && (!longest || a.first.size() > longest->first.size()))
        longest = &a;
    if (!longest) {
      ++at;
      continue;
    }
    encode_plain(std::string(text.substr(plain, at - plain)), tokens);
    tokens.push_back(longest->second);
    plain = at += longest->first.size();
  }
  encode_plain(std::string(text.substr(plain)), tokens);
  return tokens;
}

std::vector<std::int64_t> tokenizer::characters(std::string_view text) const {
  std::vector<token> tokens;
  bool after_unknown = false;
  for (std::size_t at = 0, n; at < text.size(); at += n) {
    n = character(text.substr(at));
    const std::string_view one = text.substr(at, n);
    const auto it = vocabulary_.find(std::string(one));
    const bool unknown = it == vocabulary_.end() && bytes_.empty();
    if (it != vocabulary_.end()) {
      tokens.push_back(it->second);
    } else if (!unknown) {
      for (char c : one) tokens.push_back(bytes_[static_cast<unsigned char>(c)]);
    } else if (unknown_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      tokens.push_back(unknown_);
    }
    after_unknown = unknown;
  }
  return tokens;
}

void tokenizer::encode_plain(std::string text, std::vector<token>& tokens) const {
  for (const replacement& r : normalizer_) {
    if (!r.from.empty())
      replace_all(text, r.from, r.to);
    else if (!text.empty())
      text.insert(0, r.to);
  }
  std::vector<token> symbols = characters(text);
  // A list of symbols that shrinks: those that went into the one before them are -1. Merges are taken from a queue, by
  // rank, then from the left; what stands there may have changed since it was queued, and then has another rank.
  const std::size_t end = symbols.size();
  std::vector<std::size_t> next(end), before(end);
  for (std::size_t i = 0; i < end; ++i) next[i] = i + 1, before[i] = i - 1;
  auto merge_at = [&](std::size_t i) -> const merge* {
    if (symbols[i] < 0 || next[i] == end) return nullptr;
    const auto it = merges_.find({symbols[i], symbols[next[i]]});
    return it == merges_.end() ? nullptr : &it->second;
  };
  using candidate = std::pair<std::size_t, std::size_t>;  // rank, place
  std::priority_queue<candidate, std::vector<candidate>, std::greater<>> queue;
  auto consider = [&](std::size_t i) {
    if (const merge* m = merge_at(i)) queue.emplace(m->rank, i);
  };
  for (std::size_t i = 0; i < end; ++i) consider(i);
  while (!queue.empty()) {
    const auto [rank, i] = queue.top();
    queue.pop();
    const merge* m = merge_at(i);
    if (!m || m->rank != rank) continue;
    symbols[i] = m->made;
    symbols[next[i]] = -1;
    next[i] = next[next[i]];
    if (next[i] != end) before[next[i]] = i;
    consider(i);
    if (i > 0) consider(before[i]);
  }
  std::copy_if(symbols.begin(), symbols.end(), std::back_inserter(tokens), [](token t) { return t >= 0; });
}
