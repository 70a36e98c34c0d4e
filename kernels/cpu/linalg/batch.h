// Batches of matrices as LAPACK takes them: one after the other, each by columns.
#pragma once

#include <algorithm>
#include <complex>
#include <cstdint>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"
#include "kernels/cpu/linalg/lapack.h"

namespace flambeau::inline v1::cpu {

Dims column_strides(IntSpan sizes);
bool by_columns(const Tensor& t);  // packed so; what sizes of 1 step by does not matter
// A copy by columns, broadcast to `sizes`.
Tensor columns_of(const Tensor& t, IntSpan sizes);
inline Tensor columns_of(const Tensor& t) { return columns_of(t, t.sizes()); }
// `t`, or a copy where it does not lie by columns: to be read.
Tensor read_columns(const Tensor& t);
Tensor read_rows(const Tensor& t);

// A result: where a kernel writes it, and from where it then goes to its place.
class Result {
 public:
  static Result columns(const Tensor& out);
  static Result rows(const Tensor& out);
  const Tensor& tensor() const { return work_; }
  template <class T>
  T* data() const {
    return work_.data<T>();
  }
  void store() const;

 private:
  Result(const Tensor& out, bool fits, IntSpan strides);
  Tensor out_, work_;
};

struct Shape {
  explicit Shape(const Tensor& t);  // of at least two dimensions
  int64_t count = 1;                // matrices
  int rows, columns;
  int step() const { return std::max(1, rows); }  // from column to column
  int64_t size() const { return int64_t{rows} * columns; }
};

// Which matrix of an operand stands for each one of the batch that it is broadcast to.
std::vector<int64_t> places_in(IntSpan batch, IntSpan own);
inline IntSpan batch_of(const Tensor& t) { return t.sizes().first(t.sizes().size() - 2); }

template <class F>
void by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::complex64:
      return f(std::complex<float>{});
    default:
      return f(std::complex<double>{});
  }
}

// f(first, end) over matrices that take `work` multiplications each.
template <class F>
void over_matrices(int64_t count, int64_t work, F&& f) {
  parallel_for(count, std::max<int64_t>(1, (int64_t{1} << 15) / (work + 1)), f);
}

// The size that a routine asks for its workspace.
template <class T>
int asked(const T& first) {
  return std::max(1, lapack::size(static_cast<int64_t>(std::real(first))));
}

// Ones on the diagonals of matrices, zeros beside them.
void fill_diagonals(const Tensor& t);

// Error of the first matrix whose `info` is not 0, with its place in the batch.
void check_info(const char* op, const int* info, int64_t count, bool is_matrix);

// LU of what stands in `lu`, with P as it is counted from 1. Gives info for each matrix.
void factor(const Tensor& lu, int* pivots, int* info);

}  // namespace flambeau::inline v1::cpu
