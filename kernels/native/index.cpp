// Ops of indexing that change their first argument, or whose result's shape depends on values.

#include "kernels/cpu/index/index.h"

#include "core/dispatch/printed.h"
#include "flambeau/kernels/index.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/index.h"

namespace flambeau::inline v1::native {
namespace {

Tensor copy_of(const Tensor& self) {
  const Tensor made = flambeau::empty_like(self);
  if (!made.is_meta()) cpu::copy(made, self);
  return made;
}

void check_values_known(const char* op, const Tensor& t) {
  check<NotImplementedError>(!t.is_meta(), op,
                             ": the result's shape depends on the values of a "
                             "tensor, which a meta tensor does not have");
}

}  // namespace

// ---- several indices

Tensor index(const Tensor& self, TensorSpan indices) {
  const cpu::AdvancedIndex at = cpu::advanced_index("index", self, indices);
  const Tensor result = flambeau::empty(at.result_sizes, self.options());
  for (size_t i = 0; i < at.dims.size(); ++i)
    check<IndexError>(result.numel() == 0 || self.sizes()[at.dims[i]] > 0,
                      "index: index is out of bounds for dimension with size 0");
  if (!result.is_meta()) cpu::index("index", result, self, at);
  return result;
}

void index_put_(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulate) {
  const cpu::AdvancedIndex at = cpu::advanced_index("index_put_", self, indices);
  check(self.dtype() == values.dtype(),
        "index_put_: Index put requires the source and destination "
        "dtypes match, got ",
        dtype_name(self.dtype()), " for the destination and ", dtype_name(values.dtype()),
        " for the source.");
  shape::check_same_device("index_put_", self, values);
  const IntSpan want = at.result_sizes, have = values.sizes();
  bool fits = have.size() <= want.size();
  for (size_t i = 1; fits && i <= have.size(); ++i)
    fits = have[have.size() - i] == 1 || have[have.size() - i] == want[want.size() - i];
  check(fits, "index_put_: shape mismatch: value tensor of shape ", show(have),
        " cannot be broadcast to indexing result of shape ", show(want));
  if (self.is_meta()) return;
  check_written_once("index_put_", self);
  printed::check_apart("index_put_", self, values);
  for (const Tensor& t : at.indices) printed::check_apart("index_put_", self, t);
  cpu::index_put_into("index_put_", self, at, values, accumulate);
}

Tensor index_put(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulate) {
  const Tensor result = copy_of(self);
  index_put_(result, indices, values, accumulate);
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
