# Writes OUT: a header with the hash of the sources that decide what code a kernel becomes. Part of every cache key, so
# that a new compiler never runs what an older one made.
file(GLOB sources "${ROOT}/src/loop/*.?pp" "${ROOT}/src/loop/math/*.hpp" "${ROOT}/src/loop/passes/*.cpp"
  "${ROOT}/src/codegen/*.?pp" "${ROOT}/src/codegen/llvm/*.?pp" "${ROOT}/src/runtime/kernel_abi.hpp")
list(SORT sources)
set(all "")
foreach(source IN LISTS sources)
  file(SHA256 "${source}" hash)
  string(APPEND all "${hash}")
endforeach()
string(SHA256 hash "${all}")
set(text "#pragma once\n#define TENON_IDENTITY \"${hash}\"\n")
set(old "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" old)
endif()
if(NOT old STREQUAL text)
  file(WRITE "${OUT}" "${text}")
endif()
