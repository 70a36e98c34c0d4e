// Groups of few channels; compiled once per instruction set. See Note [Lanes of groups].
#include "kernels/cpu/conv/lanes.h"
#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Storage S, sums of T.
template <class T, class S>
struct Lanes {
  static constexpr int64_t L = kLanes<T>;
  using Index = decltype(Vec<T>{} < Vec<T>{});
  using Lane = decltype(Index{}[0] + 0);

  // Whole: all lanes are read. Chosen: lanes are not in place.
  template <bool Whole>
  static inline Vec<T> read(const S* p, int64_t channels) {
    return load_as<T>(p, Whole ? L : channels);
  }
  template <bool Chosen>
  static inline Vec<T> choose(Vec<T> x, Index lanes) {
    if constexpr (Chosen)
      return __builtin_shuffle(x, lanes);
    else
      return x;
  }
  static inline Index lanes_of(const LaneBlock& b) {
    Index lanes{};
    if (b.lanes) memcpy(&lanes, b.lanes, sizeof(lanes));
    return lanes;
  }

  // N pixels that are src_step apart.
  template <bool Whole, bool Chosen, int N>
  static void some(const LaneBlock& b, const S* src, int64_t src_step, S* out, int64_t out_step) {
    Vec<T> acc[N];
    for (int k = 0; k < N; ++k) acc[k] = load(static_cast<const T*>(b.bias));
    const Index first = lanes_of(b);
    const int64_t twice = 2 * src_step, thrice = 3 * src_step;
    for (int64_t t = 0; t < b.taps; ++t) {
      const S* at = src + b.offsets[t];
      const T* by = static_cast<const T*>(b.filters) + b.filter[t] * b.ins * L;
      Vec<T> x[N];
#pragma GCC unroll 8
      for (int k = 0; k < N; k += 4, at += 4 * src_step) {
        x[k] = read<Whole>(at, b.channels);
        if (k + 1 < N) x[k + 1] = read<Whole>(at + src_step, b.channels);
        if (k + 2 < N) x[k + 2] = read<Whole>(at + twice, b.channels);
        if (k + 3 < N) x[k + 3] = read<Whole>(at + thrice, b.channels);
      }
      Index lanes = first;
      for (int64_t j = 0; j < (Chosen ? b.ins : 1); ++j, by += L, lanes += 1) {
        const Vec<T> filter = load(by);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) acc[k] = fma(filter, choose<Chosen>(x[k], lanes), acc[k]);
      }
    }
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k, out += out_step) store_as(out, acc[k], b.outs);
  }

  // As few pixels twice as there can be: what is left over is taken with its neighbours.
  template <bool Whole, bool Chosen>
  static void line(const LaneBlock& b, const S* src, int64_t src_step, S* out, int64_t out_step,
                   int64_t count) {
    for (int64_t i = 0; i < count;) {
      const int64_t left = count - i;
      int64_t n = left >= 5 ? 8 : left >= 3 ? 4 : left;
      while (n > count) n /= 2;
      const int64_t at = smaller(i, count - n);
      const auto f = n == 8   ? some<Whole, Chosen, 8>
                     : n == 4 ? some<Whole, Chosen, 4>
                     : n == 2 ? some<Whole, Chosen, 2>
                              : some<Whole, Chosen, 1>;
      f(b, src + at * src_step, src_step, out + at * out_step, out_step);
      i = at + n;
    }
  }

  template <bool Whole, bool Chosen>
  static void lines(const LaneBlock& b) {
    const bool along_rows = b.cols >= b.rows || b.cols >= 8;
    const S* src = static_cast<const S*>(b.src);
    S* out = static_cast<S*>(b.out);
    if (along_rows) {
      for (int64_t i = 0; i < b.rows; ++i, src += b.src_row, out += b.out_row)
        line<Whole, Chosen>(b, src, b.src_col, out, b.out_col, b.cols);
    } else {
      for (int64_t j = 0; j < b.cols; ++j, src += b.src_col, out += b.out_col)
        line<Whole, Chosen>(b, src, b.src_row, out, b.out_row, b.rows);
    }
  }

  static void multiply(const LaneBlock& b) {
    if (b.channels == L)
      b.lanes ? lines<true, true>(b) : lines<true, false>(b);
    else
      b.lanes ? lines<false, true>(b) : lines<false, false>(b);
  }

  // Sums of N pairs of a tap and a channel, from pair `first` on; the last one again where there
  // are fewer.
  template <bool Whole, bool Chosen, int N>
  static void correlate_some(const LaneBlock& b, int64_t first, int64_t count, T* sums) {
    const S* at[N];
    Index lanes[N];
    Vec<T> acc[N] = {};
    for (int64_t k = 0; k < N; ++k) {
      const int64_t pair = first + smaller(k, count - 1);
      at[k] = static_cast<const S*>(b.src) + b.offsets[pair / b.ins];
      lanes[k] = lanes_of(b) + static_cast<Lane>(pair % b.ins);
    }
    const S* out = static_cast<const S*>(b.out);
    for (int64_t i = 0; i < b.rows; ++i, out += b.out_row) {
      int64_t from = i * b.src_row;
      const S* by = out;
      for (int64_t j = 0; j < b.cols; ++j, by += b.out_col, from += b.src_col) {
        const Vec<T> g = read < Whole && !Chosen > (by, b.outs);
#pragma GCC unroll 9
        for (int k = 0; k < N; ++k)
          acc[k] = fma(g, choose<Chosen>(read<Whole>(at[k] + from, b.channels), lanes[k]), acc[k]);
      }
    }
    for (int64_t k = 0; k < count; ++k) {
      const int64_t pair = first + k;
      T* const to = sums + (b.filter[pair / b.ins] * b.ins + pair % b.ins) * L;
      store(to, load(to) + acc[k]);
    }
  }

  template <bool Whole, bool Chosen>
  static void correlate_all(const LaneBlock& b, void* sums) {
    constexpr int64_t kMost = 9;
    const int64_t pairs = b.taps * b.ins, parts = (pairs + kMost - 1) / kMost;
    for (int64_t p = 0; p < parts; ++p) {
      const int64_t first = pairs * p / parts, count = pairs * (p + 1) / parts - first;
      const auto f = count > 7   ? correlate_some<Whole, Chosen, 9>
                     : count > 5 ? correlate_some<Whole, Chosen, 7>
                     : count > 3 ? correlate_some<Whole, Chosen, 5>
                                 : correlate_some<Whole, Chosen, 3>;
      f(b, first, count, static_cast<T*>(sums));
    }
  }

  static void correlate(const LaneBlock& b, void* sums) {
    if (b.channels == L)
      b.lanes ? correlate_all<true, true>(b, sums) : correlate_all<true, false>(b, sums);
    else
      b.lanes ? correlate_all<false, true>(b, sums) : correlate_all<false, false>(b, sums);
  }

  static constexpr LaneKernels kernels() { return {multiply, correlate}; }
};

}  // namespace

extern const LaneTable lane_table;
const LaneTable lane_table = {Lanes<float, float>::kernels(), Lanes<double, double>::kernels(),
                              Lanes<float, BFloat16>::kernels(), Lanes<float, Float16>::kernels()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
