#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

void solve_triangular(const Tensor& out, const Tensor& a, const Tensor& b, bool upper, bool left,
                      bool transpose, bool unitriangular) {
  if (out.numel() == 0) return;
  lapack::open();
  const Result x = Result::columns(out);
  copy(x.tensor(), b);
  // What lies by rows is the transpose of what lies by columns, and of the other triangle.
  const bool by_rows = a.is_contiguous() && !by_columns(a);
  const Tensor matrices = by_rows ? a : read_columns(a);
  const bool is_upper = upper != by_rows, is_transposed = transpose != by_rows;
  const Shape shape(x.tensor());
  const int n = left ? shape.rows : shape.columns;
  const std::vector<int64_t> places = places_in(batch_of(out), batch_of(a));
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    over_matrices(shape.count, shape.size() * n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i)
        lapack::trsm(left ? 'L' : 'R', is_upper ? 'U' : 'L', is_transposed ? 'T' : 'N',
                     unitriangular ? 'U' : 'N', shape.rows, shape.columns,
                     matrices.data<T>() + places[static_cast<size_t>(i)] * n * n, n,
                     x.data<T>() + i * shape.size(), shape.step());
    });
  });
  x.store();
}

}  // namespace flambeau::inline v1::cpu
