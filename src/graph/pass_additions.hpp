// What a context holds of the user's own.
#pragma once
#include <atomic>
#include <utility>
#include <vector>

#include "tenon/graph/pass.hpp"

namespace tenon {

struct pass_additions::content {
  struct placed {
    graph_pass pass;
    pass_place place;
  };
  std::vector<placed> passes;
  std::vector<pass_instrument*> instruments;
  mutable std::atomic<int> references{1};

  content() = default;
  content(const content& o) : passes(o.passes), instruments(o.instruments) {}
};

}  // namespace tenon
