#include <cmath>
#include <limits>
#include <string_view>

#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

std::vector<int> room_for(int64_t count) { return std::vector<int>(static_cast<size_t>(count)); }

void check_all(const char* op, const std::vector<int>& info, const Tensor& A) {
  check_info(op, info.data(), static_cast<int64_t>(info.size()), A.dim() == 2);
}

template <class T>
bool finite(const T* a, int64_t n) {
  lapack::Real<T> sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::abs(a[i]) * 0;
  return sum == 0;
}

// LAPACK's numbers for a matrix with elements that are not finite, for which it may not end.
constexpr int kNotFinite = -4;

// Complex eigenvectors of a real matrix, whose parts stand in two columns.
template <class R>
void join_vectors(const R* wi, const R* columns, std::complex<R>* out, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    if (wi[j] == 0 || j + 1 == n) {
      for (int64_t i = 0; i < n; ++i) out[j * n + i] = columns[j * n + i];
      continue;
    }
    for (int64_t i = 0; i < n; ++i) {
      out[j * n + i] = {columns[j * n + i], columns[(j + 1) * n + i]};
      out[(j + 1) * n + i] = std::conj(out[j * n + i]);
    }
    ++j;
  }
}

void eigen(const Tensor& values, const Tensor* vectors, const Tensor& self, const char* op) {
  if (self.numel() == 0) return;
  lapack::open();
  const Tensor a = columns_of(self);
  const Shape shape(a);
  const int n = shape.rows;
  const Result w = Result::rows(values);
  const Result v = vectors ? Result::columns(*vectors) : w;
  std::vector<int> info = room_for(shape.count);
  by_type(self.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using R = lapack::Real<T>;
    const char job = vectors ? 'V' : 'N';
    T first{};
    R real{};
    lapack::geev<T>(job, n, a.data<T>(), n, nullptr, nullptr, nullptr, n, &first, -1, &real);
    const int room = asked(first);
    over_matrices(shape.count, 25 * shape.size() * n, [&](int64_t from, int64_t end) {
      std::vector<T> work(static_cast<size_t>(room)), re(static_cast<size_t>(n)), im(re);
      std::vector<T> found(static_cast<size_t>(vectors ? shape.size() : 1));
      std::vector<R> rwork(static_cast<size_t>(2 * n));
      for (int64_t i = from; i < end; ++i) {
        T* const matrix = a.data<T>() + i * shape.size();
        int& code = info[static_cast<size_t>(i)];
        code = finite(matrix, shape.size())
                   ? lapack::geev(job, n, matrix, n, re.data(), im.data(), found.data(), n,
                                  work.data(), room, rwork.data())
                   : kNotFinite;
        if (code != 0) continue;
        auto* const to = w.data<std::complex<R>>() + i * n;
        auto* const columns = vectors ? v.data<std::complex<R>>() + i * shape.size() : nullptr;
        if constexpr (lapack::is_complex<T>) {
          std::copy(re.begin(), re.end(), to);
          if (columns) std::copy(found.begin(), found.end(), columns);
        } else {
          for (int k = 0; k < n; ++k)
            to[k] = {re[static_cast<size_t>(k)], im[static_cast<size_t>(k)]};
          if (columns) join_vectors(im.data(), found.data(), columns, n);
        }
      }
    });
  });
  check_all(op, info, self);
  w.store();
  if (vectors) v.store();
}

}  // namespace

void linalg_eigh(const Tensor& values, const Tensor& vectors, const Tensor& A,
                 std::string_view uplo, bool compute_v) {
  if (A.numel() == 0) return;
  lapack::open();
  const Result w = Result::rows(values);
  const Tensor a = columns_of(A);
  const Shape shape(a);
  const int n = shape.rows;
  const char job = compute_v ? 'V' : 'N', triangle = uplo == "U" || uplo == "u" ? 'U' : 'L';
  std::vector<int> info = room_for(shape.count);
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using R = lapack::Real<T>;
    T first{};
    R real_first{};
    int int_first = 0;
    lapack::heevd<T>(job, triangle, n, a.data<T>(), n, w.data<R>(), &first, -1, &real_first, -1,
                     &int_first, -1);
    const int room = asked(first), real_room = asked(real_first), int_room = std::max(1, int_first);
    over_matrices(shape.count, 9 * shape.size() * n, [&](int64_t from, int64_t end) {
      std::vector<T> work(static_cast<size_t>(room));
      std::vector<R> rwork(static_cast<size_t>(real_room));
      std::vector<int> iwork(static_cast<size_t>(int_room));
      for (int64_t i = from; i < end; ++i) {
        T* const matrix = a.data<T>() + i * shape.size();
        info[static_cast<size_t>(i)] =
            finite(matrix, shape.size())
                ? lapack::heevd(job, triangle, n, matrix, n, w.data<R>() + i * n, work.data(), room,
                                rwork.data(), real_room, iwork.data(), int_room)
                : kNotFinite;
      }
    });
  });
  check_all("linalg.eigh", info, A);
  w.store();
  if (compute_v) copy(vectors, a);
}

void linalg_svd(const Tensor& U, const Tensor& S, const Tensor& Vh, const Tensor& A,
                bool full_matrices, bool compute_uv) {
  if (A.numel() == 0) {
    if (!compute_uv) return;
    if (U.numel() > 0) fill_diagonals(U);
    if (Vh.numel() > 0) fill_diagonals(Vh);
    return;
  }
  lapack::open();
  const Result s = Result::rows(S), u = Result::columns(U), vh = Result::columns(Vh);
  const Tensor a = columns_of(A);
  const Shape shape(a);
  const int64_t m = shape.rows, n = shape.columns, k = std::min(m, n);
  const char job = !compute_uv ? 'N' : full_matrices ? 'A' : 'S';
  const int64_t u_columns = full_matrices ? m : k, v_rows = full_matrices ? n : k;
  std::vector<int> info = room_for(shape.count);
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using R = lapack::Real<T>;
    const int rows = shape.rows, columns = shape.columns, v_step = lapack::size(v_rows);
    T first{};
    R real{};
    int integer = 0;
    lapack::gesdd<T>(job, rows, columns, a.data<T>(), rows, &real, nullptr, rows, nullptr, v_step,
                     &first, -1, &real, &integer);
    const int room = asked(first);
    const int64_t real_room =
        compute_uv ? std::max(5 * k * k + 5 * k, 2 * std::max(m, n) * k + 2 * k * k + k) : 7 * k;
    over_matrices(shape.count, 20 * shape.size() * k, [&](int64_t from, int64_t end) {
      std::vector<T> work(static_cast<size_t>(room));
      std::vector<R> rwork(static_cast<size_t>(lapack::is_complex<T> ? real_room : 1));
      std::vector<int> iwork(static_cast<size_t>(8 * k));
      for (int64_t i = from; i < end; ++i) {
        T* const matrix = a.data<T>() + i * shape.size();
        info[static_cast<size_t>(i)] =
            finite(matrix, shape.size())
                ? lapack::gesdd(job, rows, columns, matrix, rows, s.data<R>() + i * k,
                                compute_uv ? u.data<T>() + i * m * u_columns : nullptr, rows,
                                compute_uv ? vh.data<T>() + i * v_rows * n : nullptr, v_step,
                                work.data(), room, rwork.data(), iwork.data())
                : kNotFinite;
      }
    });
  });
  check_all("linalg.svd", info, A);
  s.store();
  if (!compute_uv) return;
  u.store();
  vh.store();
}

void linalg_eig(const Tensor& values, const Tensor& vectors, const Tensor& self) {
  eigen(values, &vectors, self, "linalg.eig");
}

void linalg_eigvals(const Tensor& values, const Tensor& self) {
  eigen(values, nullptr, self, "linalg.eigvals");
}

}  // namespace flambeau::inline v1::cpu
