// What is known of nodes: tables by their serial numbers. Nodes that are made one after the other, as a pass makes
// them, lie side by side here, too: a pass over a graph walks through memory, where a hash table would jump.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "graph/node.hpp"

namespace tenon::ir {

/// A value for each of some nodes. References stay valid until the map ends. For one thread at a time, also to read.
template <class T>
class node_map {
 public:
  /// Null: there is none.
  T* find(const node* n) const {
    page* p = page_of(n->serial, false);
    return p && p->present >> entry(n) & 1 ? &p->values[entry(n)] : nullptr;
  }
  bool contains(const node* n) const { return find(n) != nullptr; }
  /// What must be there: std::out_of_range else.
  T& at(const node* n) const {
    T* const found = find(n);
    if (!found) throw std::out_of_range("node_map: a node that it does not know");
    return *found;
  }
  /// Made if it is not there.
  T& operator[](const node* n) { return *insert(n).first; }
  /// Where it is, and whether it was made now.
  std::pair<T*, bool> insert(const node* n) {
    page* p = page_of(n->serial, true);
    const std::uint64_t bit = std::uint64_t{1} << entry(n);
    const bool fresh = !(p->present & bit);
    p->present |= bit;
    return {&p->values[entry(n)], fresh};
  }

 private:
  static constexpr std::uint64_t page_bits = 6;
  struct page {
    std::uint64_t number, present = 0;
    std::array<T, 1 << page_bits> values{};
  };
  static std::size_t entry(const node* n) { return n->serial & ((1 << page_bits) - 1); }

  // Open addressing, at most half full; the page asked for last is asked for again most often.
  page* page_of(std::uint64_t serial, bool make) const {
    const std::uint64_t number = serial >> page_bits;
    if (last_ && last_->number == number) return last_;
    if (!table_.empty())
      for (std::size_t i = number;; ++i) {
        page* const p = table_[i & (table_.size() - 1)].get();
        if (!p) break;
        if (p->number == number) return last_ = p;
      }
    return make ? last_ = add(number) : nullptr;
  }
  page* add(std::uint64_t number) const {
    if (2 * (pages_ + 1) > table_.size()) {
      std::vector<std::unique_ptr<page>> old(std::max<std::size_t>(8, 2 * table_.size()));
      old.swap(table_);
      for (std::unique_ptr<page>& p : old)
        if (p) place(std::move(p));
    }
    ++pages_;
    auto made = std::make_unique<page>();
    made->number = number;
    return place(std::move(made));
  }
  page* place(std::unique_ptr<page> p) const {
    std::size_t i = p->number;
    while (table_[i & (table_.size() - 1)]) ++i;
    return (table_[i & (table_.size() - 1)] = std::move(p)).get();
  }

  mutable std::vector<std::unique_ptr<page>> table_;
  mutable std::size_t pages_ = 0;
  mutable page* last_ = nullptr;
};

/// Some nodes.
class node_set {
 public:
  /// Whether it was not there before.
  bool insert(const node* n) { return map_.insert(n).second; }
  bool contains(const node* n) const { return map_.contains(n); }

 private:
  struct nothing {};
  node_map<nothing> map_;
};

}  // namespace tenon::ir
