// Discrete Fourier transforms of float32, float64 and their complex kinds.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// normalization: 0: none, 1: divided by the root of the number of elements, 2: by the number.
void fft_c2c(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization,
             bool forward);
void fft_r2c(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization,
             bool onesided);
void fft_c2r(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization);

// Windows of as many elements as `out` has: constant - first cos(t) + second cos(2 t), and others.
void cosine_window(const Tensor& out, bool periodic, double constant, double first, double second);
void bartlett_window(const Tensor& out, bool periodic);
void kaiser_window(const Tensor& out, bool periodic, double beta);

}  // namespace flambeau::inline v1::cpu
