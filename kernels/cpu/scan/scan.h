// Running sums, products and extremes along a dimension. Outputs are allocated, of self's shape;
// `dim` is valid and may be negative.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// Elements are cast to out's dtype. float32 runs in double, integers in int64.
void cumsum(const Tensor& out, const Tensor& self, int64_t dim);
void cumprod(const Tensor& out, const Tensor& self, int64_t dim);
void logcumsumexp(const Tensor& out, const Tensor& self, int64_t dim);

// The last of equal elements counts; NaN stays from where it is met.
void cummax(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim);
void cummin(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim);

// For the gradients of products; see products.cpp. out[i]: the product of all elements along `dim`
// but the i-th; the gradient of cumprod, of `grad` and its input.
void prod_others(const Tensor& out, const Tensor& self, int64_t dim);
void cumprod_grad(const Tensor& out, const Tensor& grad, const Tensor& self, int64_t dim);

}  // namespace flambeau::inline v1::cpu
