// Max pooling over up to three dimensions. Indices are places in a plane, as PyTorch's.
#pragma once

#include <optional>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// The windows are those of the lists, which have a number for each dimension, or one for all.
void max_pool(const Tensor& out, const Tensor& indices, const Tensor& self, IntSpan kernel_size,
              IntSpan stride, IntSpan padding, IntSpan dilation, int64_t rank);
// Windows that cover dimensions evenly, as many as `out` has elements along `rank` of them.
void adaptive_max_pool(const Tensor& out, const Tensor& indices, const Tensor& self, int64_t rank);
// Windows at random places: a sample in [0, 1) for each image, channel and dimension.
void fractional_max_pool(const Tensor& out, const Tensor& indices, const Tensor& self,
                         IntSpan kernel_size, const Tensor& samples);
// Adds each window's gradient to the place that its index names.
void max_pool_backward(const Tensor& out, const Tensor& grad, const Tensor& indices, int64_t rank,
                       const char* op);
// Writes each element to the place that its index names; the rest is zero.
void max_unpool(const Tensor& out, const Tensor& self, const Tensor& indices, int64_t rank);

// ---- averages

void avg_pool(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan stride,
              IntSpan padding, bool count_include_pad, std::optional<int64_t> divisor,
              int64_t rank);
void avg_pool_backward(const Tensor& out, const Tensor& grad, IntSpan kernel_size, IntSpan stride,
                       IntSpan padding, bool count_include_pad, std::optional<int64_t> divisor,
                       int64_t rank);
void adaptive_avg_pool(const Tensor& out, const Tensor& self, int64_t rank);
void adaptive_avg_pool_backward(const Tensor& out, const Tensor& grad, int64_t rank);

}  // namespace flambeau::inline v1::cpu
