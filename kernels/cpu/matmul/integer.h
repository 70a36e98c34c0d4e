// Products of matrices of integers, which wrap around.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/cpu/matmul/gemm/gemm.h"

namespace flambeau::inline v1::cpu {

// `batch` products of m x k and k x n, each result row-major and one after the other; strides are
// in elements.
struct IntegerProduct {
  int64_t batch, m, n, k;
  Matrix a, b;
  int64_t a_step, b_step;  // between members of the batch
  const Matrix* bias;      // nullptr: none
  int64_t bias_step;
};

// out = alpha a b + beta bias
void integer_product(const Tensor& out, const IntegerProduct& product, int64_t alpha, int64_t beta);

}  // namespace flambeau::inline v1::cpu
