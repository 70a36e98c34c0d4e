// Sums over the elements that are there. Each is taken in one order by one thread.

#include <complex>

#include "core/parallel/parallel.h"
#include "kernels/cpu/sparse/sparse.h"

namespace flambeau::inline v1::cpu {
namespace {

// Elements that a task may as well do at once.
constexpr int64_t kWork = 32 * 1024;

template <class F>
void by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::complex64:
      return f(std::complex<float>{});
    case DType::complex128:
      return f(std::complex<double>{});
    default:
      return f(uint64_t{});  // integers, modulo 2^64
  }
}

// Without the cases of infinite parts, as compilers multiply in loops.
template <class T>
T times(T a, T b) {
  return a * b;
}
template <class T>
std::complex<T> times(std::complex<T> a, std::complex<T> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

int64_t rows_of_task(int64_t work, int64_t rows) {
  return std::max<int64_t>(1, kWork * rows / std::max<int64_t>(1, work));
}

}  // namespace

void sum_segments(const Tensor& out, const Tensor& values, const Tensor& order,
                  const Tensor& first) {
  const int64_t segments = out.sizes()[0];
  if (out.numel() == 0) return;
  const int64_t width = out.numel() / segments;
  const int64_t* const from = order.data<int64_t>();
  const int64_t* const begin_of = first.data<int64_t>();
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const to = out.data<T>();
    const T* const v = values.data<T>();
    const int64_t grain = rows_of_task(order.numel() * width, segments);
    parallel_for(segments, grain, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        T* const row = to + s * width;
        const T* const leading = v + from[begin_of[s]] * width;
        std::copy(leading, leading + width, row);
        for (int64_t k = begin_of[s] + 1; k < begin_of[s + 1]; ++k) {
          const T* const next = v + from[k] * width;
          for (int64_t j = 0; j < width; ++j) row[j] += next[j];
        }
      }
    });
  });
}

void add_sparse_product(const Tensor& out, const Tensor& first, const Tensor& col,
                        const Tensor& values, const Tensor& dense) {
  if (out.numel() == 0) return;
  const int64_t rows = out.sizes()[0], width = out.sizes()[1];
  const int64_t* const begin_of = first.data<int64_t>();
  const int64_t* const at = col.data<int64_t>();
  by_type(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const to = out.data<T>();
    const T* const v = values.data<T>();
    const T* const d = dense.data<T>();
    const int64_t grain = rows_of_task(col.numel() * width, rows);
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* const row = to + r * width;
        for (int64_t k = begin_of[r]; k < begin_of[r + 1]; ++k) {
          const T factor = v[k];
          const T* const other = d + at[k] * width;
          for (int64_t j = 0; j < width; ++j) row[j] += times(factor, other[j]);
        }
      }
    });
  });
}

}  // namespace flambeau::inline v1::cpu
