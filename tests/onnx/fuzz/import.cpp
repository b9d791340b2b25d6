// libFuzzer's target for imports: -DTENON_FUZZ=ON with Clang builds `fuzz_onnx_import`, to be run on a folder of
// models.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tenon/onnx/onnx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    (void)tenon::import_onnx(std::as_bytes(std::span(data, size)));
  } catch (const tenon::error&) {
    return 0;  // refused with words
  }
  return 0;
}
