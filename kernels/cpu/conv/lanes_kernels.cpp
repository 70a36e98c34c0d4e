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

  // Whole: all lanes are read; where it costs nothing to leave some out, there is one form.
#if defined(FLAMBEAU_ANY_LANES)
  static constexpr bool kOneForm = sizeof(S) == sizeof(T);
#else
  static constexpr bool kOneForm = false;
#endif
  template <bool Whole>
  static inline Vec<T> read(const S* p, int64_t channels) {
    if constexpr (kOneForm && !Whole)
      return load(p, first_lanes<T>(channels));
    else
      return load_as<T>(p, Whole ? L : channels);
  }
  // Chosen: lanes are not in place.
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

  // N pixels side by side, and runs of taps that are src_col apart: what one reads for a pixel, the
  // next one reads for the pixel before, and from a register. Border: some taps are outside the
  // image, and `count` pixels are wanted; `col` is the column of the first in the block.
  template <bool Whole, bool Chosen, int N, int Run, bool Border>
  static void some(const LaneBlock& b, const S* src, S* out, int64_t col, int64_t count) {
    Vec<T> acc[N];
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) acc[k] = load(static_cast<const T*>(b.bias));
    const Index first = lanes_of(b);
    const int64_t next = b.ins * L, step = b.step_w;
    for (int64_t t = 0; t < b.taps; t += Run) {
      const T* by = static_cast<const T*>(b.filters) + b.filter[t] * next;
      const int64_t in_col = col * step + b.columns[t];
      Index lanes = first;
      if constexpr (Run == 1 && Chosen) {
        const S* at = src + b.offsets[t];
        Vec<T> x[N];
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k, at += b.src_col) {
          const S* from = at;
          if (Border) from = is_inside(in_col + k * step, b.in_w) ? at : kZeros;
          x[k] = read<Whole>(from, b.channels);
        }
        for (int64_t j = 0; j < b.ins; ++j, by += L, lanes += 1) {
          const Vec<T> filter = load(by);
#pragma GCC unroll 8
          for (int k = 0; k < N; ++k) acc[k] = fma(filter, choose<Chosen>(x[k], lanes), acc[k]);
        }
        continue;
      }
      for (int64_t j = 0; j < (Chosen ? b.ins : 1); ++j, by += L, lanes += 1) {
        const S* at = src + b.offsets[t];
        Vec<T> filter[Run];
#pragma GCC unroll 8
        for (int r = 0; r < Run; ++r) filter[r] = load(by + r * next);
#pragma GCC unroll 16
        for (int i = 0; i < N + Run - 1; ++i, at += b.src_col) {
          const S* from = at;
          if (Border) from = is_inside(in_col + i * step, b.in_w) ? at : kZeros;
          const Vec<T> x = choose<Chosen>(read<Whole>(from, b.channels), lanes);
#pragma GCC unroll 8
          for (int r = 0; r < Run; ++r)
            if (i >= r && i - r < N) acc[i - r] = fma(filter[r], x, acc[i - r]);
        }
      }
    }
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k, out += b.out_col)
      if (!Border || k < count) store_as(out, acc[k], b.outs);
  }
  alignas(kVectorBytes) static constexpr S kZeros[L] = {};
  static inline bool is_inside(int64_t col, int64_t width) {
    return static_cast<uint64_t>(col) < static_cast<uint64_t>(width);
  }

  using Some = void (*)(const LaneBlock&, const S*, S*, int64_t, int64_t);
  template <bool Whole, bool Chosen, int N, bool Border>
  static inline Some some_of(int64_t run) {
    if constexpr (sizeof(S) == sizeof(T)) {
      if (run % 3 == 0) return some<Whole, Chosen, N, 3, Border>;
      if (run % 5 == 0) return some<Whole, Chosen, N, 5, Border>;
      if (run % 7 == 0) return some<Whole, Chosen, N, 7, Border>;
      if (run % 2 == 0) return some<Whole, Chosen, N, 2, Border>;
    }
    return some<Whole, Chosen, N, 1, Border>;
  }

  template <bool Whole, bool Chosen>
  static void lines(const LaneBlock& b) {
    const Some inner = some_of<Whole, Chosen, 8, false>(b.run);
    const Some outer = some_of<Whole, Chosen, 8, true>(b.run);
    const Some few = some_of<Whole, Chosen, 4, true>(b.run);
    int64_t least = 0, most = 0;
    for (int64_t t = 0; t < b.taps; ++t) {
      if (t == 0 || b.columns[t] < least) least = b.columns[t];
      if (t == 0 || b.columns[t] > most) most = b.columns[t];
    }
    const S* src = static_cast<const S*>(b.src);
    S* out = static_cast<S*>(b.out);
    for (int64_t i = 0; i < b.rows; ++i, src += b.src_row, out += b.out_row) {
      for (int64_t col = 0, n; col < b.cols; col += n) {
        n = smaller(8, b.cols - col);
        const bool inside =
            n == 8 && col * b.step_w + least >= 0 && (col + 7) * b.step_w + most < b.in_w;
        (inside  ? inner
         : n > 4 ? outer
                 : few)(b, src + col * b.src_col, out + col * b.out_col, col, n);
      }
    }
  }

  static void multiply(const LaneBlock& b) {
    if (!kOneForm && b.channels == L)
      b.lanes ? lines<true, true>(b) : lines<true, false>(b);
    else
      b.lanes ? lines<false, true>(b) : lines<false, false>(b);
  }

  // Sums for N taps from `tap` on, and Ins channels of a group from `in` on; the last ones again
  // where there are fewer.
  template <bool Whole, bool Chosen, int N, int Ins>
  static void correlate_some(const LaneBlock& b, int64_t row, int64_t rows, int64_t tap,
                             int64_t taps, int64_t in, int64_t ins, T* sums) {
    const S* at[N];
    Index lanes[Ins];
    Vec<T> acc[N][Ins] = {};
    int64_t columns[N], low = 0, high = b.cols;  // where all taps are inside
#pragma GCC unroll 9
    for (int64_t k = 0; k < N; ++k) {
      const int64_t t = tap + smaller(k, taps - 1);
      at[k] = static_cast<const S*>(b.src) + b.offsets[t];
      columns[k] = b.columns[t];
      while (low < high && columns[k] + low * b.step_w < 0) ++low;
      while (low < high && columns[k] + (high - 1) * b.step_w >= b.in_w) --high;
    }
#pragma GCC unroll 4
    for (int64_t j = 0; j < Ins; ++j)
      lanes[j] = lanes_of(b) + static_cast<Lane>(in + smaller(j, ins - 1));
    const S* out = static_cast<const S*>(b.out) + row * b.out_row;
    for (int64_t i = row; i < row + rows; ++i, out += b.out_row) {
      const auto pixels = [&](int64_t c, int64_t end, bool border) {
        int64_t from = i * b.src_row + c * b.src_col;
        const S* by = out + c * b.out_col;
        for (; c < end; ++c, by += b.out_col, from += b.src_col) {
          const Vec<T> g = read < Whole && !Chosen > (by, b.outs);
#pragma GCC unroll 9
          for (int k = 0; k < N; ++k) {
            const S* p = at[k] + from;
            if (border) p = is_inside(columns[k] + c * b.step_w, b.in_w) ? p : kZeros;
            const Vec<T> x = read<Whole>(p, b.channels);
#pragma GCC unroll 4
            for (int j = 0; j < Ins; ++j)
              acc[k][j] = fma(g, choose<Chosen>(x, lanes[j]), acc[k][j]);
          }
        }
      };
      pixels(low, high, false);
      for (int side = 0; side < 2; ++side) pixels(side ? high : 0, side ? b.cols : low, true);
    }
#pragma GCC unroll 9
    for (int k = 0; k < N; ++k) {
#pragma GCC unroll 4
      for (int j = 0; j < Ins; ++j) {
        if (k >= taps || j >= ins) continue;
        T* const to = sums + (b.filter[tap + k] * b.ins + in + j) * L;
        store(to, load(to) + acc[k][j]);
      }
    }
  }

  // About equal parts of `count`, of at most `most`, to f(first, count).
  template <class F>
  static inline void for_even(int64_t count, int64_t most, F f) {
    const int64_t parts = (count + most - 1) / most;
    for (int64_t p = 0; p < parts; ++p)
      f(count * p / parts, count * (p + 1) / parts - count * p / parts);
  }

  // Rows that stay in the first-level cache until all sums have them.
  template <bool Whole, bool Chosen>
  static void correlate_all(const LaneBlock& b, void* to) {
    constexpr int64_t kNear = 12 << 10;
    T* const sums = static_cast<T*>(to);
    const int64_t row_bytes = 2 * b.cols * kVectorBytes;
    for_even(b.rows, kNear / row_bytes + 1, [&](int64_t row, int64_t rows) {
      if (!Chosen || b.ins == 1) {
        for_even(b.taps, 9, [&](int64_t tap, int64_t taps) {
          const auto f = taps > 5   ? correlate_some<Whole, Chosen, 9, 1>
                         : taps > 3 ? correlate_some<Whole, Chosen, 5, 1>
                                    : correlate_some<Whole, Chosen, 3, 1>;
          f(b, row, rows, tap, taps, 0, 1, sums);
        });
        return;
      }
      for_even(b.ins, 4, [&](int64_t in, int64_t ins) {
        for_even(b.taps, 3, [&](int64_t tap, int64_t taps) {
          (ins > 2 ? correlate_some<Whole, Chosen, 3, 4>
                   : correlate_some<Whole, Chosen, 3, 2>)(b, row, rows, tap, taps, in, ins, sums);
        });
      });
    });
  }

  static void correlate(const LaneBlock& b, void* sums) {
    if (!kOneForm && b.channels == L)
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
