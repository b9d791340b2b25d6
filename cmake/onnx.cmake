# libtenon-onnx: models from ONNX files. It reads the wire format of protocol buffers itself (src/onnx/wire.hpp), so it
# brings no library into the user's process.
file(GLOB onnx_sources CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" src/onnx/*.cpp src/onnx/operators/*.cpp)
add_library(tenon-onnx SHARED ${onnx_sources})
add_library(tenon::onnx ALIAS tenon-onnx)
tenon_library(tenon-onnx)
tenon_export(tenon-onnx exports.map)
target_link_libraries(tenon-onnx PUBLIC tenon PRIVATE tenon-fmt)
tenon_precompile(tenon-onnx ${tenon_standard_headers} <fmt/format.h>)
set_target_properties(tenon-onnx PROPERTIES EXPORT_NAME onnx VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
list(APPEND tenon_installed tenon-onnx)
