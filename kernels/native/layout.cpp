// Copies: clone, copy_, casts and conversions.

#include "core/autograd/node.h"
#include "core/dispatch/printed.h"
#include "core/tensor/device_table.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
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

Tensor detach(const Tensor& self) { return flambeau::detach(self); }

void detach_(const Tensor& self) { flambeau::detach_(self); }

}  // namespace native
}  // namespace flambeau::inline v1
