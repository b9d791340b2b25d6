// The operands of a node, in the node itself where they are few: a walk over a graph touches one place a node.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tenon/dsl/handle.hpp"

namespace tenon::ir {

using detail::node_ref;

/// References to nodes; how many does not change.
class operand_list {
 public:
  operand_list() = default;
  operand_list(std::span<const node_ref> from) : size_(static_cast<std::uint32_t>(from.size())) {
    std::ranges::copy(from, room());
  }
  operand_list(std::initializer_list<node_ref> from) : operand_list(std::span(from.begin(), from.size())) {}
  operand_list(const std::vector<node_ref>& from) : operand_list(std::span(from)) {}
  operand_list(std::vector<node_ref>&& from) : size_(static_cast<std::uint32_t>(from.size())) {
    std::ranges::move(from, room());
  }
  operand_list(const operand_list& o) : operand_list(std::span(o)) {}
  operand_list(operand_list&& o) noexcept : operand_list() { swap(o); }
  operand_list& operator=(operand_list o) noexcept {  // a copy, or what is moved from, which is empty then
    swap(o);
    return *this;
  }
  operator std::vector<node_ref>() const { return {begin(), end()}; }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const node_ref* data() const { return apart_ ? apart_.get() : here_; }
  const node_ref* begin() const { return data(); }
  const node_ref* end() const { return data() + size_; }
  auto rbegin() const { return std::reverse_iterator(end()); }
  auto rend() const { return std::reverse_iterator(begin()); }
  const node_ref& operator[](std::size_t i) const { return data()[i]; }
  node_ref* data() { return apart_ ? apart_.get() : here_; }
  node_ref* begin() { return data(); }
  node_ref* end() { return data() + size_; }
  friend bool operator==(const operand_list& a, std::span<const node_ref> b) { return std::ranges::equal(a, b); }
  friend bool operator==(const operand_list& a, const operand_list& b) { return std::ranges::equal(a, b); }

 private:
  static constexpr std::size_t few = 3;
  void swap(operand_list& o) noexcept {
    std::swap(here_, o.here_);
    std::swap(apart_, o.apart_);
    std::swap(size_, o.size_);
  }
  node_ref* room() {
    if (size_ > few) apart_ = std::make_unique<node_ref[]>(size_);
    return begin();
  }
  node_ref here_[few];
  std::unique_ptr<node_ref[]> apart_;
  std::uint32_t size_ = 0;
};

}  // namespace tenon::ir
