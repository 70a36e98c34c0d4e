#include "kernels/cpu/norm/channel_kernels.h"
#include "kernels/cpu/norm/rows.h"
#include "kernels/math/leaves.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Elements that are summed in T before they join a double; they stay in the first cache between the
// sum and the squares.
constexpr int64_t kGroup = 4096;
constexpr int kChains = 4;  // vectors that are summed side by side

template <class T, class S>
struct Channel {
  using Vec = vector_t<T>;
  static constexpr int64_t kWidth = Vector<T>::kWidth;

  FLAMBEAU_LEAF Vec read(const S* p, int64_t m) { return widened<T>(p, m); }

  // Calls f(at, rows, n) for groups of a plane: whole rows, or parts of one.
  template <class F>
  FLAMBEAU_LEAF void for_groups(int64_t rows, int64_t stride, int64_t n, F f) {
    if (n >= kGroup) {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < n; i += kGroup)
          f(r * stride + i, int64_t{1}, n - i < kGroup ? n - i : kGroup);
      return;
    }
    const int64_t most = kGroup / n;
    for (int64_t r = 0; r < rows; r += most) f(r * stride, rows - r < most ? rows - r : most, n);
  }

  // Adds term(at, m) of each vector of a group to sums; only its first m lanes count.
  template <class F>
  FLAMBEAU_LEAF void for_vectors_of(int64_t at, int64_t rows, int64_t stride, int64_t n, F term) {
    for (int64_t r = 0; r < rows; ++r, at += stride) {
      int64_t i = 0;
      for (; i + kChains * kWidth <= n; i += kChains * kWidth)
#pragma GCC unroll 4
        for (int k = 0; k < kChains; ++k) term(k, at + i + k * kWidth, kWidth);
      for (; i < n; i += kWidth) term(0, at + i, n - i < kWidth ? n - i : kWidth);
    }
  }

  FLAMBEAU_LEAF double total(const Vec* sums) {
    const Vec all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return static_cast<double>(across<T>(all, [](Vec a, Vec b) { return a + b; }));
  }

  // In double, for elements whose squares do not stay within T.
  __attribute__((noinline)) static void wide_moments(const S* x, int64_t rows, int64_t stride,
                                                     int64_t n, double* mean, double* square) {
    const double count = static_cast<double>(rows * n);
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(math::cast<T>(x[r * stride + i]));
    *mean = sum / count;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) {
        const double d = static_cast<double>(math::cast<T>(x[r * stride + i])) - *mean;
        squares += d * d;
      }
    *square = squares;
  }

  static void plane_moments(const void* from, int64_t rows, int64_t stride, int64_t n, double* mean,
                            double* square) {
    const S* const x = static_cast<const S*>(from);
    double seen = 0, m = 0, squares = 0;
    for_groups(rows, stride, n, [&](int64_t at, int64_t height, int64_t width) {
      const double count = static_cast<double>(height * width);
      Vec sums[kChains] = {};
      for_vectors_of(at, height, stride, width,
                     [&](int k, int64_t i, int64_t lanes) { sums[k] += read(x + i, lanes); });
      const double own = total(sums) / count;
      const Vec center = broadcast(static_cast<T>(own));
      Vec squared[kChains] = {};
      for_vectors_of(at, height, stride, width, [&](int k, int64_t i, int64_t lanes) {
        const Vec d = only<T>(read(x + i, lanes) - center, lanes, Vec{});
        squared[k] += d * d;
      });
      join_moments(seen, &m, &squares, count, own, total(squared));
      seen += count;
    });
    if (!(squares < __builtin_inf())) [[unlikely]]
      return wide_moments(x, rows, stride, n, mean, square);
    *mean = m;
    *square = squares;
  }

  // out[i] = value(i, m) of each vector of a plane.
  template <class F>
  FLAMBEAU_LEAF void write_plane(S* out, int64_t rows, int64_t stride, int64_t n, F value) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; i += kWidth) {
        const int64_t m = n - i < kWidth ? n - i : kWidth;
        narrow<T>(out + r * stride + i, value(r * stride + i, m), m);
      }
  }

  static void plane_apply(void* to, const void* from, int64_t rows, int64_t stride, int64_t n,
                          T mean, T scale, T shift) {
    const S* const x = static_cast<const S*>(from);
    const Vec center = broadcast(mean), factor = broadcast(scale), plus = broadcast(shift);
    write_plane(static_cast<S*>(to), rows, stride, n,
                [=](int64_t i, int64_t m) { return (read(x + i, m) - center) * factor + plus; });
  }

  static void plane_dots(const void* grad, const void* from, int64_t rows, int64_t stride,
                         int64_t n, T mean, double* sum, double* dot) {
    const S *const g = static_cast<const S*>(grad), *const x = static_cast<const S*>(from);
    const Vec center = broadcast(mean);
    double sums = 0, dots = 0;
    for_groups(rows, stride, n, [&](int64_t at, int64_t height, int64_t width) {
      Vec a[kChains] = {}, b[kChains] = {};
      for_vectors_of(at, height, stride, width, [&](int k, int64_t i, int64_t lanes) {
        const Vec v = read(g + i, lanes);  // 0 in lanes that do not count
        a[k] += v;
        b[k] += v * only<T>(read(x + i, lanes) - center, lanes, Vec{});
      });
      sums += total(a);
      dots += total(b);
    });
    *sum = sums;
    *dot = dots;
  }

  static void plane_back(void* to, const void* grad, const void* from, int64_t rows, int64_t stride,
                         int64_t n, T mean, T scale, T shift, T slope) {
    const S *const g = static_cast<const S*>(grad), *const x = static_cast<const S*>(from);
    const Vec center = broadcast(mean), factor = broadcast(scale), minus = broadcast(shift),
              along = broadcast(slope);
    write_plane(static_cast<S*>(to), rows, stride, n, [=](int64_t i, int64_t m) {
      return read(g + i, m) * factor - minus - (read(x + i, m) - center) * along;
    });
  }

  // ---- columns

  // Calls f(j, m) for columns that are summed side by side, m from j on.
  template <class F>
  FLAMBEAU_LEAF void for_columns(int64_t n, F f) {
    for (int64_t j = 0; j < n; j += kChains * kWidth)
      f(j, n - j < kChains * kWidth ? n - j : kChains * kWidth);
  }
  // Calls f(k, j + k kWidth, m) for the vectors of some columns.
  template <class F>
  FLAMBEAU_LEAF void for_parts(int64_t m, F f) {
    if (m == kChains * kWidth) {
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) f(k, k * kWidth, kWidth);
      return;
    }
    for (int k = 0; k * kWidth < m; ++k)
      f(k, k * kWidth, m - k * kWidth < kWidth ? m - k * kWidth : kWidth);
  }

  static constexpr int64_t kRows = 64;  // that are summed in T before they join a double

  static void column_moments(const void* from, int64_t rows, int64_t stride, int64_t n,
                             double* mean, double* square) {
    const S* const x = static_cast<const S*>(from);
    for_columns(n, [&](int64_t j, int64_t m) {
      double *const own_mean = mean + j, *const own_square = square + j;
      for (int64_t c = 0; c < m; ++c) own_mean[c] = own_square[c] = 0;
      for (int64_t r = 0; r < rows; r += kRows) {
        const int64_t end = r + kRows < rows ? r + kRows : rows;
        const T count = static_cast<T>(end - r);
        Vec center[kChains] = {}, squared[kChains] = {};
        for (int64_t i = r; i < end; ++i)
          for_parts(m, [&](int k, int64_t at, int64_t lanes) {
            center[k] += read(x + i * stride + j + at, lanes);
          });
        for (int k = 0; k < kChains; ++k) center[k] /= broadcast(count);
        for (int64_t i = r; i < end; ++i)
          for_parts(m, [&](int k, int64_t at, int64_t lanes) {
            const Vec d = read(x + i * stride + j + at, lanes) - center[k];
            squared[k] += d * d;
          });
        alignas(kVectorBytes) T means[kChains * kWidth], squares[kChains * kWidth];
        for (int k = 0; k < kChains; ++k) {
          store<T>(means + k * kWidth, center[k]);
          store<T>(squares + k * kWidth, squared[k]);
        }
        for (int64_t c = 0; c < m; ++c)
          join_moments(static_cast<double>(r), own_mean + c, own_square + c,
                       static_cast<double>(end - r), static_cast<double>(means[c]),
                       static_cast<double>(squares[c]));
      }
      for (int64_t c = 0; c < m; ++c)
        if (!(own_square[c] < __builtin_inf())) [[unlikely]]
          wide_moments(x + j + c, rows, stride, 1, own_mean + c, own_square + c);
    });
  }

  static void column_apply(void* to, const void* from, int64_t rows, int64_t stride, int64_t n,
                           const T* mean, const T* scale, const T* shift) {
    const S* const x = static_cast<const S*>(from);
    S* const out = static_cast<S*>(to);
    for (int64_t r = 0; r < rows; ++r)
      for_vectors<T>(n, [=](int64_t j, int64_t m) {
        const Vec v =
            (read(x + r * stride + j, m) - widened<T>(mean + j, m)) * widened<T>(scale + j, m) +
            widened<T>(shift + j, m);
        narrow<T>(out + r * stride + j, v, m);
      });
  }

  static void column_dots(const void* grad, const void* from, int64_t rows, int64_t stride,
                          int64_t n, const T* mean, double* sum, double* dot) {
    const S *const g = static_cast<const S*>(grad), *const x = static_cast<const S*>(from);
    for_columns(n, [&](int64_t j, int64_t m) {
      for (int64_t c = 0; c < m; ++c) sum[j + c] = dot[j + c] = 0;
      Vec center[kChains] = {};
      for_parts(m, [&](int k, int64_t at, int64_t lanes) {
        center[k] = widened<T>(mean + j + at, lanes);
      });
      for (int64_t r = 0; r < rows; r += kRows) {
        const int64_t end = r + kRows < rows ? r + kRows : rows;
        Vec a[kChains] = {}, b[kChains] = {};
        for (int64_t i = r; i < end; ++i)
          for_parts(m, [&](int k, int64_t at, int64_t lanes) {
            const Vec v = read(g + i * stride + j + at, lanes);
            a[k] += v;
            b[k] += v * (read(x + i * stride + j + at, lanes) - center[k]);
          });
        alignas(kVectorBytes) T sums[kChains * kWidth], dots[kChains * kWidth];
        for (int k = 0; k < kChains; ++k) {
          store<T>(sums + k * kWidth, a[k]);
          store<T>(dots + k * kWidth, b[k]);
        }
        for (int64_t c = 0; c < m; ++c) {
          sum[j + c] += static_cast<double>(sums[c]);
          dot[j + c] += static_cast<double>(dots[c]);
        }
      }
    });
  }

  static void column_back(void* to, const void* grad, const void* from, int64_t rows,
                          int64_t stride, int64_t n, const T* mean, const T* scale, const T* shift,
                          const T* slope) {
    const S *const g = static_cast<const S*>(grad), *const x = static_cast<const S*>(from);
    S* const out = static_cast<S*>(to);
    for (int64_t r = 0; r < rows; ++r)
      for_vectors<T>(n, [=](int64_t j, int64_t m) {
        const Vec v =
            read(g + r * stride + j, m) * widened<T>(scale + j, m) - widened<T>(shift + j, m) -
            (read(x + r * stride + j, m) - widened<T>(mean + j, m)) * widened<T>(slope + j, m);
        narrow<T>(out + r * stride + j, v, m);
      });
  }

  static constexpr ChannelKernels<T> kernels() {
    return {plane_moments,  plane_apply,  plane_dots,  plane_back,
            column_moments, column_apply, column_dots, column_back};
  }
};

}  // namespace

extern const AllChannelKernels channel_kernels;
const AllChannelKernels channel_kernels = {
    Channel<float, float>::kernels(), Channel<double, double>::kernels(),
    Channel<float, math::float16>::kernels(), Channel<float, math::bfloat16>::kernels()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
