# libtenon-llvm: opened by libtenon when first needed, LLVM's symbols hidden inside.
find_package(LLVM 19.1 CONFIG QUIET HINTS /usr/lib/llvm-19)
if(NOT LLVM_FOUND)
  message(FATAL_ERROR "tenon: LLVM 19 was not found. Install it (Debian: llvm-19-dev lld-19 libzstd-dev zlib1g-dev "
    "libxml2-dev; cmake/setup.sh does), set LLVM_DIR to the folder of LLVMConfig.cmake, or build without a code "
    "generator: -DTENON_LLVM=OFF.")
endif()

file(GLOB llvm_sources CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" src/codegen/llvm/*.cpp)
add_library(tenon-llvm MODULE ${llvm_sources})
tenon_library(tenon-llvm)
target_compile_definitions(tenon-llvm PRIVATE ${LLVM_DEFINITIONS})
target_include_directories(tenon-llvm SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS})
# Static archives only: a shared libLLVM would meet those of other versions in the process.
llvm_map_components_to_libnames(llvm_libraries orcjit passes X86)
target_link_libraries(tenon-llvm PRIVATE tenon tenon-fmt ${llvm_libraries} Threads::Threads)

tenon_precompile(tenon-llvm ${tenon_standard_headers} <fmt/format.h> <llvm/IR/IRBuilder.h> <llvm/IR/IntrinsicsX86.h>
  <llvm/IR/Module.h> <llvm/Target/TargetMachine.h>)

# LLVM's own linker links this in seconds, GNU ld takes a minute or more.
find_program(TENON_LLD ld.lld HINTS "${LLVM_TOOLS_BINARY_DIR}" NO_DEFAULT_PATH)
find_program(TENON_LLD NAMES ld.lld-19 ld.lld)
mark_as_advanced(TENON_LLD)
if(NOT TENON_LLD)
  message(STATUS "tenon: no lld found (Debian: lld-19), libtenon-llvm links slowly")
elseif(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_link_options(tenon-llvm PRIVATE "--ld-path=${TENON_LLD}")
else()
  # GCC knows linkers by name only and looks in -B first; the link gives the name that it looks for.
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/cmake/linker")
  file(CREATE_LINK "${TENON_LLD}" "${PROJECT_BINARY_DIR}/cmake/linker/ld.lld" SYMBOLIC)
  target_link_options(tenon-llvm PRIVATE -fuse-ld=lld "-B${PROJECT_BINARY_DIR}/cmake/linker")
endif()
target_link_options(tenon-llvm PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports_llvm.map"
  LINKER:--exclude-libs,ALL LINKER:-Bsymbolic LINKER:--gc-sections)
if(NOT TENON_SANITIZE)
  target_link_options(tenon-llvm PRIVATE $<$<CONFIG:Release>:LINKER:--strip-all>)
endif()
set_property(TARGET tenon-llvm APPEND PROPERTY LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/exports_llvm.map")
list(APPEND tenon_installed tenon-llvm)
