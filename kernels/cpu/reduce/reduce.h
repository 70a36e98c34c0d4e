// Reductions. Outputs are allocated and hold the kept dimensions in order, those that are reduced
// with size 1 or left out. `dims` are valid, ascending and distinct. Sums follow a fixed tree, so
// results have the same bits for any number of threads.
#pragma once

#include <optional>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// Elements are cast to the output's dtype and added in float32, float64, int64 or complex.
void sum(const Tensor& out, const Tensor& self, IntSpan dims);
void mean(const Tensor& out, const Tensor& self, IntSpan dims);
void prod(const Tensor& out, const Tensor& self, IntSpan dims);

void amax(const Tensor& out, const Tensor& self, IntSpan dims);
void aminmax(const Tensor& min, const Tensor& max, const Tensor& self, IntSpan dims);
void amin(const Tensor& out, const Tensor& self, IntSpan dims);
// The first of equal elements counts, and NaN before all.
void max(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim);
void min(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim);
void argmax(const Tensor& out, const Tensor& self, std::optional<int64_t> dim);
void argmin(const Tensor& out, const Tensor& self, std::optional<int64_t> dim);

void any(const Tensor& out, const Tensor& self, IntSpan dims);
void all(const Tensor& out, const Tensor& self, IntSpan dims);

// Divided by max(0, count - correction).
void var(const Tensor& out, const Tensor& self, IntSpan dims, double correction);
void std(const Tensor& out, const Tensor& self, IntSpan dims, double correction);
void var_mean(const Tensor& var_out, const Tensor& mean_out, const Tensor& self, IntSpan dims,
              double correction);

void logsumexp(const Tensor& out, const Tensor& self, IntSpan dims);
void norm(const Tensor& out, const Tensor& self, IntSpan dims, const Scalar& ord);

}  // namespace flambeau::inline v1::cpu
