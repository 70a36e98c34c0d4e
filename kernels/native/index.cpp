// Ops of indexing that change their first argument, or whose result's shape depends on values.

#include "kernels/cpu/index/index.h"

#include "core/dispatch/printed.h"
#include "flambeau/kernels/index.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/index.h"

namespace flambeau::inline v1::native {
namespace {

void check_values_known(const char* op, const Tensor& t) {
  check<NotImplementedError>(!t.is_meta(), op,
                             ": the result's shape depends on the values of a "
                             "tensor, which a meta tensor does not have");
}

}  // namespace

// ---- several indices

Tensor index(const Tensor& self, TensorSpan indices) {
  if (!self.is_meta() && cpu::is_full_mask(self, indices))
    return cpu::masked_select(self, indices[0]);
  const cpu::AdvancedIndex at = cpu::advanced_index("index", self, indices);
  const Tensor result = flambeau::empty(at.result_sizes, self.options());
  for (size_t i = 0; i < at.dims.size(); ++i)
    check<IndexError>(result.numel() == 0 || self.sizes()[at.dims[i]] > 0,
                      "index: index is out of bounds for dimension with size 0");
  if (!result.is_meta()) cpu::index("index", result, self, at);
  return result;
}

// ---- masks

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  check(mask.dtype() == DType::boolean, "masked_select: expected BoolTensor for mask, got ",
        dtype_name(mask.dtype()));
  shape::check_same_device("masked_select", self, mask);
  check_values_known("masked_select", self);
  return cpu::masked_select(self, mask);
}

Tensor nonzero(const Tensor& self) {
  check_values_known("nonzero", self);
  return cpu::nonzero(self);
}

}  // namespace flambeau::inline v1::native
