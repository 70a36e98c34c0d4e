// Ops of indexing that change their first argument, or whose result's shape depends on values.

#include "kernels/cpu/index/index.h"

#include "core/dispatch/printed.h"
#include "flambeau/kernels/index.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/aminmax.h"
#include "flambeau/ops/empty.h"
#include "flambeau/ops/nonzero.h"
#include "flambeau/ops/scatter.h"
#include "flambeau/ops/unbind.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/zeros.h"
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

TensorVec nonzero_numpy(const Tensor& self) {
  if (self.dim() == 0) return entry::unbind_int(entry::nonzero(entry::unsqueeze(self, 0)), 1);
  return entry::unbind_int(entry::nonzero(self), 1);
}

// ---- one_hot

Tensor one_hot(const Tensor& self, int64_t num_classes) {
  check(self.dtype() == DType::int64,
        "one_hot: one_hot is only applicable to index tensor of type LongTensor, got ",
        dtype_name(self.dtype()));
  Dims sizes(self.sizes());
  if (self.numel() == 0) {
    check(num_classes > 0,
          "one_hot: Can not infer total number of classes from empty tensor: pass "
          "num_classes");
    sizes.push_back(num_classes);
    return ops::empty(sizes, DType::int64, {}, self.device());
  }
  check_values_known("one_hot", self);
  const auto [least, largest] = entry::aminmax(self, std::nullopt, false);
  check(least.item().to_int() >= 0, "one_hot: Class values must be non-negative.");
  const int64_t last = largest.item().to_int();
  check(num_classes == -1 || num_classes >= 1, "one_hot: num_classes should be positive, got ",
        num_classes);
  check(num_classes == -1 || last < num_classes,
        "one_hot: Class values must be smaller than num_classes: found ", last,
        " with num_classes=", num_classes);
  sizes.push_back(num_classes == -1 ? last + 1 : num_classes);
  const Tensor result = ops::zeros(sizes, DType::int64, {}, self.device());
  entry::scatter__value(result, -1, entry::unsqueeze(self, -1), Scalar(int64_t{1}));
  return result;
}

}  // namespace flambeau::inline v1::native
