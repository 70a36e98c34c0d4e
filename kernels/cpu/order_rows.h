// What sorting kernels share.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::cpu {

// The index of a dtype in tables of loops; NotImplementedError when it has no order.
int order_index(const char* op, DType dtype);

// The dimension put last; a 0-dim tensor as one row of one element.
Tensor rows_along(const Tensor& t, int64_t dim);
// `rows` itself when row-major; else memory of that shape, with its values or without.
Tensor contiguous_rows(const Tensor& rows, bool with_values);

// The elements and positions of words in order; `src` is where the positions count from.
template <class Word>
void write_words(const Word* words, int64_t n, DType dtype, const char* src, bool descending,
                 char* values, int64_t* indices);

}  // namespace flambeau::cpu
