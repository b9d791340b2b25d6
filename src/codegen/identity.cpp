#include "codegen/identity.hpp"

#include "tenon_identity.hpp"  // made by cmake/identity.cmake

namespace tenon::codegen {

std::string identity() { return TENON_IDENTITY; }

}  // namespace tenon::codegen
