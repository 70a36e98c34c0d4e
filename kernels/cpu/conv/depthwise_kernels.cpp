// Depthwise convolution; compiled once per instruction set. See Note [Depthwise].
#include <type_traits>

#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t clamped(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// Vectors of sums that are taken at a time.
constexpr int kSums = 8;

// Storage S, sums of T.
template <class T, class S>
struct Depthwise {
  static constexpr int64_t L = kLanes<T>;

  static inline T value(const S& x) {
    if constexpr (std::is_same_v<S, T>)
      return x;
    else if constexpr (std::is_same_v<S, BFloat16>)
      return __builtin_bit_cast(float, uint32_t{x.bits} << 16);
    else
      return load_as<T>(&x, 1)[0];
  }

  static void widen(void* to, const void* from, int64_t stride, int64_t n) {
    T* __restrict t = static_cast<T*>(to);
    const S* __restrict f = static_cast<const S*>(from);
    if (stride == 2)
      for (int64_t i = 0; i < n; ++i) t[i] = value(f[2 * i]);
    else
      for (int64_t i = 0; i < n; ++i) t[i] = value(f[i * stride]);
  }

  // Calls f(to, from) for each row; from is nullptr outside the image.
  template <class F>
  static inline void for_rows(const DepthwiseBlock& b, F f) {
    const PatchSource& src = *b.source;
    const int64_t first = b.row * src.step_h + src.off_h[0];
    const int64_t count = (b.rows - 1) * src.step_h + src.off_h[src.taps_h - 1] - src.off_h[0] + 1;
    T* to = static_cast<T*>(b.scratch);
    for (int64_t i = first; i < first + count; ++i, to += b.pitch)
      f(to, i < 0 || i >= src.in_h ? nullptr : static_cast<const S*>(b.src) + i * src.h_stride);
  }

  // A few elements as a rule: no call is made for them.
  static inline void zero(T* to, int64_t n) {
    int64_t i = 0;
    for (; i + L <= n; i += L) store(to + i, Vec<T>{});
    if (i < n) store_as(to + i, Vec<T>{}, n - i);
  }

  static inline void copy(T* to, const S* from, int64_t n) {
    int64_t i = 0;
    for (; i + L <= n; i += L) store(to + i, load_as<T>(from + i, L));
    if (i < n) store_as(to + i, load_as<T>(from + i, n - i), n - i);
  }

  static void load_planes(const DepthwiseBlock& b) {
    const PatchSource& src = *b.source;
    const int64_t step = src.step_w, columns = b.column;
    for (int64_t phase = 0; phase * columns < b.pitch; ++phase) {
      // Element t is column t * step + start.
      const int64_t start = src.off_w[0] + phase;
      const int64_t low = clamped((step - 1 - start) / step, 0, columns);
      const int64_t high = clamped((src.in_w - start + step - 1) / step, low, columns);
      for_rows(b, [&](T* to, const S* from) {
        to += phase * columns;
        if (!from) return zero(to, columns);
        zero(to, low);
        if (step == 1)
          copy(to + low, from + low + start, high - low);
        else
          widen(to + low, from + low * step + start, step, high - low);
        zero(to + high, columns - high);
      });
    }
  }

  static void load_channels(const DepthwiseBlock& b) {
    const PatchSource& src = *b.source;
    const int64_t columns = b.pitch / L, start = src.off_w[0];
    const int64_t low = clamped(-start, 0, columns);
    const int64_t high = clamped(src.in_w - start, low, columns);
    for_rows(b, [&](T* to, const S* from) {
      if (!from) return zero(to, b.pitch);
      zero(to, low * L);
      const S* p = from + (low + start) * src.w_stride;
      for (int64_t i = low; i < high; ++i, p += src.w_stride)
        store(to + i * L, load_as<T>(p, b.channels));
      zero(to + high * L, (columns - high) * L);
    });
  }

  // Sums of `taps` products; filter(t) is what all pixels are multiplied with.
  template <class F>
  static inline void sums(Vec<T> (&acc)[kSums], const T* const (&at)[kSums], const int64_t* taps,
                          int64_t count, F filter) {
    for (int i = 0; i < kSums; ++i) acc[i] = Vec<T>{};
    for (int64_t t = 0; t < count; ++t) {
      const Vec<T> by = filter(t);
      const int64_t tap = taps[t];
#pragma GCC unroll 8
      for (int i = 0; i < kSums; ++i) acc[i] = fma(by, load(at[i] + tap), acc[i]);
    }
  }

  // Calls put(row, col, sum) for each of rows x cols vectors, which read from (row, col) on.
  template <class F, class Put>
  static inline void for_sums(const DepthwiseBlock& b, const int64_t* taps, int64_t cols,
                              int64_t col_step, F filter, Put put) {
    const PatchSource& src = *b.source;
    const T* const scratch = static_cast<const T*>(b.scratch);
    const int64_t count = b.rows * cols;
    int64_t row = 0, col = 0;
    for (int64_t i = 0; i < count; i += kSums) {
      const T* at[kSums];
      int64_t rows[kSums], columns[kSums];
      for (int k = 0; k < kSums; ++k) {
        rows[k] = row;
        columns[k] = col;
        at[k] = scratch + row * src.step_h * b.pitch + col * col_step;
        if (i + k + 1 < count && ++col == cols) {
          col = 0;
          ++row;
        }
      }
      Vec<T> acc[kSums];
      sums(acc, at, taps, src.taps_h * src.taps_w, filter);
      for (int k = 0; k < kSums && i + k < count; ++k) put(rows[k], columns[k], acc[k]);
    }
  }

  static void planes(const DepthwiseBlock& b, const int64_t* taps) {
    const int64_t width = b.source->grid_w;
    const T* const filters = static_cast<const T*>(b.filters);
    const Vec<T> bias = broadcast(b.bias ? *static_cast<const T*>(b.bias) : T(0));
    S* const out = static_cast<S*>(b.out) + b.row * b.out_h;
    for_sums(
        b, taps, (width + L - 1) / L, L, [&](int64_t t) { return broadcast(filters[t]); },
        [&](int64_t row, int64_t col, Vec<T> sum) {
          if (b.bias) sum += bias;
          store_strided<T>(out + row * b.out_h + col * L * b.out_w, b.out_w, sum,
                           smaller(L, width - col * L));
        });
  }

  static void channels(const DepthwiseBlock& b, const int64_t* taps) {
    const T* const filters = static_cast<const T*>(b.filters);
    const Vec<T> bias = b.bias ? load(static_cast<const T*>(b.bias)) : Vec<T>{};
    S* const out = static_cast<S*>(b.out) + b.row * b.out_h;
    for_sums(
        b, taps, b.source->grid_w, b.source->step_w * L,
        [&](int64_t t) { return load(filters + t * L); },
        [&](int64_t row, int64_t col, Vec<T> sum) {
          if (b.bias) sum += bias;
          store_as(out + row * b.out_h + col * b.out_w, sum, b.channels);
        });
  }

  static void load_grad_planes(const DepthwiseBlock& b, void* grad) {
    const int64_t width = b.source->grid_w, whole = (width + L - 1) / L * L;
    T* to = static_cast<T*>(grad);
    const S* from = static_cast<const S*>(b.out) + b.row * b.out_h;
    for (int64_t i = 0; i < b.rows; ++i, to += whole, from += b.out_h) {
      copy(to, from, width);
      zero(to + width, whole - width);
    }
  }

  static void load_grad_channels(const DepthwiseBlock& b, void* grad) {
    T* to = static_cast<T*>(grad);
    const S* from = static_cast<const S*>(b.out) + b.row * b.out_h;
    for (int64_t i = 0; i < b.rows; ++i, from += b.out_h)
      for (int64_t j = 0; j < b.source->grid_w; ++j, to += L)
        store(to, load_as<T>(from + j * b.out_w, b.channels));
  }

  // So many taps at a time that no sum waits for the one before.
  static constexpr int kTaps = 5;

  static void correlate(const DepthwiseBlock& b, const void* grad, int64_t vectors, int64_t step,
                        const int64_t* taps, int64_t count, void* sums) {
    for (int64_t t = 0; t < count; t += kTaps) {
      const T* at[kTaps];  // the last tap again where there are fewer
      Vec<T> acc[kTaps] = {};
      for (int k = 0; k < kTaps; ++k)
        at[k] = static_cast<const T*>(b.scratch) + taps[smaller(t + k, count - 1)];
      const T* by = static_cast<const T*>(grad);
      for (int64_t i = 0; i < b.rows; ++i) {
        int64_t from = i * b.source->step_h * b.pitch;
        for (int64_t j = 0; j < vectors; ++j, by += L, from += step) {
          const Vec<T> g = load(by);
#pragma GCC unroll 8
          for (int k = 0; k < kTaps; ++k) acc[k] = fma(g, load(at[k] + from), acc[k]);
        }
      }
      T* to = static_cast<T*>(sums) + t * L;
      for (int64_t k = 0; k < smaller(kTaps, count - t); ++k, to += L) store(to, load(to) + acc[k]);
    }
  }

  static void narrow(void* to, int64_t stride, const void* from, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
      store_as(static_cast<S*>(to) + i * stride, broadcast(static_cast<const T*>(from)[i]), 1);
  }

  static void join_lanes(void* vector) {
    T* const lanes = static_cast<T*>(vector);
    for (int64_t half = L / 2; half > 0; half /= 2)
      for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }

  static void add(void* to, const void* from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) static_cast<T*>(to)[i] += static_cast<const T*>(from)[i];
  }

  static constexpr DepthwiseKernels kernels() {
    return {L,         sizeof(T), load_planes,      load_channels,
            planes,    channels,  load_grad_planes, load_grad_channels,
            correlate, widen,     narrow,           join_lanes,
            add};
  }
};

}  // namespace

extern const DepthwiseTable depthwise_table;
const DepthwiseTable depthwise_table = {
    Depthwise<float, float>::kernels(), Depthwise<double, double>::kernels(),
    Depthwise<float, BFloat16>::kernels(), Depthwise<float, Float16>::kernels()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
