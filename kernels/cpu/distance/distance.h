// Distances of vectors, in float32 and float64.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// (..., P, M) and (..., R, M) of one batch give (..., P, R).
void cdist(const Tensor& out, const Tensor& x1, const Tensor& x2, double p);
// What x1 gets.
void cdist_backward(const Tensor& out, const Tensor& grad, const Tensor& x1, const Tensor& x2,
                    double p, const Tensor& distances);
// The rows of a matrix: i and j for i < j, by i.
void pdist(const Tensor& out, const Tensor& self, double p);

}  // namespace flambeau::inline v1::cpu
