// Copies: clone, copy_, casts and conversions.

#include "core/autograd/node.h"
#include "core/dispatch/printed.h"
#include "core/tensor/device_table.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/_to_copy.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/neg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1 {
namespace cpu {

// The bits of lazy conjugation and negation that differ are applied after the plain copy.
void copy_values(const Tensor& dst, const Tensor& src, std::optional<MemoryFormat>) {
  if (src.is_meta()) return;  // of no elements
  const KeySet lazy = kConjugate | kNegative;
  if (((dst.keys() ^ src.keys()) & lazy) == 0) return cpu::copy(dst, src);
  const auto plain = [&](const Tensor& t) {
    Tensor p = Tensor::alias(t, t.sizes(), t.strides(), t.offset());
    p.impl()->keys &= ~lazy;
    return p;
  };
  const Tensor d = plain(dst);
  cpu::copy(d, plain(src));
  if (((dst.keys() ^ src.keys()) & kNegative)) entry::neg_(d);
  if (((dst.keys() ^ src.keys()) & kConjugate) && d.is_complex()) {
    const Tensor parts = Tensor::alias(
        d, to_real(d.dtype()), d.sizes(),
        [&] {
          Dims strides(d.strides());
          for (int64_t& s : strides) s *= 2;
          return strides;
        }(),
        d.offset() * 2 + 1);
    entry::neg_(parts);
  }
}

// What is read lies elsewhere, or is put aside.
void copy_into(const Tensor& self, const Tensor& src, bool) {
  const MemOverlap overlap = printed::overlap_of_copy(self, src);
  if (printed::is_itself(self, src, overlap)) return;
  if (overlap == MemOverlap::none) return copy_values(self, src, {});
  const Tensor aside = empty(src.sizes(), src.options());
  copy_values(aside, src, {});
  copy_values(self, aside, {});
}

}  // namespace cpu

namespace native {
namespace {

TensorOptions with(const Tensor& self, std::optional<DType> dtype, std::optional<Layout> layout,
                   std::optional<Device> device, std::optional<bool> pin_memory, const char* op) {
  check<NotImplementedError>(!pin_memory.value_or(false), op, ": pin_memory=True is not supported");
  TensorOptions o = self.options();
  if (dtype) o.dtype = *dtype;
  if (layout) o.layout = *layout;
  if (device) o.device = *device;
  return o;
}

Tensor to(const Tensor& self, const TensorOptions& o, bool non_blocking, bool copy,
          std::optional<MemoryFormat> format) {
  const MemoryFormat f = format.value_or(MemoryFormat::preserve);
  const Device wanted = o.device.type == self.device().type ? resolved(o.device) : o.device;
  const bool same_device = wanted == self.device();
  if (!copy && o.dtype == self.dtype() && o.layout == self.layout() && same_device &&
      (f == MemoryFormat::preserve || self.is_contiguous(f)))
    return self;
  return entry::_to_copy(self, o.dtype, o.layout, resolved(o.device), std::nullopt, non_blocking,
                         f);
}

}  // namespace

Tensor to_options(const Tensor& self, std::optional<DType> dtype, std::optional<Layout> layout,
                  std::optional<Device> device, std::optional<bool> pin_memory, bool non_blocking,
                  bool copy, std::optional<MemoryFormat> format) {
  return to(self, with(self, dtype, layout, device, pin_memory, "to"), non_blocking, copy, format);
}
Tensor to_device(const Tensor& self, Device device, DType dtype, bool non_blocking, bool copy,
                 std::optional<MemoryFormat> format) {
  return to(self, {dtype, device, self.layout()}, non_blocking, copy, format);
}
Tensor to_dtype(const Tensor& self, DType dtype, bool non_blocking, bool copy,
                std::optional<MemoryFormat> format) {
  return to(self, {dtype, self.device(), self.layout()}, non_blocking, copy, format);
}
Tensor to_other(const Tensor& self, const Tensor& other, bool non_blocking, bool copy,
                std::optional<MemoryFormat> format) {
  return to(self, other.options(), non_blocking, copy, format);
}
Tensor type_as(const Tensor& self, const Tensor& other) {
  return to(self, other.options(), false, false, std::nullopt);
}

Tensor contiguous(const Tensor& self, MemoryFormat format) {
  check(format != MemoryFormat::preserve,
        "contiguous: preserve memory format is unsupported by the contiguous operator");
  return self.is_contiguous(format) ? self : entry::clone(self, format);
}

Tensor detach(const Tensor& self) { return flambeau::detach(self); }

void detach_(const Tensor& self) { flambeau::detach_(self); }

}  // namespace native
}  // namespace flambeau::inline v1
