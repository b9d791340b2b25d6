// Text as numbers: byte pair encoding over characters, read from the JSON that Hugging Face's tokenizers write.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// Starts from a text's characters (those without a token of their own: their bytes) and replaces neighbours by the
/// token that a list of merges makes of them, the earliest of the list first. What the file says of padding, of
/// truncation and of special tokens around a text is for whoever wants them: none of it is done here.
class tokenizer {
 public:
  /// Reads the text of such a file; `name` is what the errors call it. std::runtime_error for what is none, and for all
  /// that would make other tokens and is not known here: another model, normalizer or pre-tokenizer.
  tokenizer(std::string_view json, const std::string& name);
  /// Reads the file itself.
  static tokenizer load(const std::string& path);

  /// The tokens of a text; none of "". std::invalid_argument for what is not UTF-8, with the byte.
  std::vector<std::int64_t> encode(std::string_view text) const;
  /// Tokens are below it.
  std::int64_t size() const { return size_; }

 private:
  using token = std::int64_t;
  struct merge {
    std::size_t rank;
    token made;
  };
  struct pair_hash {
    std::size_t operator()(std::pair<token, token> p) const {
      return static_cast<std::size_t>(p.first) * 0x9e3779b97f4a7c15u ^ static_cast<std::size_t>(p.second);
    }
  };
  /// `from` becomes `to`; an empty one is the start of the text.
  struct replacement {
    std::string from, to;
  };

  /// A text in which no added token stands.
  void encode_plain(std::string text, std::vector<token>& tokens) const;
  std::vector<token> characters(std::string_view text) const;

  std::vector<replacement> normalizer_;
  std::vector<std::pair<std::string, token>> added_;  // found as they stand, before all else
  std::unordered_map<std::string, token> vocabulary_;
  std::unordered_map<std::pair<token, token>, merge, pair_hash> merges_;
  std::vector<token> bytes_;   // 256 of them, or none
  token unknown_ = -1;         // -1: there is none
  bool fuse_unknown_ = false;  // a run of them is one
  std::int64_t size_ = 0;
};
