// Exchange of tensors by DLPack (https://github.com/dmlc/dlpack), its header from 0.6 on. Needs <dlpack/dlpack.h>, so
// the umbrella header leaves it out.
#pragma once
#include <dlpack/dlpack.h>

#include <memory>
#include <string>
#include <utility>

#include "tenon/core/error.hpp"
#include "tenon/runtime/array.hpp"

namespace tenon {

/// A tensor that came by DLPack: converts to `view<D>` (and to `mutable_view<D>` where it may be written) of its own
/// element type, and gives the tensor back when destroyed. Movable, not copyable.
class dlpack_tensor {
 public:
  dlpack_tensor(const detail::any_view& v, bool read_only, void* managed, void (*release)(void*))
      : v_(v), read_only_(read_only), managed_(managed), release_(release) {}
  dlpack_tensor(dlpack_tensor&& o) noexcept
      : v_(o.v_), read_only_(o.read_only_), managed_(std::exchange(o.managed_, nullptr)), release_(o.release_) {}
  dlpack_tensor& operator=(dlpack_tensor&& o) noexcept {
    std::swap(v_, o.v_);
    std::swap(read_only_, o.read_only_);
    std::swap(managed_, o.managed_);
    std::swap(release_, o.release_);
    return *this;
  }
  ~dlpack_tensor() {
    if (managed_) release_(managed_);
  }

  dtype type() const { return v_.type; }
  const tenon::dims& dims() const { return v_.dims; }
  int rank() const { return v_.dims.rank; }
  extent_t size() const { return v_.size; }
  bool read_only() const { return read_only_; }
  /// type_error when D is not type().
  template <dtype D>
  operator view<D>() const {
    check(D, false);
    return view<D>(v_);
  }
  /// type_error when D is not type(), argument_error when the producer marked it read-only.
  template <dtype D>
  operator mutable_view<D>() {
    check(D, true);
    return mutable_view<D>(v_);
  }

 private:
  void check(dtype asked, bool writes) const {
    if (asked != v_.type)
      throw type_error("dlpack: the tensor is " + std::string(name(v_.type)) + ", not " + std::string(name(asked)));
    if (writes && read_only_) throw argument_error("dlpack: the tensor is read-only");
  }

  detail::any_view v_;
  bool read_only_;
  void* managed_;
  void (*release_)(void*);
};

namespace detail {

inline constexpr std::uint8_t dlpack_bool = 6;  // kDLBool, which headers before 0.8 lack

inline dtype dlpack_type(DLDataType t) {
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

inline DLDataType dlpack_type(dtype d) {
  std::uint8_t code = kDLInt;
  if (d == b8)
    code = dlpack_bool;
  else if (d == bf16)
    code = kDLBfloat;
  else if (is_float(d))
    code = kDLFloat;
  else if (is_unsigned_integer(d))
    code = kDLUInt;
  return {code, static_cast<std::uint8_t>(8 * size_of(d)), 1};
}

inline any_view dlpack_view(const DLTensor& t) {
  if (t.device.device_type != kDLCPU)
    throw argument_error("dlpack: the tensor is on device type " + std::to_string(t.device.device_type) + ", number " +
                         std::to_string(t.device.device_id) + "; only the CPU's (1) are read");
  const dtype type = dlpack_type(t.dtype);
  if (t.ndim < 0 || (t.ndim > 0 && !t.shape))
    throw argument_error("dlpack: rank " + std::to_string(t.ndim) + (t.shape ? "" : " without a shape"));
  const auto rank = static_cast<std::size_t>(t.ndim);
  const extents shape(std::vector<extent_t>(t.shape, t.shape + rank));
  const void* data = t.data ? static_cast<const char*>(t.data) + t.byte_offset : nullptr;
  const any_view v = t.strides
                         ? checked_view(data, type, shape, std::vector<extent_t>(t.strides, t.strides + rank), "dlpack")
                         : checked_view(data, type, shape, "dlpack");
  check_view(v, "dlpack", access::read);
  return v;
}

/// What an exported tensor keeps: the array, and the extents and strides that DLPack points to.
template <class Managed, dtype D>
struct dlpack_export {
  Managed managed{};
  array<D> elements;
  std::int64_t shape[tenon::dims::max_rank]{}, strides[tenon::dims::max_rank]{};
};

template <class Managed, dtype D>
Managed* export_dlpack(array<D>&& a) {
  auto box = std::make_unique<dlpack_export<Managed, D>>();
  box->elements = std::move(a);
  const any_view& v = box->elements;
  for (int i = 0; i < v.dims.rank; ++i) {
    box->shape[i] = v.dims.e[i];
    box->strides[i] = v.strides[i];
  }
  DLTensor& t = box->managed.dl_tensor;
  t.data = v.data;
  t.device = {kDLCPU, 0};
  t.ndim = v.dims.rank;
  t.dtype = dlpack_type(D);
  t.shape = box->shape;
  t.strides = box->strides;
  box->managed.manager_ctx = box.get();
  box->managed.deleter = [](Managed* m) { delete static_cast<dlpack_export<Managed, D>*>(m->manager_ctx); };
  return &box.release()->managed;
}

}  // namespace detail

/// Takes over a tensor in the CPU's memory; its deleter runs with the result's destructor. Throws argument_error or
/// type_error for another device, lanes, element type, null or misaligned data, shape_error for a rank above 8 or
/// absurd extents; `t` is then still the caller's.
inline dlpack_tensor from_dlpack(DLManagedTensor* t) {
  if (!t) throw argument_error("dlpack: the tensor is null");
  return {detail::dlpack_view(t->dl_tensor), false, t, [](void* p) {
            auto* const m = static_cast<DLManagedTensor*>(p);
            if (m->deleter) m->deleter(m);
          }};
}

/// Gives an array away: whoever consumes the tensor calls its deleter, which frees the elements.
template <dtype D>
DLManagedTensor* to_dlpack(array<D>&& a) {
  return detail::export_dlpack<DLManagedTensor, D>(std::move(a));
}

#if defined(DLPACK_MAJOR_VERSION) && DLPACK_MAJOR_VERSION >= 1
/// As above, for the versioned form of DLPack 1.x; argument_error for a major version other than 1.
inline dlpack_tensor from_dlpack(DLManagedTensorVersioned* t) {
  if (!t) throw argument_error("dlpack: the tensor is null");
  if (t->version.major != 1)
    throw argument_error("dlpack: the tensor has version " + std::to_string(t->version.major) + "." +
                         std::to_string(t->version.minor) + ", major version 1 is read");
  return {detail::dlpack_view(t->dl_tensor), (t->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0, t, [](void* p) {
            auto* const m = static_cast<DLManagedTensorVersioned*>(p);
            if (m->deleter) m->deleter(m);
          }};
}

template <dtype D>
DLManagedTensorVersioned* to_dlpack_versioned(array<D>&& a) {
  auto* const t = detail::export_dlpack<DLManagedTensorVersioned, D>(std::move(a));
  t->version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
  return t;
}
#endif

}  // namespace tenon
