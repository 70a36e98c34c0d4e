// Ops of indexing that change their first argument, or whose result's shape depends on values.

#include "kernels/cpu/index/index.h"

#include "flambeau/kernels/factories.h"
#include "flambeau/kernels/index.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/aminmax.h"
#include "flambeau/ops/empty.h"
#include "flambeau/ops/nonzero.h"
#include "flambeau/ops/scatter.h"
#include "flambeau/ops/unbind.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/zeros.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/index.h"

namespace flambeau::native {
namespace {

// An op that writes element by element must know where each element stands.
void check_apart(const char* op, const Tensor& self, const Tensor& read) {
  check(memory_overlap(self, read) == MemOverlap::none, op,
        ": unsupported operation: some "
        "elements of the input tensor and the written-to tensor refer to a single memory "
        "location. Please clone() the tensor before performing the operation.");
}

void check_written(const char* op, const Tensor& self, std::initializer_list<const Tensor*> read) {
  check(internal_overlap(self) != Overlap::yes, op,
        ": unsupported operation: more than one "
        "element of the written-to tensor refers to a single memory location. Please clone() the "
        "tensor before performing the operation.");
  for (const Tensor* t : read) check_apart(op, self, *t);
}

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
  check_apart("index_put_", self, values);
  for (const Tensor& t : at.indices) check_apart("index_put_", self, t);
  cpu::index_put_into("index_put_", self, at, values, accumulate);
}

Tensor index_put(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulate) {
  const Tensor result = copy_of(self);
  index_put_(result, indices, values, accumulate);
  return result;
}

// ---- one index

void index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                const Scalar& alpha) {
  shape::index_add(self, dim, index, source, alpha);
  check_written("index_add_", self, {&index, &source});
  if (!self.is_meta()) cpu::index_add_into(self, dim, index, source, alpha);
}

namespace {

void scatter_checked(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                     cpu::Scatter kind) {
  check_written("scatter_", self, {&index, &src});
  if (!self.is_meta()) cpu::scatter_into(self, dim, index, src, kind);
}

void scatter_value_checked(const Tensor& self, int64_t dim, const Tensor& index,
                           const Scalar& value, cpu::Scatter kind) {
  check_written("scatter_", self, {&index});
  if (!self.is_meta()) cpu::scatter_value_into(self, dim, index, value, kind);
}

}  // namespace

void scatter_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  shape::scatter(self, dim, index, src);
  scatter_checked(self, dim, index, src, cpu::Scatter::write);
}
void scatter_value_(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  shape::scatter_value(self, dim, index, value);
  scatter_value_checked(self, dim, index, value, cpu::Scatter::write);
}
void scatter_reduce_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                     std::string_view reduce) {
  shape::scatter_reduce(self, dim, index, src, reduce);
  scatter_checked(self, dim, index, src, cpu::scatter_kind(reduce));
}
void scatter_value_reduce_(const Tensor& self, int64_t dim, const Tensor& index,
                           const Scalar& value, std::string_view reduce) {
  shape::scatter_value_reduce(self, dim, index, value, reduce);
  scatter_value_checked(self, dim, index, value, cpu::scatter_kind(reduce));
}
void scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  shape::scatter_add(self, dim, index, src);
  scatter_checked(self, dim, index, src, cpu::Scatter::add);
}

// ---- masks

void masked_fill_scalar_(const Tensor& self, const Tensor& mask, const Scalar& value) {
  const auto spec = shape::masked_fill(self, mask, value);
  check(same(spec.sizes, self.sizes()), "masked_fill_: output with shape ", show(self.sizes()),
        " doesn't match the broadcast shape ", show(spec.sizes));
  if (!self.is_meta()) cpu::masked_fill_into(self, mask, value);
}

void masked_fill_tensor_(const Tensor& self, const Tensor& mask, const Tensor& value) {
  shape::masked_fill_tensor(self, mask, value);
  masked_fill_scalar_(self, mask, self.is_meta() ? Scalar(0) : value.value());
}

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

}  // namespace flambeau::native
