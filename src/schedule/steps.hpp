// What a schedule records: steps, applied to nests one after the other.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/nest.hpp"
#include "tenon/schedule/schedule.hpp"

namespace tenon::scheduling {

/// One call of a primitive.
struct step {
  std::string kernel;  ///< the nest's name
  std::string primitive;
  std::vector<int> loops;
  std::vector<std::int64_t> numbers{};  ///< factors, lanes
  tenon::tail tail = tenon::tail::guard;
  std::string value{};  ///< the name of what is read
  friend bool operator==(const step&, const step&) = default;
};

/// A whole schedule: what `json` holds.
struct record {
  std::vector<dims> extents;  ///< of the arguments
  std::vector<step> steps;
};

/// Takes the step and gives the loops that it makes. schedule_error otherwise, and then the nest is as it was.
std::vector<int> apply(nest&, const step&);
/// The steps for this nest, in order.
void replay(nest&, const record&);

std::string to_json(const record&);
/// schedule_error says where the text is no record.
record parse_record(std::string_view json);

/// "split(i0, 12, exact)".
std::string to_string(const nest&, const step&);

}  // namespace tenon::scheduling
