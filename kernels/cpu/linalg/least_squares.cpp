#include <string_view>

#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

// B, of the larger side's rows, becomes the solution and below it what the residuals are made of.
void lstsq(const Tensor& B, const Tensor& rank, const Tensor& singular, const Tensor& A,
           const Tensor& given, double rcond, std::string_view driver) {
  const Tensor a = columns_of(A);
  const Shape shape(a), sides(B);
  const int m = shape.rows, n = shape.columns, k = std::min(m, n), columns = sides.columns;
  const int step = std::max(1, std::max(m, n));
  fill(B, Scalar(int64_t{0}));
  Dims top(B.sizes());
  top[top.size() - 2] = m;
  copy(Tensor::alias(B, top, B.strides(), B.offset()), given);
  if (rank.numel() > 0) fill(rank, Scalar(int64_t{0}));
  if (shape.size() == 0 || B.numel() == 0) return;
  lapack::open();
  std::vector<int> info(static_cast<size_t>(shape.count));
  by_type(A.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using R = lapack::Real<T>;
    const R least = static_cast<R>(rcond);
    int ranked = 0;
    const auto solve = [&](T* matrix, T* b, R* s, int* found, T* work, int room, R* rwork,
                           int* integers) {
      if (driver == "gels") return lapack::gels(m, n, columns, matrix, m, b, step, work, room);
      if (driver == "gelsy")
        return lapack::gelsy(m, n, columns, matrix, m, b, step, integers, least, found, work, room,
                             rwork);
      if (driver == "gelsd")
        return lapack::gelsd(m, n, columns, matrix, m, b, step, s, least, found, work, room, rwork,
                             integers);
      return lapack::gelss(m, n, columns, matrix, m, b, step, s, least, found, work, room, rwork);
    };
    T first{};
    R real_first{};
    std::vector<int> int_first(static_cast<size_t>(std::max(n, 1)));
    solve(a.data<T>(), B.data<T>(), &real_first, &ranked, &first, -1, &real_first,
          int_first.data());
    const int room = asked(first);
    // What gelsd asks for, with the most levels that it may have.
    const int64_t levels = 32, base = 26;
    const int64_t real_room =
        driver == "gelsd"
            ? 10 * k + 2 * k * base + 8 * k * levels + 3 * base * columns +
                  std::max<int64_t>((base + 1) * (base + 1), k * (1 + columns) + 2 * columns)
            : std::max(5 * k, 2 * n);
    const int64_t int_room = std::max<int64_t>(n, 3 * k * levels + 11 * k);
    over_matrices(shape.count, 4 * shape.size() * k, [&](int64_t from, int64_t end) {
      std::vector<T> work(static_cast<size_t>(room));
      std::vector<R> rwork(static_cast<size_t>(real_room)), s(static_cast<size_t>(k));
      std::vector<int> iwork(static_cast<size_t>(int_room));
      for (int64_t i = from; i < end; ++i) {
        int found = 0;
        std::fill(iwork.begin(), iwork.end(), 0);
        info[static_cast<size_t>(i)] =
            solve(a.data<T>() + i * shape.size(), B.data<T>() + i * sides.size(), s.data(), &found,
                  work.data(), room, rwork.data(), iwork.data());
        if (rank.numel() > 0) rank.data<int64_t>()[i] = found;
        if (singular.numel() > 0) std::copy(s.begin(), s.end(), singular.data<R>() + i * k);
      }
    });
  });
  check_info("linalg.lstsq", info.data(), shape.count, A.dim() == 2);
}

}  // namespace flambeau::inline v1::cpu
