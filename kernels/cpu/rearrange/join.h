// Kernels of joining and rearranging.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void cat(const Tensor& result, TensorSpan tensors, int64_t dim);
void stack(const Tensor& result, TensorSpan tensors, int64_t dim);
void flip(const Tensor& result, const Tensor& self, IntSpan dims);
void roll(const Tensor& result, const Tensor& self, IntSpan shifts, IntSpan dims);

// Borders: `pad` from the last dimension on.
constexpr int64_t kReflected = 0;  // mode; 1 repeats the edge
void constant_border(const Tensor& result, const Tensor& self, IntSpan pad, const Scalar& value);
void edge_border(const Tensor& result, const Tensor& self, IntSpan pad, int64_t mode);
void edge_border_backward(const Tensor& result, const Tensor& grad, IntSpan pad, int64_t mode);
// Where the element at place k of a dimension of n elements comes from, k counted from the first of
// those that are there already.
int64_t border_source(int64_t k, int64_t n, int64_t mode);

void tril(const Tensor& result, const Tensor& self, int64_t diagonal);
void triu(const Tensor& result, const Tensor& self, int64_t diagonal);
void repeat(const Tensor& result, const Tensor& self, IntSpan repeats);

}  // namespace flambeau::inline v1::cpu
