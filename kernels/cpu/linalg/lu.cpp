#include <cmath>
#include <limits>

#include "flambeau/kernels/linalg.h"
#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

void factor(const Tensor& lu, int* pivots, int* info) {
  const Shape shape(lu);
  std::fill(info, info + shape.count, 0);
  const int k = std::min(shape.rows, shape.columns);
  if (lu.numel() == 0) return;
  by_type(lu.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const data = lu.data<T>();
    over_matrices(shape.count, shape.size() * k, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i)
        info[i] = lapack::getrf(shape.rows, shape.columns, data + i * shape.size(), shape.step(),
                                pivots + i * k);
    });
  });
}

namespace {

void open_for(const Tensor& t) {
  if (t.numel() > 0) lapack::open();
}

// LU of A and what belongs to it, in the order of memory that LAPACK wants.
struct Factors {
  Result lu, pivots;
  std::vector<int> info;

  Factors(const Tensor& LU, const Tensor& p, const Tensor& A)
      : lu(Result::columns(LU)), pivots(Result::rows(p)), info(size_t(Shape(LU).count)) {
    open_for(A);
    copy(lu.tensor(), A);
    factor(lu.tensor(), pivots.data<int>(), info.data());
  }
  void check(const char* op) const {
    check_info(op, info.data(), static_cast<int64_t>(info.size()), lu.tensor().dim() == 2);
  }
  void store() const {
    lu.store();
    pivots.store();
  }
  void store_info(const Tensor& out) const {
    const Result codes = Result::rows(out);
    std::copy(info.begin(), info.end(), codes.data<int>());
    codes.store();
  }
};

// Rows of L U in the order of A's: row i is row order[i] of A.
void order_of(const int* pivots, int64_t k, int64_t rows, std::vector<int64_t>& order) {
  order.resize(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) order[static_cast<size_t>(i)] = i;
  for (int64_t i = 0; i < k; ++i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(pivots[i] - 1)]);
}

void check_pivots(const char* op, const Tensor& pivots, int64_t rows) {
  const int* const p = pivots.data<int>();
  for (int64_t i = 0; i < pivots.numel(); ++i)
    check(p[i] >= 1 && p[i] <= rows, op, ": pivots must be between 1 and ", rows,
          ", as lu_factor gives them, and one is ", p[i]);
}

template <class T>
void conjugate(T* x, int64_t n) {
  if constexpr (lapack::is_complex<T>)
    for (int64_t i = 0; i < n; ++i) x[i] = std::conj(x[i]);
}

// X of A X = B in place of B: by columns, or by rows where A stands on the right.
void solve_with(const Tensor& x, const Tensor& lu, const Tensor& pivots, bool left, bool adjoint) {
  if (x.numel() == 0) return;
  const Shape shape(x);
  const int n = left ? shape.rows : shape.columns, sides = left ? shape.columns : shape.rows;
  const std::vector<int64_t> places = places_in(batch_of(x), batch_of(lu));
  by_type(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    over_matrices(shape.count, 2 * shape.size() * n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        T* const b = x.data<T>() + i * shape.size();
        const int64_t a = places[static_cast<size_t>(i)];
        // X A^H = B: the conjugates of the rows of X solve A x = conj(b).
        if (!left && adjoint) conjugate(b, shape.size());
        lapack::getrs(left ? (adjoint ? 'C' : 'N') : (adjoint ? 'N' : 'T'), n, sides,
                      lu.data<T>() + a * n * n, n, pivots.data<int>() + a * n, b, n);
        if (!left && adjoint) conjugate(b, shape.size());
      }
    });
  });
}

// The determinant's sign, which the order of rows gives, and the diagonal of U.
template <class T, class F>
void over_diagonals(const Tensor& lu, const int* pivots, F&& f) {
  const Shape shape(lu);
  const int64_t n = shape.rows;
  for (int64_t i = 0; i < shape.count; ++i) {
    bool odd = false;
    for (int64_t j = 0; j < n; ++j) odd ^= pivots[i * n + j] != j + 1;
    f(i, T(odd ? -1 : 1), lu.numel() ? lu.data<T>() + i * shape.size() : nullptr, n);
  }
}

}  // namespace

void linalg_lu_factor_ex(const Tensor& LU, const Tensor& pivots, const Tensor& info,
                         const Tensor& A, bool check_errors) {
  const Factors factors(LU, pivots, A);
  if (check_errors) factors.check("linalg.lu_factor_ex");
  factors.store();
  factors.store_info(info);
}

void lu_unpack(const Tensor& P, const Tensor& L, const Tensor& U, const Tensor& LU,
               const Tensor& pivots, bool unpack_data, bool unpack_pivots) {
  const Shape shape(LU);
  const int64_t m = shape.rows, n = shape.columns, k = std::min(m, n);
  const Tensor given = read_rows(pivots);
  if (unpack_pivots) check_pivots("lu_unpack", given, m);
  const Tensor lu = read_columns(LU);
  by_type(LU.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Result p = Result::rows(P), l = Result::rows(L), u = Result::rows(U);
    std::vector<int64_t> order;
    for (int64_t i = 0; i < shape.count; ++i) {
      if (unpack_pivots) {
        T* const to = p.data<T>() + i * m * m;
        order_of(given.data<int>() + i * k, k, m, order);
        std::fill(to, to + m * m, T(0));
        for (int64_t r = 0; r < m; ++r) to[order[static_cast<size_t>(r)] * m + r] = T(1);
      }
      if (!unpack_data || shape.size() == 0) continue;
      const T* const a = lu.data<T>() + i * shape.size();
      T* const below = l.data<T>() + i * m * k;
      T* const above = u.data<T>() + i * k * n;
      for (int64_t r = 0; r < m; ++r)
        for (int64_t c = 0; c < k; ++c) below[r * k + c] = r > c ? a[c * m + r] : T(r == c ? 1 : 0);
      for (int64_t r = 0; r < k; ++r)
        for (int64_t c = 0; c < n; ++c) above[r * n + c] = r <= c ? a[c * m + r] : T(0);
    }
    p.store();
    l.store();
    u.store();
  });
}

void linalg_lu(const Tensor& P, const Tensor& L, const Tensor& U, const Tensor& A) {
  open_for(A);
  const Tensor lu = columns_of(A);
  const Shape shape(A);
  const int64_t k = std::min(shape.rows, shape.columns);
  Dims sizes(batch_of(A));
  sizes.push_back(k);
  const Tensor pivots = empty(sizes, {DType::int32});
  std::vector<int> info(static_cast<size_t>(shape.count));
  factor(lu, pivots.data<int>(), info.data());
  lu_unpack(P, L, U, lu, pivots, true, true);
}

void linalg_lu_solve(const Tensor& out, const Tensor& LU, const Tensor& pivots, const Tensor& B,
                     bool left, bool adjoint) {
  open_for(out);
  const Tensor lu = read_columns(LU), given = read_rows(pivots);
  check_pivots("linalg.lu_solve", given, lu.sizes().back());
  const Result x = left ? Result::columns(out) : Result::rows(out);
  copy(x.tensor(), B);
  solve_with(x.tensor(), lu, given, left, adjoint);
  x.store();
}

void linalg_solve_ex(const Tensor& result, const Tensor& LU, const Tensor& pivots,
                     const Tensor& info, const Tensor& A, const Tensor& B, bool left,
                     bool check_errors) {
  const Factors factors(LU, pivots, A);
  if (check_errors) factors.check("linalg.solve_ex");
  // Vectors are matrices of one column.
  const bool are_vectors = result.dim() < A.dim() || result.dim() < 2;
  const auto matrices = [&](const Tensor& t) {
    if (!are_vectors) return t;
    Dims sizes(t.sizes()), strides(t.strides());
    sizes.push_back(1);
    strides.push_back(1);
    return Tensor::alias(t, sizes, strides, t.offset());
  };
  const Tensor out = matrices(result);
  open_for(out);
  const Result x = left ? Result::columns(out) : Result::rows(out);
  copy(x.tensor(), matrices(B));
  solve_with(x.tensor(), factors.lu.tensor(), factors.pivots.tensor(), left, false);
  x.store();
  factors.store();
  factors.store_info(info);
}

void linalg_inv_ex(const Tensor& inverse, const Tensor& info, const Tensor& A, bool check_errors) {
  open_for(A);
  const Result x = Result::columns(inverse), codes = Result::rows(info);
  copy(x.tensor(), A);
  const Shape shape(x.tensor());
  const int n = shape.rows;
  std::vector<int> pivots(static_cast<size_t>(shape.count) * static_cast<size_t>(n));
  int* const code = codes.data<int>();
  factor(x.tensor(), pivots.data(), code);
  if (A.numel() > 0) {
    by_type(A.dtype(), [&](auto zero) {
      using T = decltype(zero);
      T first{};
      lapack::getri(n, x.data<T>(), n, pivots.data(), &first, -1);
      const int room = asked(first);
      over_matrices(shape.count, 2 * shape.size() * n, [&](int64_t from, int64_t end) {
        std::vector<T> work(static_cast<size_t>(room));
        for (int64_t i = from; i < end; ++i) {
          T* const a = x.data<T>() + i * shape.size();
          if (code[i] == 0)
            code[i] = lapack::getri(n, a, n, pivots.data() + i * n, work.data(), room);
          if (code[i] != 0) std::fill(a, a + shape.size(), T(std::nan("")));
        }
      });
    });
  }
  if (check_errors) check_info("linalg.inv_ex", code, shape.count, A.dim() == 2);
  x.store();
  codes.store();
}

void linalg_det(const Tensor& result, const Tensor& LU, const Tensor& pivots, const Tensor& A) {
  const Factors factors(LU, pivots, A);
  const Result out = Result::rows(result);
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    over_diagonals<T>(factors.lu.tensor(), factors.pivots.template data<int>(),
                      [&](int64_t i, T sign, const T* a, int64_t n) {
                        T product = sign;
                        for (int64_t j = 0; j < n; ++j) product *= a[j * n + j];
                        out.data<T>()[i] = product;
                      });
  });
  out.store();
  factors.store();
}

void linalg_slogdet(const Tensor& sign, const Tensor& logabsdet, const Tensor& LU,
                    const Tensor& pivots, const Tensor& A) {
  const Factors factors(LU, pivots, A);
  const Result signs = Result::rows(sign), logs = Result::rows(logabsdet);
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using R = lapack::Real<T>;
    over_diagonals<T>(factors.lu.tensor(), factors.pivots.template data<int>(),
                      [&](int64_t i, T product, const T* a, int64_t n) {
                        R sum = 0;
                        for (int64_t j = 0; j < n; ++j) {
                          const T d = a[j * n + j];
                          const R size = std::abs(d);
                          product *= size == 0 ? T(0) : d / size;
                          sum += std::log(size);
                        }
                        signs.data<T>()[i] = product;
                        logs.data<R>()[i] = sum;
                      });
  });
  signs.store();
  logs.store();
  factors.store();
}

}  // namespace flambeau::inline v1::cpu
