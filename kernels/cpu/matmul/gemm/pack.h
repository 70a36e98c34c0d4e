// Packing of operands, from any strides; see Note [Packed operands].
#pragma once

#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// The registers of a block of C: kRows x kBlockVectors vectors, and room for the operands.
#if defined(__AVX512F__)
constexpr int kRows = 14;
#elif defined(__AVX2__)
constexpr int kRows = 6;
#elif defined(__aarch64__)
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif
constexpr int kBlockVectors = 2;

// Bytes from one row of a packed panel of A to the next: an odd number of cache lines, so that the
// rows do not compete for the same sets, and of what is packed, which leaves a vector of slack.
constexpr int kPitchBytes = 2112, kDepthBytes = 2048;

// Note [Units]
// A unit is what the kernel multiplies at a time along k: an element in its compute type, or a pair
// of bfloat16 in one uint32_t. A complex operand is two real ones: its elements' parts are packed
// as two planes.

// An operand as lanes x k elements of storage type S, read as units U.
template <class S, class U>
struct Source {
  const S* data;
  int64_t lane_stride, k_stride;
  int64_t depth;

  int64_t units() const { return depth; }
  // One unit of lanes [lane, lane + count).
  Vec<U> lanes(int64_t unit, int64_t lane, int64_t count) const {
    return load_strided<U>(data + unit * k_stride + lane * lane_stride, lane_stride, count);
  }
  // The same for a whole vector of neighbouring lanes.
  Vec<U> whole_lanes(int64_t unit, int64_t lane) const {
    return load_as<U>(data + unit * k_stride + lane, kLanes<U>);
  }
  // Units [unit, unit + count) of one lane whose elements are contiguous.
  Vec<U> along(int64_t unit, int64_t lane, int64_t count) const {
    return load_as<U>(data + unit + lane * lane_stride, count);
  }
  // The same for a whole vector of them.
  bool whole_units(int64_t unit) const { return unit + kLanes<U> <= depth; }
  Vec<U> whole_along(int64_t unit, int64_t lane) const { return along(unit, lane, kLanes<U>); }
  void prefetch(int64_t unit, int64_t lane) const {
    __builtin_prefetch(data + unit + lane * lane_stride);
  }
};

template <class T>
static inline Vec<T> negated_if(bool negate, Vec<T> v) {
  return negate ? -v : v;
}

// One part of a complex operand.
template <class T>
struct PartSource {
  const T* data;  // of the first element's part
  int64_t lane_stride, k_stride;
  int64_t depth;
  bool negate;

  int64_t units() const { return depth; }
  Vec<T> lanes(int64_t unit, int64_t lane, int64_t count) const {
    const T* p = data + 2 * (unit * k_stride + lane * lane_stride);
    return negated_if<T>(negate, load_strided<T>(p, 2 * lane_stride, count));
  }
  Vec<T> whole_lanes(int64_t unit, int64_t lane) const { return lanes(unit, lane, kLanes<T>); }
  Vec<T> along(int64_t unit, int64_t lane, int64_t count) const {
    const T* p = data + 2 * (unit + lane * lane_stride);
    return negated_if<T>(negate, load_strided<T>(p, 2, count));
  }
  bool whole_units(int64_t unit) const { return unit + kLanes<T> <= depth; }
  Vec<T> whole_along(int64_t unit, int64_t lane) const { return along(unit, lane, kLanes<T>); }
  void prefetch(int64_t unit, int64_t lane) const {
    __builtin_prefetch(data + 2 * (unit + lane * lane_stride));
  }
};

// Pairs of bfloat16 along k; the second of the last pair is 0 when depth is odd.
struct PairSource {
  const BFloat16* data;
  int64_t lane_stride, k_stride;
  int64_t depth;

  int64_t units() const { return (depth + 1) / 2; }
  Vec<uint32_t> lanes(int64_t unit, int64_t lane, int64_t count) const {
    const BFloat16* const even = data + 2 * unit * k_stride + lane * lane_stride;
    const Vec<uint32_t> low = (Vec<uint32_t>)load_strided<float>(even, lane_stride, count) >> 16;
    if (2 * unit + 1 == depth) return low;
    return low | (Vec<uint32_t>)load_strided<float>(even + k_stride, lane_stride, count);
  }
  Vec<uint32_t> whole_lanes(int64_t unit, int64_t lane) const {
    const BFloat16* const even = data + 2 * unit * k_stride + lane;
    const Vec<uint32_t> low = (Vec<uint32_t>)load_as<float>(even, kLanes<float>) >> 16;
    if (2 * unit + 1 == depth) return low;
    return low | (Vec<uint32_t>)load_as<float>(even + k_stride, kLanes<float>);
  }
  Vec<uint32_t> along(int64_t unit, int64_t lane, int64_t count) const {
    const int64_t elements = smaller(2 * count, depth - 2 * unit);
    if (elements == 2 * kLanes<uint32_t>) return whole_along(unit, lane);
    Vec<uint32_t> v{};
    memcpy(&v, data + 2 * unit + lane * lane_stride, size_t(elements) * sizeof(BFloat16));
    return v;
  }
  bool whole_units(int64_t unit) const { return 2 * (unit + kLanes<uint32_t>) <= depth; }
  Vec<uint32_t> whole_along(int64_t unit, int64_t lane) const {
    return load(reinterpret_cast<const uint32_t*>(data + 2 * unit + lane * lane_stride));
  }
  void prefetch(int64_t unit, int64_t lane) const {
    __builtin_prefetch(data + 2 * unit + lane * lane_stride);
  }
};

// dst[t * pitch + i] = load(i)[t] for i < `filled`, t < `rows`, both at most a vector's lanes.
// Writes whole vectors; what lies beyond `filled` in them is 0.
template <class U, class Load>
static inline void transpose_square(int64_t filled, int64_t rows, U* dst, int64_t pitch,
                                    Load load) {
  constexpr int L = kLanes<U>;
  Vec<U> square[L];
  if (filled == L) {
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) square[i] = load(i);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) square[i] = i < filled ? load(i) : Vec<U>{};
  }
  transpose<U>(square);
  if (rows == L) {
#pragma GCC unroll 16
    for (int t = 0; t < L; ++t) store(dst + t * pitch, square[t]);
  } else {
#pragma GCC unroll 16
    for (int t = 0; t < L; ++t) {
      if (t < rows) store(dst + t * pitch, square[t]);
    }
  }
}

// `count` of `lanes`, from `lane` on, as rows of contiguous units at distance `pitch`. Writes whole
// vectors, up to a vector less one unit beyond the end of each row.
template <class U, class Src>
static inline void pack_rows(const Src& src, int64_t lane, int64_t count, int64_t lanes, U* dst,
                             int64_t pitch) {
  constexpr int L = kLanes<U>;
  const int64_t units = src.units();
  if (src.k_stride == 1) {
    for (int64_t i = 0; i < count; ++i) {
      int64_t q = 0;
      for (; q + L <= units; q += L) store(dst + i * pitch + q, src.along(q, lane + i, L));
      if (q < units) store(dst + i * pitch + q, src.along(q, lane + i, units - q));
    }
    return;
  }
  for (int64_t q = 0; q < units; q += L) {
    const int64_t filled = smaller(L, units - q);
    for (int64_t i = 0; i < count; i += L) {
      const int64_t rows = smaller(L, count - i);
      U* const to = dst + i * pitch + q;
      if (src.lane_stride == 1 && lane + i + L <= lanes) {
        transpose_square<U>(filled, rows, to, pitch,
                            [&](int t) { return src.whole_lanes(q + t, lane + i); });
      } else {
        transpose_square<U>(filled, rows, to, pitch,
                            [&](int t) { return src.lanes(q + t, lane + i, rows); });
      }
    }
  }
}

// Units [from, to) of `Vectors` vectors of lanes from `lane` on, at distance `step`; zeros beyond
// `lanes`.
template <class U, int Vectors, class Src>
static inline void pack_columns(const Src& src, int64_t lane, int64_t lanes, int64_t from,
                                int64_t to, U* dst, int64_t step) {
  constexpr int L = kLanes<U>;
  if (src.lane_stride == 1 && lane + Vectors * L <= lanes) {
    for (int64_t q = from; q < to; ++q) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        store(dst + q * step + v * L, src.whole_lanes(q, lane + v * L));
      }
    }
    return;
  }
  for (int v = 0; v < Vectors; ++v) {
    const int64_t first = lane + v * L, columns = smaller(L, lanes - first);
    if (columns > 0 && src.k_stride == 1 && src.lane_stride != 1) {
      for (int64_t q = from; q < to; q += L) {
        const int64_t filled = smaller(L, to - q);
        // Lanes are too many streams to be foreseen.
        for (int64_t t = 0; t < columns; ++t) src.prefetch(q + 2 * L, first + t);
        U* const to_square = dst + q * step + v * L;
        if (src.whole_units(q)) {
          transpose_square<U>(columns, L, to_square, step,
                              [&](int t) { return src.whole_along(q, first + t); });
        } else {
          transpose_square<U>(columns, filled, to_square, step,
                              [&](int t) { return src.along(q, first + t, filled); });
        }
      }
    } else {
      for (int64_t q = from; q < to; ++q) {
        store(dst + q * step + v * L, columns > 0 ? src.lanes(q, first, columns) : Vec<U>{});
      }
    }
  }
}

// All panels of B, a few units at a time so that rows are read in long runs.
template <class U, int Vectors, class Src>
static inline void pack_panels(const Src& src, int64_t lanes, U* dst, int64_t step) {
  constexpr int kWidth = Vectors * kLanes<U>, kTogether = 16;
  const int64_t units = src.units();
  const int64_t run = src.k_stride == 1 && src.lane_stride != 1 ? units : kTogether;
  for (int64_t q = 0; q < units; q += run) {
    const int64_t to = smaller(q + run, units);
    for (int64_t j = 0; j < lanes; j += kWidth) {
      pack_columns<U, Vectors>(src, j, lanes, q, to, dst + j / kWidth * units * step, step);
    }
  }
}

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
