// Depthwise convolution; compiled once per instruction set. See Note [Depthwise].
#include <type_traits>
#include <utility>

#include "kernels/cpu/conv/depthwise.h"
#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t clamped(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// Vectors of sums that are taken at a time.
constexpr int kSums = 8;
// Bytes from what is copied to what is prefetched.
constexpr int64_t kAhead = 2048;

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
    for (int64_t i = 0; i < n; ++i) t[i] = value(f[i * stride]);
  }

  // Elements in turns to two places, whole vectors of them as far as possible.
  static inline void copy_turns(T* even, T* odd, const S* from, int64_t n) {
    decltype(Vec<T>{} < Vec<T>{}) first, second;
    for (int i = 0; i < L; ++i) {
      first[i] = 2 * i;
      second[i] = 2 * i + 1;
    }
    for (int64_t i = 0; i < n; i += 2 * L, even += L, odd += L) {
      const int64_t left = smaller(2 * L, n - i);
      prefetch(from + i);
      prefetch(from + i + L);
      const Vec<T> low = load_as<T>(from + i, smaller(left, L));
      const Vec<T> high = left > L ? load_as<T>(from + i + L, left - L) : Vec<T>{};
      store_as(even, __builtin_shuffle(low, high, first), (left + 1) / 2);
      if (left > 1) store_as(odd, __builtin_shuffle(low, high, second), left / 2);
    }
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

  // Rows are so short that what comes after them is asked for too.
  static inline void prefetch(const S* from) {
    __builtin_prefetch(reinterpret_cast<const char*>(from) + kAhead, 0, 2);
  }

  static inline void copy(T* to, const S* from, int64_t n) {
    int64_t i = 0;
    for (; i + L <= n; i += L) {
      prefetch(from + i);
      store(to + i, load_as<T>(from + i, L));
    }
    if (i < n) store_as(to + i, load_as<T>(from + i, n - i), n - i);
  }

  static void load_rows(const DepthwiseBlock& b) {
    const PatchSource& src = *b.source;
    const int64_t step = src.step_w, columns = b.column;
    if (step == 2 && b.pitch == 2 * columns) return load_turns(b);
    for (int64_t phase = 0; phase * columns < b.pitch; ++phase) {
      // Element t is column t * step + start.
      const int64_t start = src.off_w[0] + phase;
      const int64_t low = clamped((step - 1 - start) / step, 0, columns);
      const int64_t high = clamped((src.in_w - start + step - 1) / step, low, columns);
      for_rows(b, [&](T* to, const S* from) {
        to += phase * columns;
        if (!b.cleared) {
          if (!from) return zero(to, columns);
          zero(to, low);
          zero(to + high, columns - high);
        }
        if (!from) return;
        if (step == 1)
          copy(to + low, from + low + start, high - low);
        else
          widen(to + low, from + low * step + start, step, high - low);
      });
    }
  }

  // Both kinds of columns at a time.
  static void load_turns(const DepthwiseBlock& b) {
    const PatchSource& src = *b.source;
    const int64_t start = src.off_w[0], columns = b.column;
    const int64_t low = clamped(-start, 0, b.pitch);
    const int64_t high = clamped(src.in_w - start, low, b.pitch);
    for_rows(b, [&](T* to, const S* from) {
      if (!b.cleared) zero(to, b.pitch);
      if (!from) return;
      int64_t at = low;
      if (at % 2 == 1 && at < high) {
        to[columns + at / 2] = value(from[start + at]);
        ++at;
      }
      copy_turns(to + at / 2, to + columns + at / 2, from + start + at, high - at);
    });
  }

  // Sums of products of taps, of vectors that are `step` apart; filter(t) is what all of them are
  // multiplied with. Two pointers and three distances reach all, which leaves registers.
  template <class F>
  static inline void sums(Vec<T> (&acc)[kSums], Vec<T> bias, const T* from, int64_t step,
                          const int64_t* taps, int64_t count, F filter) {
#pragma GCC unroll 8
    for (int i = 0; i < kSums; ++i) acc[i] = bias;
    const int64_t twice = 2 * step, thrice = 3 * step;
    for (int64_t t = 0; t < count; ++t) {
      const Vec<T> by = filter(t);
      const T* at = from + taps[t];
#pragma GCC unroll 2
      for (int half = 0; half < kSums; half += 4, at += 4 * step) {
        acc[half] = fma(by, load(at), acc[half]);
        acc[half + 1] = fma(by, load(at + step), acc[half + 1]);
        acc[half + 2] = fma(by, load(at + twice), acc[half + 2]);
        acc[half + 3] = fma(by, load(at + thrice), acc[half + 3]);
      }
    }
  }

  // A vector that is not whole, or not contiguous in memory.
  __attribute__((noinline)) static void store_part(S* to, int64_t stride, const Vec<T>& sum,
                                                   int64_t count) {
    store_strided<T>(to, stride, sum, count);
  }

  // Vectors of sums, `cols` a row. Those taken together are neighbours in a row, or in a column
  // where that leaves fewer over. `width` elements of a row are stored, out_step apart.
  template <class F>
  static inline void for_sums(const DepthwiseBlock& b, const int64_t* taps, int64_t cols,
                              int64_t col_step, Vec<T> bias, F filter, int64_t lanes,
                              int64_t last_lanes, int64_t out_col, int64_t out_step) {
    S* const out = static_cast<S*>(b.out) + b.row * b.out_h;
    const PatchSource& src = *b.source;
    const int64_t row_step = src.step_h * b.pitch;
    const int64_t count = src.channels * src.taps_h * src.taps_w;
    const auto rounded = [](int64_t n) { return (n + kSums - 1) / kSums * kSums; };
    const bool along_rows = rounded(cols) * b.rows <= rounded(b.rows) * cols;
    const int64_t inner = along_rows ? cols : b.rows, outer = along_rows ? b.rows : cols;
    const int64_t inner_step = along_rows ? col_step : row_step;
    const int64_t outer_step = along_rows ? row_step : col_step;
    for (int64_t j = 0; j < outer; ++j) {
      const T* from = static_cast<const T*>(b.scratch) + j * outer_step;
      for (int64_t i = 0; i < inner; i += kSums, from += kSums * inner_step) {
        Vec<T> acc[kSums];
        sums(acc, bias, from, inner_step, taps, count, filter);
        S* to = out + (along_rows ? j * b.out_h + i * out_col : i * b.out_h + j * out_col);
        const int64_t to_step = along_rows ? out_col : b.out_h;
#pragma GCC unroll 8
        for (int k = 0; k < kSums; ++k, to += to_step) {
          if (i + k >= inner) break;
          const int64_t wanted = (along_rows ? i + k : j) + 1 == cols ? last_lanes : lanes;
          if (out_step == 1 && wanted == L)
            store_as(to, acc[k], L);
          else
            store_part(to, out_step, acc[k], wanted);
        }
      }
    }
  }

  // Sums of neighbours in a column whose taps are neighbours too: what one of their rows reads, the
  // next ones read as well, and from a register.
  template <int Taps>
  static void columns(const DepthwiseBlock& b, const int64_t* taps, int64_t taps_w, Vec<T> bias) {
    const T* const filters = static_cast<const T*>(b.filters);
    const int64_t width = b.source->grid_w, count = b.source->channels * Taps * taps_w;
    S* out = static_cast<S*>(b.out) + b.row * b.out_h;
    for (int64_t i = 0; i < b.rows; i += kSums, out += kSums * b.out_h) {
      const T* const rows = static_cast<const T*>(b.scratch) + i * b.pitch;
      for (int64_t j = 0; j < width; j += L) {
        Vec<T> acc[kSums];
#pragma GCC unroll 8
        for (int k = 0; k < kSums; ++k) acc[k] = bias;
        for (int64_t first = 0; first < count; first += Taps * taps_w)
          for (int64_t s = first; s < first + taps_w; ++s) {
            const T* at = rows + j + taps[s];
            Vec<T> by[Taps];
#pragma GCC unroll 8
            for (int r = 0; r < Taps; ++r) by[r] = broadcast(filters[r * taps_w + s]);
#pragma GCC unroll 16
            for (int row = 0; row < kSums + Taps - 1; ++row, at += b.pitch) {
              const Vec<T> x = load(at);
#pragma GCC unroll 8
              for (int r = 0; r < Taps; ++r)
                if (row >= r && row - r < kSums) acc[row - r] = fma(by[r], x, acc[row - r]);
            }
          }
#pragma GCC unroll 8
        for (int k = 0; k < kSums; ++k)
          if (i + k < b.rows)
            store_strided<T>(out + k * b.out_h + j * b.out_w, b.out_w, acc[k],
                             smaller(L, width - j));
      }
    }
  }
  template <int... I>
  static bool columns_of(std::integer_sequence<int, I...>, const DepthwiseBlock& b,
                         const int64_t* taps, Vec<T> bias) {
    const PatchSource& src = *b.source;
    for (int64_t r = 1; r < src.taps_h; ++r)
      if (src.off_h[r] - src.off_h[0] != r) return false;
    return src.step_h == 1 &&
           ((src.taps_h == I + 2 && (columns<I + 2>(b, taps, src.taps_w, bias), true)) || ...);
  }

  static void multiply(const DepthwiseBlock& b, const int64_t* taps) {
    const int64_t width = b.source->grid_w, cols = (width + L - 1) / L;
    const T* const filters = static_cast<const T*>(b.filters);
    const Vec<T> bias = broadcast(b.bias ? *static_cast<const T*>(b.bias) : T(0));
    if (columns_of(std::make_integer_sequence<int, 6>{}, b, taps, bias)) return;
    for_sums(
        b, taps, cols, L, bias, [&](int64_t t) { return broadcast(filters[t]); }, L,
        width - (cols - 1) * L, L * b.out_w, b.out_w);
  }

  // Outs as registers allow.
  static constexpr int kTaps = kTapsTogether, kOuts = kVectorBytes == 64 ? 4 : 2;

  template <int Outs>
  static void correlate_outs(const DepthwiseBlock& b, const S* grad, int64_t distance,
                             const int64_t* taps, int64_t count, T* sums, int64_t sums_distance) {
    const int64_t width = b.source->grid_w, last = width - (width + L - 1) / L * L + L;
    const Mask mask = first_lanes<T>(last);
    for (int64_t t = 0; t < count; t += kTaps) {
      const T* at[kTaps];  // the last tap again where there are fewer
      Vec<T> acc[Outs][kTaps] = {};
#pragma GCC unroll 8
      for (int k = 0; k < kTaps; ++k)
        at[k] = static_cast<const T*>(b.scratch) + taps[smaller(t + k, count - 1)];
      // What lies beyond the grid must not meet the zeros there: it may be infinite.
      const auto add = [&](const S* by, int64_t from, bool whole) __attribute__((always_inline)) {
        Vec<T> g[Outs];
#pragma GCC unroll 4
        for (int o = 0; o < Outs; ++o) g[o] = load_as<T>(by + o * distance, whole ? L : last);
#pragma GCC unroll 8
        for (int k = 0; k < kTaps; ++k) {
          const Vec<T> x = whole ? load(at[k] + from) : load(at[k] + from, mask);
#pragma GCC unroll 4
          for (int o = 0; o < Outs; ++o) acc[o][k] = fma(g[o], x, acc[o][k]);
        }
      };
      const S* row = grad;
      for (int64_t i = 0; i < b.rows; ++i, row += b.out_h) {
        const int64_t from = i * b.source->step_h * b.pitch;
        int64_t j = 0;
        for (; j + L < width; j += L) add(row + j, from + j, true);
        add(row + j, from + j, false);
      }
#pragma GCC unroll 4
      for (int o = 0; o < Outs; ++o) {
#pragma GCC unroll 8
        for (int k = 0; k < kTaps; ++k) {
          T* const to = sums + o * sums_distance + (t + k) * L;
          if (t + k < count) store(to, load(to) + acc[o][k]);
        }
      }
    }
  }

  static void correlate(const DepthwiseBlock& b, int64_t outs, int64_t distance,
                        const int64_t* taps, int64_t count, void* sums, int64_t sums_distance) {
    const S* by = static_cast<const S*>(b.out) + b.row * b.out_h;
    T* to = static_cast<T*>(sums);
    for (int64_t o = 0, n; o < outs; o += n, by += n * distance, to += n * sums_distance) {
      n = smaller(kOuts, outs - o);
      const auto f = n == 1   ? correlate_outs<1>
                     : n == 2 ? correlate_outs<2>
                     : n == 3 ? correlate_outs<smaller(3, kOuts)>
                              : correlate_outs<kOuts>;
      f(b, by, distance, taps, count, to, sums_distance);
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
    return {L,         sizeof(T), kSums,  kOuts,      load_rows, multiply,
            correlate, widen,     narrow, join_lanes, add};
  }
};

}  // namespace

extern const DepthwiseTable depthwise_table;
const DepthwiseTable depthwise_table = {
    Depthwise<float, float>::kernels(), Depthwise<double, double>::kernels(),
    Depthwise<float, BFloat16>::kernels(), Depthwise<float, Float16>::kernels()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
