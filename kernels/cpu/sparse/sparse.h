// Kernels of sparse tensors: what is done for each element that is there.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// flat[k]: where column k of `indices` (int64, dimensions x n) stands in row-major order. Gives the
// first dimension in which an index is out of range, or -1.
int64_t flatten_places(const Tensor& flat, const Tensor& indices, IntSpan sizes);
// The columns of `indices` that stand at `flat`.
void unflatten_places(const Tensor& indices, const Tensor& flat, IntSpan sizes);

// Whether the numbers grow from each to the next.
bool grows(const Tensor& flat);

// Two rows of places as one, as far as both are in order: in_a[k] (in_b[k]) is where the k-th of a
// (of b) went. Gives how many there are.
int64_t merge_places(const Tensor& in_a, const Tensor& in_b, const Tensor& a, const Tensor& b);

// out[i] = sum of values[order[k]] for k from first[i] to first[i + 1], in this order; all are
// contiguous. Halves are added in float.
void sum_segments(const Tensor& out, const Tensor& values, const Tensor& order,
                  const Tensor& first);

// out (rows x m) += the matrix that has values[k] at (row, col[k]) for k from first[row] on, times
// `dense` (cols x m). All are contiguous, of one dtype, and `col` is in range.
void add_sparse_product(const Tensor& out, const Tensor& first, const Tensor& col,
                        const Tensor& values, const Tensor& dense);

}  // namespace flambeau::inline v1::cpu
