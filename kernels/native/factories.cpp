// Constant tensors.

#include "flambeau/kernels/factories.h"

#include <algorithm>
#include <complex>

#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

void fill_diagonal(const Tensor& result) {
  fill(result, 0);
  const IntSpan sizes = result.sizes();
  const int64_t length[] = {std::min(sizes[0], sizes[1])};
  const int64_t step[] = {result.strides()[0] + result.strides()[1]};
  if (length[0] > 0) fill(Tensor::alias(result, length, step, result.offset()), 1);
}

// A lazily conjugated or negated tensor holds what stands for the value.
void fill_number(const Tensor& self, const Scalar& value) {
  Scalar v = value;
  if (self.is_neg()) v = v.is_complex() ? Scalar(-v.to_complex()) : Scalar(-v.to_double());
  if (self.is_conj()) v = Scalar(std::conj(v.to_complex()));
  fill(self, v);
}

}  // namespace flambeau::inline v1::cpu
