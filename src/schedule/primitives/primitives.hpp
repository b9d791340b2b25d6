// The primitives, each in its file, and what they share. Each rewrites the loops of a copy of a nest; `apply` checks
// the outcome and shows the nest of before when something is illegal.
#pragma once
#include <string>
#include <vector>

#include "schedule/steps.hpp"

namespace tenon::scheduling {

/// Why a step is illegal, and the loop to blame; `apply` makes a schedule_error of it.
struct refusal {
  std::string why;
  int loop = -1;
};

std::vector<int> split(nest&, const step&);
std::vector<int> fuse(nest&, const step&);
std::vector<int> reorder(nest&, const step&);
std::vector<int> tile(nest&, const step&);
std::vector<int> vectorize(nest&, const step&);
std::vector<int> unroll(nest&, const step&);
std::vector<int> parallel(nest&, const step&);

/// A loop without annotation: refused otherwise. `what` is done to it: "split".
void require_serial(const nest&, int loop, const char* what);
int add_loop(nest&, nest::loop);
/// The loops `by` stand where `gone` stood; `how` says what became of it: "split into i0.o and i0.i".
void replace_loop(nest&, int gone, const std::vector<int>& by, std::string how);

}  // namespace tenon::scheduling
