#include <string_view>

#include "flambeau/kernels/linalg.h"
#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// Householder reflections below R, in place.
template <class T>
void reflect(const Tensor& a, T* tau) {
  const Shape shape(a);
  if (shape.size() == 0) return;
  const int k = std::min(shape.rows, shape.columns);
  T first{};
  lapack::factor_qr<T>(shape.rows, shape.columns, a.data<T>(), shape.step(), tau, &first, -1);
  const int room = asked(first);
  over_matrices(shape.count, 2 * shape.size() * k, [&](int64_t from, int64_t end) {
    std::vector<T> work(static_cast<size_t>(room));
    for (int64_t i = from; i < end; ++i)
      lapack::factor_qr(shape.rows, shape.columns, a.data<T>() + i * shape.size(), shape.step(),
                        tau + i * k, work.data(), room);
  });
}

// The first columns of Q, in place of the reflections that stand in as many columns.
template <class T>
void make_q(const Tensor& q, const T* tau, int reflections) {
  const Shape shape(q);
  if (shape.size() == 0) return;
  T first{};
  lapack::make_q<T>(shape.rows, shape.columns, reflections, q.data<T>(), shape.step(), tau, &first,
                    -1);
  const int room = asked(first);
  over_matrices(shape.count, 2 * shape.size() * reflections, [&](int64_t from, int64_t end) {
    std::vector<T> work(static_cast<size_t>(room));
    for (int64_t i = from; i < end; ++i)
      lapack::make_q(shape.rows, shape.columns, reflections, q.data<T>() + i * shape.size(),
                     shape.step(), tau + i * reflections, work.data(), room);
  });
}

}  // namespace

void linalg_qr(const Tensor& Q, const Tensor& R, const Tensor& A, std::string_view mode) {
  lapack::open();
  const Tensor a = columns_of(A);
  const Shape shape(a);
  const int64_t m = shape.rows, n = shape.columns, k = std::min(m, n);
  const bool wants_q = mode != "r";
  const Result q = Result::columns(Q), r = Result::columns(R);
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> tau(static_cast<size_t>(shape.count * k));
    reflect<T>(a, tau.data());
    const int64_t rows = R.sizes()[R.sizes().size() - 2];
    for (int64_t i = 0; R.numel() > 0 && i < shape.count; ++i)
      for (int64_t c = 0; c < n; ++c) {
        const T* const from = a.data<T>() + i * m * n + c * m;
        T* const to = r.data<T>() + i * rows * n + c * rows;
        const int64_t filled = std::min(c + 1, rows);
        std::copy(from, from + filled, to);
        std::fill(to + filled, to + rows, T(0));
      }
    r.store();
    if (!wants_q) return;
    const int64_t columns = Q.sizes().back();
    for (int64_t i = 0; Q.numel() > 0 && i < shape.count; ++i) {
      T* const to = q.data<T>() + i * m * columns;
      if (k > 0) std::copy_n(a.data<T>() + i * m * n, m * std::min(n, columns), to);
      if (columns > n) std::fill(to + m * n, to + m * columns, T(0));
    }
    make_q<T>(q.tensor(), tau.data(), static_cast<int>(k));
    q.store();
  });
}

void geqrf(const Tensor& a, const Tensor& tau, const Tensor& self) {
  lapack::open();
  const Result r = Result::columns(a), t = Result::rows(tau);
  copy(r.tensor(), self);
  by_type(self.dtype(), [&](auto zero) {
    using T = decltype(zero);
    reflect<T>(r.tensor(), t.data<T>());
  });
  r.store();
  t.store();
}

void householder_product(const Tensor& out, const Tensor& input, const Tensor& tau) {
  lapack::open();
  const Result q = Result::columns(out);
  copy(q.tensor(), input);
  const Tensor t = read_rows(tau);
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    make_q<T>(q.tensor(), t.data<T>(), lapack::size(tau.sizes().back()));
  });
  q.store();
}

void ormqr(const Tensor& out, const Tensor& self, const Tensor& tau, const Tensor& other, bool left,
           bool transpose) {
  if (out.numel() == 0) return;
  lapack::open();
  const Result c = Result::columns(out);
  copy(c.tensor(), other);
  const Tensor a = read_columns(self), t = read_rows(tau);
  const Shape shape(c.tensor()), reflectors(a);
  const int k = lapack::size(tau.sizes().back());
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const char side = left ? 'L' : 'R', trans = !transpose              ? 'N'
                                                : lapack::is_complex<T> ? 'C'
                                                                        : 'T';
    T first{};
    lapack::times_q<T>(side, trans, shape.rows, shape.columns, k, a.data<T>(), reflectors.step(),
                       t.data<T>(), c.data<T>(), shape.step(), &first, -1);
    const int room = asked(first);
    over_matrices(shape.count, 4 * shape.size() * k, [&](int64_t from, int64_t end) {
      std::vector<T> work(static_cast<size_t>(room));
      for (int64_t i = from; i < end; ++i)
        lapack::times_q(side, trans, shape.rows, shape.columns, k,
                        a.data<T>() + i * reflectors.size(), reflectors.step(), t.data<T>() + i * k,
                        c.data<T>() + i * shape.size(), shape.step(), work.data(), room);
    });
  });
  c.store();
}

}  // namespace flambeau::inline v1::cpu
