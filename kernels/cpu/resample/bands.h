// Linear maps along each of the last one to three dimensions of a tensor: averages of windows,
// resampling, and the gradients of both.
#pragma once

#include <vector>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// Along one dimension, result o is the sum of count[o] elements from begin[o] on, each times its
// weight. Both ends rise with o.
struct Band {
  int64_t in = 0, out = 0, most = 0;  // most: the largest count
  std::vector<int64_t> begin, count;
  std::vector<double> weights;    // `most` for each result; empty: all are 1
  std::vector<int64_t> divisors;  // what each result is divided by; empty: 1
};

// What is left as it is.
Band identity_band(int64_t size);
// The gradient's: sums of what each element went to. Divisors become weights.
Band transposed(const Band& band);

// A band for each of the last dimensions of `out`, which has the dtype of `in`.
void apply_bands(const Tensor& out, const Tensor& in, std::vector<Band> bands);
// Of bytes, along two dimensions with weights: in integers, the last dimension first.
void apply_byte_bands(const Tensor& out, const Tensor& in, const Band& rows, const Band& columns);

}  // namespace flambeau::inline v1::cpu
