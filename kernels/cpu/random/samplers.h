// Draws whose parameters differ from element to element, number for number those of PyTorch's CPU
// generator: each element takes as many numbers of the stream as its rejections ask for, so they
// are drawn one after another.
//
// n elements of `dtype` at dst, their parameters of the same dtype beside them; the caller holds
// the generator's mutex.
#pragma once

#include <cstdint>

#include "core/random/generator.h"
#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

// float32 and float64.
void draw_gamma(Generator& generator, DType dtype, void* dst, const void* shapes, int64_t n);
void draw_dirichlet(Generator& generator, DType dtype, void* dst, const void* shapes, int64_t rows,
                    int64_t categories);
void draw_binomial(Generator& generator, DType dtype, void* dst, const void* counts,
                   const void* probs, int64_t n);

// Any floating dtype; Error where a rate is not at least 0, before a number is drawn.
void draw_poisson(Generator& generator, DType dtype, void* dst, const void* rates, int64_t n);

}  // namespace flambeau::inline v1
