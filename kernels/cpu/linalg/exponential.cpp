// exp(A) by Pade approximants of A / 2^s, squared s times (Higham, 2005), in double.
#include <cmath>
#include <limits>

#include "flambeau/kernels/linalg.h"
#include "kernels/cpu/linalg/batch.h"
#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/matmul/gemm/gemm.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// What norm an approximant of some degree is exact for, and its coefficients.
struct Approximant {
  double most;
  int degree;
  double b[14];
};
constexpr Approximant kApproximants[] = {
    {1.495585217958292e-2, 3, {120, 60, 12, 1}},
    {2.539398330063230e-1, 5, {30240, 15120, 3360, 420, 30, 1}},
    {9.504178996162932e-1, 7, {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1}},
    {2.097847961257068,
     9,
     {17643225600, 8821612800, 2075673600, 302702400, 30270240, 2162160, 110880, 3960, 90, 1}},
    {5.371920351148152,
     13,
     {64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000,
      10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1}},
};

// One matrix of n rows, or columns: the exponential of a transpose is the transpose of it.
template <class T>
struct Exponential {
  int64_t n;
  int64_t size = n * n;
  std::vector<T> power2{}, power4{}, power6{}, even{}, odd{}, room{};
  std::vector<int> pivots{};

  void multiply(const T* a, const T* b, T* c) const {
    const GemmType type = lapack::is_complex<T> ? GemmType::c128 : GemmType::f64;
    gemm(type, n, n, n, 1, {a, n, 1}, {b, n, 1}, 0, {c, n, 1});
  }
  double norm(const T* a) const {
    double most = 0;
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += std::abs(a[i * n + j]);
      if (!(sum <= most)) most = sum;  // NaN stays
      if (std::isnan(sum)) return sum;
    }
    return most;
  }
  void add(std::vector<T>& to, double factor, const std::vector<T>& from) const {
    for (size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
  }
  void add_diagonal(std::vector<T>& to, double value) const {
    for (int64_t i = 0; i < n; ++i) to[static_cast<size_t>(i * n + i)] += value;
  }

  // `a` becomes its exponential.
  void operator()(T* a) {
    const double whole = norm(a);
    if (!std::isfinite(whole)) {
      std::fill(a, a + size, T(std::numeric_limits<double>::quiet_NaN()));
      return;
    }
    for (auto* v : {&power2, &even, &odd, &room}) v->assign(static_cast<size_t>(size), T(0));
    pivots.resize(static_cast<size_t>(n));
    const Approximant* chosen = std::begin(kApproximants);
    while (chosen + 1 != std::end(kApproximants) && whole > chosen->most) ++chosen;
    const int squarings =
        whole > chosen->most ? std::max(0, std::ilogb(whole / chosen->most) + 1) : 0;
    for (int64_t i = 0; i < size; ++i) a[i] *= std::ldexp(1.0, -squarings);
    const double* const b = chosen->b;
    multiply(a, a, power2.data());
    if (chosen->degree == 13)
      long_sums(b);
    else
      short_sums(b, chosen->degree);
    // odd = A (b1 + b3 A^2 + ...), even = b0 + b2 A^2 + ...
    multiply(a, odd.data(), room.data());
    for (size_t i = 0; i < even.size(); ++i) {
      a[i] = even[i] + room[i];
      even[i] -= room[i];
    }
    const int side = static_cast<int>(n);
    lapack::getrf(side, side, even.data(), side, pivots.data());
    lapack::getrs('N', side, side, even.data(), side, pivots.data(), a, side);
    for (int k = 0; k < squarings; ++k) {
      multiply(a, a, room.data());
      std::copy(room.begin(), room.end(), a);
    }
  }

  void short_sums(const double* b, int degree) {
    std::vector<T>* power = &power2;
    add_diagonal(even, b[0]);
    add_diagonal(odd, b[1]);
    for (int k = 2; k < degree; k += 2) {
      if (k > 2) {
        room.resize(static_cast<size_t>(size));
        multiply(power->data(), power2.data(), room.data());
        power4.swap(room);
        power = &power4;
      }
      add(even, b[k], *power);
      add(odd, b[k + 1], *power);
    }
    room.resize(static_cast<size_t>(size));
  }

  void long_sums(const double* b) {
    for (auto* v : {&power4, &power6}) v->assign(static_cast<size_t>(size), T(0));
    multiply(power2.data(), power2.data(), power4.data());
    multiply(power4.data(), power2.data(), power6.data());
    const auto sum = [&](std::vector<T>& to, int from) {
      std::vector<T> high(static_cast<size_t>(size), T(0));
      add(high, b[from + 12], power6);
      add(high, b[from + 10], power4);
      add(high, b[from + 8], power2);
      multiply(power6.data(), high.data(), to.data());
      add(to, b[from + 6], power6);
      add(to, b[from + 4], power4);
      add(to, b[from + 2], power2);
      add_diagonal(to, b[from]);
    };
    sum(even, 0);
    sum(odd, 1);
  }
};

}  // namespace

void matrix_exp(const Tensor& out, const Tensor& self) {
  if (out.numel() == 0) return;
  lapack::open();
  const DType wide = self.is_complex() ? DType::complex128 : DType::float64;
  const Tensor work = empty(self.sizes(), {wide, self.device(), self.layout()});
  copy(work, self);
  const Shape shape(work);
  by_type(wide, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (sizeof(lapack::Real<T>) == sizeof(double)) {
      const auto run = [&](int64_t first, int64_t end) {
        Exponential<T> exponential{shape.rows};
        for (int64_t i = first; i < end; ++i) exponential(work.data<T>() + i * shape.size());
      };
      // Of one matrix the products are split over the pool.
      if (shape.count == 1)
        run(0, 1);
      else
        over_matrices(shape.count, 10 * shape.size() * shape.rows, run);
    }
  });
  copy(out, work);
}

}  // namespace flambeau::inline v1::cpu
