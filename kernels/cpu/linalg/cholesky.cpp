#include "flambeau/kernels/linalg.h"
#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// Zeros beside a triangle.
template <class T>
void keep_triangle(T* a, int n, bool upper) {
  for (int64_t j = 0; j < n; ++j) {
    T* const column = a + j * n;
    if (upper)
      std::fill(column + j + 1, column + n, T(0));
    else
      std::fill(column, column + j, T(0));
  }
}

void factor_definite(const Tensor& l, int* info, bool upper) {
  const Shape shape(l);
  std::fill(info, info + shape.count, 0);
  if (l.numel() == 0) return;
  const int n = shape.rows;
  by_type(l.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const data = l.data<T>();
    over_matrices(shape.count, shape.size() * n / 3, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        T* const a = data + i * shape.size();
        info[i] = lapack::potrf(upper ? 'U' : 'L', n, a, n);
        keep_triangle(a, n, upper);
      }
    });
  });
}

}  // namespace

void linalg_cholesky_ex(const Tensor& L, const Tensor& info, const Tensor& self, bool upper,
                        bool check_errors) {
  if (self.numel() > 0) lapack::open();
  const Result l = Result::columns(L), codes = Result::rows(info);
  copy(l.tensor(), self);
  int* const code = codes.data<int>();
  factor_definite(l.tensor(), code, upper);
  if (check_errors) check_info("linalg.cholesky_ex", code, info.numel(), self.dim() == 2);
  l.store();
  codes.store();
}

void cholesky(const Tensor& out, const Tensor& self, bool upper) {
  if (self.numel() > 0) lapack::open();
  const Result l = Result::columns(out);
  copy(l.tensor(), self);
  std::vector<int> info(static_cast<size_t>(Shape(self).count));
  factor_definite(l.tensor(), info.data(), upper);
  check_info("cholesky", info.data(), static_cast<int64_t>(info.size()), self.dim() == 2);
  l.store();
}

void cholesky_solve(const Tensor& out, const Tensor& self, const Tensor& factor, bool upper) {
  if (out.numel() == 0) return;
  lapack::open();
  const Result x = Result::columns(out);
  copy(x.tensor(), self);
  const Tensor a = read_columns(factor);
  const Shape shape(x.tensor());
  const std::vector<int64_t> places = places_in(batch_of(out), batch_of(a));
  const int n = shape.rows;
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    over_matrices(shape.count, 2 * shape.size() * n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i)
        lapack::potrs(upper ? 'U' : 'L', n, shape.columns,
                      a.data<T>() + places[static_cast<size_t>(i)] * n * n, n,
                      x.data<T>() + i * shape.size(), n);
    });
  });
  x.store();
}

void cholesky_inverse(const Tensor& out, const Tensor& self, bool upper) {
  if (out.numel() == 0) return;
  lapack::open();
  const Result x = Result::columns(out);
  copy(x.tensor(), self);
  const Shape shape(x.tensor());
  const int n = shape.rows;
  std::vector<int> info(static_cast<size_t>(shape.count));
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    over_matrices(shape.count, shape.size() * n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        T* const a = x.data<T>() + i * shape.size();
        info[static_cast<size_t>(i)] = lapack::potri(upper ? 'U' : 'L', n, a, n);
        // The other triangle is the same.
        for (int64_t c = 0; c < n; ++c)
          for (int64_t r = c + 1; r < n; ++r) {
            T &below = a[c * n + r], &above = a[r * n + c];
            T& from = upper ? above : below;
            T& to = upper ? below : above;
            if constexpr (lapack::is_complex<T>)
              to = std::conj(from);
            else
              to = from;
          }
      }
    });
  });
  for (int& code : info) code = std::max(code, 0);
  check_info("cholesky_inverse", info.data(), shape.count, self.dim() == 2);
  x.store();
}

}  // namespace flambeau::inline v1::cpu
