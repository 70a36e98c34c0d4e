// Random numbers for contiguous memory, number for number those of PyTorch's CPU generator (on
// processors that are not Intel's: there PyTorch takes some of them from another library).
//
// Each function fills n elements of `dtype` at dst; the caller holds the generator's mutex and has
// checked the parameters. The numbers depend on the generator's state alone, never on the number
// of threads. A tensor that is not contiguous is filled in the order of its memory: the elements
// of a dense one as they lie there, of another along its dimensions by rising stride.
#pragma once

#include <cstdint>

#include "core/random/generator.h"
#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

// ---- floating point dtypes

void fill_uniform(Generator& generator, DType dtype, void* dst, int64_t n, double from, double to);

// PyTorch has two ways: one for contiguous tensors of 16 elements and more, and one, which makes
// numbers in pairs and keeps the second for the next call, for all others.
void fill_normal(Generator& generator, DType dtype, void* dst, int64_t n, double mean, double std);
void fill_normal_pairs(Generator& generator, DType dtype, void* dst, int64_t n, double mean,
                       double std);

void fill_exponential(Generator& generator, DType dtype, void* dst, int64_t n, double lambda);
void fill_cauchy(Generator& generator, DType dtype, void* dst, int64_t n, double median,
                 double sigma);
void fill_log_normal(Generator& generator, DType dtype, void* dst, int64_t n, double mean,
                     double std);
// A number in [from, to) where an element of src, of the same dtype, is at most 0; else 1. float32
// and float64 alone.
void fill_rrelu_slopes(Generator& generator, DType dtype, void* dst, const void* src, int64_t n,
                       double from, double to);

// ---- any real dtype

void fill_geometric(Generator& generator, DType dtype, void* dst, int64_t n, double p);
void fill_bernoulli(Generator& generator, DType dtype, void* dst, int64_t n, double p);
// A probability for each element, of a floating dtype; Error where one is not in [0, 1].
void fill_bernoulli(Generator& generator, DType dtype, void* dst, int64_t n, DType p_dtype,
                    const void* p);

// random_(): 0 to the largest number of an integer dtype, or to the largest up to which a floating
// one holds all integers.
void fill_random(Generator& generator, DType dtype, void* dst, int64_t n);
// random_(from, to): base + [0, range).
void fill_random_range(Generator& generator, DType dtype, void* dst, int64_t n, uint64_t range,
                       int64_t base);
// random_(from = the smallest int64, to = None).
void fill_random_64_bits(Generator& generator, DType dtype, void* dst, int64_t n);

void fill_permutation(Generator& generator, DType dtype, void* dst, int64_t n);

// ---- multinomial: rows of weights in, rows of indices out

void multinomial_with_replacement(Generator& generator, DType dtype, const void* weights,
                                  int64_t rows, int64_t categories, int64_t samples, int64_t* dst);
// Also what PyTorch does for a single sample.
void multinomial_without_replacement(Generator& generator, DType dtype, const void* weights,
                                     int64_t rows, int64_t categories, int64_t samples,
                                     int64_t* dst);

}  // namespace flambeau::inline v1
