// Copies: clone, copy_, casts and conversions.

#include "core/autograd/node.h"
#include "core/tensor/device_table.h"
#include "core/tensor/overlap.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/neg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::native {
namespace {

// An empty tensor with the layout that `format` asks of a copy of `self`.
Tensor empty_for(const Tensor& self, TensorOptions options, std::optional<MemoryFormat> format) {
  const MemoryFormat f = format.value_or(MemoryFormat::preserve);
  if (f == MemoryFormat::contiguous) return empty(self.sizes(), options);
  if (f == MemoryFormat::preserve) return empty_strided(self.sizes(), strides_like(self), options);
  const int64_t want = f == MemoryFormat::channels_last ? 4 : 5;
  check(self.dim() == want, "required rank ", want, " tensor to use ", memory_format_name(f),
        " format");
  return empty_strided(self.sizes(), channels_last_strides(self.sizes()), options);
}

TensorOptions with(const Tensor& self, std::optional<DType> dtype, std::optional<Layout> layout,
                   std::optional<Device> device, std::optional<bool> pin_memory, const char* op) {
  check<NotImplementedError>(!pin_memory.value_or(false), op, ": pin_memory=True is not supported");
  TensorOptions o = self.options();
  if (dtype) o.dtype = *dtype;
  if (layout) o.layout = *layout;
  if (device) o.device = *device;
  return o;
}

// The bits of lazy conjugation and negation that differ are applied after the plain copy.
void copy_values(const Tensor& dst, const Tensor& src) {
  if (dst.is_meta() || src.is_meta()) {
    check(dst.is_meta() || src.numel() == 0,
          "copy_: Cannot copy out of meta tensor; no data! Use empty_like or to_empty to make one "
          "with data");
    return;
  }
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

}  // namespace

Tensor clone(const Tensor& self, std::optional<MemoryFormat> format) {
  const Tensor out = empty_for(self, self.options(), format);
  if (!self.is_meta()) copy_values(out, self);
  return out;
}

void copy_(const Tensor& self, const Tensor& src, bool) {
  if (self.is(src)) return;
  const Dims shape = broadcast(self.sizes(), src.sizes(), "copy_");
  check(same(shape, self.sizes()), "copy_: The size of tensor a ", show(self.sizes()),
        " must match the size of tensor b ", show(src.sizes()), ": src does not broadcast to self");
  Tensor from = src;
  const MemOverlap overlap =
      self.device() == src.device() ? memory_overlap(self, src) : MemOverlap::none;
  if (overlap == MemOverlap::full && self.dtype() == src.dtype() &&
      ((self.keys() ^ src.keys()) & (kConjugate | kNegative)) == 0)
    return;
  check_written_once("copy_", self);
  check(overlap != MemOverlap::partial,
        "copy_: unsupported operation: some elements of the input tensor and the written-to tensor "
        "refer to a single memory location. Please clone() the tensor before performing the "
        "operation.");
  if (overlap != MemOverlap::none) from = clone(src, MemoryFormat::contiguous);
  copy_values(self, from);
}

Tensor _to_copy(const Tensor& self, std::optional<DType> dtype, std::optional<Layout> layout,
                std::optional<Device> device, std::optional<bool> pin_memory, bool,
                std::optional<MemoryFormat> format) {
  const TensorOptions o = with(self, dtype, layout, device, pin_memory, "to");
  check<NotImplementedError>(o.layout == Layout::strided, "to: layout torch.",
                             layout_name(o.layout), " is not supported");
  if (o.device.is_meta()) return empty_for(self, o, format);
  check<NotImplementedError>(
      !self.is_meta(),
      "to: Cannot copy out of meta tensor; no data! Please use "
      "torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving "
      "module from meta to a different device.");
  const Tensor out = empty_for(self, o, format);
  copy_values(out, self);
  return out;
}

Tensor detach(const Tensor& self) { return flambeau::detach(self); }

void detach_(const Tensor& self) { flambeau::detach_(self); }

}  // namespace flambeau::inline v1::native
