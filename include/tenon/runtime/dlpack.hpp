// Exchange of tensors by DLPack (https://github.com/dmlc/dlpack), its header from 0.6 on: <dlpack/dlpack.h>.
#pragma once
#include <dlpack/dlpack.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "tenon/core/error.hpp"
#include "tenon/runtime/array.hpp"

namespace tenon {

namespace detail {

// What needs no template is compiled in src/runtime/dlpack.cpp, on fields: the library's DLPack and the user's may be
// of different versions.

/// The fields of a DLTensor, as numbers.
struct dlpack_fields {
  int device_type, device_id, rank, code, bits, lanes;
  const void* data;
  std::uint64_t byte_offset;
  const std::int64_t *shape, *strides;
};
/// Throws as from_dlpack does.
any_view dlpack_view(const dlpack_fields&);
void check_dlpack(dtype has, bool read_only, dtype asked, bool writes);
[[noreturn]] void throw_dlpack_null();
[[noreturn]] void throw_dlpack_version(unsigned major, unsigned minor);
/// DLPack's code of an element type; its bits are those of the element.
std::uint8_t dlpack_code(dtype);

}  // namespace detail

/// A tensor that came by DLPack: converts to `view<D>` (and to `mutable_view<D>` where it may be written) of its own
/// element type, and gives the tensor back when destroyed. Movable, not copyable.
class dlpack_tensor {
 public:
  dlpack_tensor(const detail::any_view& v, bool read_only, void* managed, void (*release)(void*))
      : v_(v), read_only_(read_only), managed_(managed), release_(release) {}
  dlpack_tensor(dlpack_tensor&& o) noexcept
      : v_(o.v_), read_only_(o.read_only_), managed_(o.managed_), release_(o.release_) {
    o.managed_ = nullptr;
  }
  dlpack_tensor& operator=(dlpack_tensor&&) noexcept;
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
  void check(dtype asked, bool writes) const { detail::check_dlpack(v_.type, read_only_, asked, writes); }

  detail::any_view v_;
  bool read_only_;
  void* managed_;
  void (*release_)(void*);
};

namespace detail {

inline any_view dlpack_view(const DLTensor& t) {
  return dlpack_view(dlpack_fields{.device_type = t.device.device_type,
                                   .device_id = t.device.device_id,
                                   .rank = t.ndim,
                                   .code = t.dtype.code,
                                   .bits = t.dtype.bits,
                                   .lanes = t.dtype.lanes,
                                   .data = t.data,
                                   .byte_offset = t.byte_offset,
                                   .shape = t.shape,
                                   .strides = t.strides});
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
  t.dtype = {dlpack_code(D), static_cast<std::uint8_t>(8 * size_of(D)), 1};
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
  if (!t) detail::throw_dlpack_null();
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
  if (!t) detail::throw_dlpack_null();
  if (t->version.major != 1) detail::throw_dlpack_version(t->version.major, t->version.minor);
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
