// Kernels of sorting.
#pragma once

#include <tuple>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

void sort(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
          bool descending);
void topk(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t k, int64_t dim,
          bool largest);

// Distinct elements in order, the place of each element among them and how often each occurs; the
// last two are empty when not asked for. Not `sorted`: of each run of equal elements one, and the
// order is that of the runs.
std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& self, bool sorted, bool return_inverse,
                                          bool return_counts);
// The same for slices along a dimension, always with all three.
std::tuple<Tensor, Tensor, Tensor> unique_dim(const Tensor& self, int64_t dim, bool sorted);

}  // namespace flambeau::inline v1::cpu
