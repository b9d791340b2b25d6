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

std::vector<int> cache_read(nest&, const step&);
std::vector<int> cache_write(nest&, const step&);
std::vector<int> compute_at(nest&, const step&);
std::vector<int> compute_inline(nest&, const step&);
std::vector<int> pack(nest&, const step&);
std::vector<int> partition(nest&, const step&);
std::vector<int> prefetch(nest&, const step&);
std::vector<int> tensorize(nest&, const step&);
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

/// The value of that name; refused with a list of those that there are.
int find_value(const nest&, const std::string& name, int loop);
/// Adds the stage with loops over what it holds, and gives them. One value is kept once.
std::vector<int> add_stage(nest&, nest::stage);

}  // namespace tenon::scheduling
