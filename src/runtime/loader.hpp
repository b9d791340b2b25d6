// What the loader does beside image.hpp's functions, for those that end the process or the library.
#pragma once

namespace tenon::runtime {

/// Returns the memory that is kept for a next image. Done by itself when the library is unloaded or the process ends.
void release_idle_code_memory() noexcept;

}  // namespace tenon::runtime
