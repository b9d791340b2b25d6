#include "tenon/runtime/dlpack.hpp"

#include <string>
#include <vector>

namespace tenon {

dlpack_tensor& dlpack_tensor::operator=(dlpack_tensor&& o) noexcept {
  std::swap(v_, o.v_);
  std::swap(read_only_, o.read_only_);
  std::swap(managed_, o.managed_);
  std::swap(release_, o.release_);
  return *this;
}

namespace detail {
namespace {

constexpr std::uint8_t dlpack_bool = 6;  // kDLBool, which headers before 0.8 lack

dtype dlpack_type(const dlpack_fields& t) {
  constexpr dtype floats[] = {f16, f32, f64}, integers[] = {i8, i16, i32, i64}, naturals[] = {u8, u16, u32, u64};
  const int order = t.bits == 8 ? 0 : t.bits == 16 ? 1 : t.bits == 32 ? 2 : t.bits == 64 ? 3 : -1;
  if (t.lanes == 1 && order >= 0) {
    if (t.code == kDLInt) return integers[order];
    if (t.code == kDLUInt) return naturals[order];
    if (t.code == kDLFloat && order > 0) return floats[order - 1];
    if (t.code == kDLBfloat && order == 1) return bf16;
    if (t.code == dlpack_bool && order == 0) return b8;
  }
  throw type_error("dlpack: no element type for code " + std::to_string(t.code) + ", " + std::to_string(t.bits) +
                   " bits, " + std::to_string(t.lanes) + " lanes");
}

}  // namespace

std::uint8_t dlpack_code(dtype d) {
  if (d == b8) return dlpack_bool;
  if (d == bf16) return kDLBfloat;
  if (is_float(d)) return kDLFloat;
  return is_unsigned_integer(d) ? kDLUInt : kDLInt;
}

any_view dlpack_view(const dlpack_fields& t) {
  if (t.device_type != kDLCPU)
    throw argument_error("dlpack: the tensor is on device type " + std::to_string(t.device_type) + ", number " +
                         std::to_string(t.device_id) + "; only the CPU's (1) are read");
  const dtype type = dlpack_type(t);
  if (t.rank < 0 || (t.rank > 0 && !t.shape))
    throw argument_error("dlpack: rank " + std::to_string(t.rank) + (t.shape ? "" : " without a shape"));
  const auto rank = static_cast<std::size_t>(t.rank);
  const extents shape(std::vector<extent_t>(t.shape, t.shape + rank));
  const void* data = t.data ? static_cast<const char*>(t.data) + t.byte_offset : nullptr;
  const any_view v = t.strides
                         ? checked_view(data, type, shape, std::vector<extent_t>(t.strides, t.strides + rank), "dlpack")
                         : checked_view(data, type, shape, "dlpack");
  check_view(v, "dlpack", access::read);
  return v;
}

void check_dlpack(dtype has, bool read_only, dtype asked, bool writes) {
  if (asked != has)
    throw type_error("dlpack: the tensor is " + std::string(name(has)) + ", not " + std::string(name(asked)));
  if (writes && read_only) throw argument_error("dlpack: the tensor is read-only");
}

void throw_dlpack_null() { throw argument_error("dlpack: the tensor is null"); }
void throw_dlpack_version(unsigned major, unsigned minor) {
  throw argument_error("dlpack: the tensor has version " + std::to_string(major) + "." + std::to_string(minor) +
                       ", major version 1 is read");
}

}  // namespace detail
}  // namespace tenon
