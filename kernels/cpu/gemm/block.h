// The functions of GemmKernels, by type.
#pragma once

#include "kernels/cpu/gemm/finish.h"
#include "kernels/cpu/gemm/micro.h"

namespace flambeau::cpu::FLAMBEAU_ISA_NAMESPACE {

template <class Math, class S>
static void pack_a(const void* a, int64_t row_stride, int64_t k_stride, bool, int64_t rows,
                   int64_t depth, void* panels) {
  using U = typename Math::Unit;
  constexpr int pitch = kPitchBytes / sizeof(U);
  const typename Math::template Operand<S> src{static_cast<const S*>(a), row_stride, k_stride,
                                               depth};
  for (int64_t i = 0; i < rows; i += kRows) {
    pack_rows(src, i, smaller(kRows, rows - i), rows, static_cast<U*>(panels) + i * pitch,
              pitch);
  }
}

template <class Math, class S>
static void pack_b(const void* b, int64_t col_stride, int64_t k_stride, bool, int64_t cols,
                   int64_t depth, void* panels) {
  using U = typename Math::Unit;
  constexpr int step = kBlockVectors * kLanes<U>;
  const typename Math::template Operand<S> src{static_cast<const S*>(b), col_stride, k_stride,
                                               depth};
  pack_panels<U, kBlockVectors>(src, cols, static_cast<U*>(panels), step);
}

template <class T>
static void pack_complex_a(const void* a, int64_t row_stride, int64_t k_stride, bool conj,
                           int64_t rows, int64_t depth, void* panels) {
  constexpr int pitch = kPitchBytes / sizeof(T);
  for (int part = 0; part < 2; ++part) {
    const PartSource<T> src{static_cast<const T*>(a) + part, row_stride, k_stride, depth,
                            conj && part == 1};
    T* const plane = static_cast<T*>(panels) + part * (pitch / 2);
    for (int64_t i = 0; i < rows; i += kRows) {
      pack_rows(src, i, smaller(kRows, rows - i), rows, plane + i * pitch, pitch);
    }
  }
}

template <class T>
static void pack_complex_b(const void* b, int64_t col_stride, int64_t k_stride, bool conj,
                           int64_t cols, int64_t depth, void* panels) {
  constexpr int L = kLanes<T>;
  for (int part = 0; part < 2; ++part) {
    const PartSource<T> src{static_cast<const T*>(b) + part, col_stride, k_stride, depth,
                            conj && part == 1};
    pack_panels<T, 1>(src, cols, static_cast<T*>(panels) + part * L, 2 * L);
  }
}

template <class T, class D>
static inline bool stored_as_summed() {
  return sizeof(T) == sizeof(D);
}

// Where the sums of a tile go: the partial sums, C itself, or `staging`, from where they are
// finished.
template <class T, class D>
static inline Tile<T> tile_of(const GemmBlock& block, int64_t row, int64_t col, int64_t width,
                              int64_t whole_width, int64_t panel_scalars, T* partial, T* staging) {
  const GemmOutput& out = *block.out;
  const T* add = block.first ? nullptr : partial;
  if (!block.last) return {add, partial, panel_scalars};
  if (stored_as_summed<T, D>() && out.plain && width == whole_width && !out.row_offsets &&
      contiguous_cols(out, block.col + col, width)) {
    D* c = reinterpret_cast<D*>(out.c) + (block.row + row) * out.row_stride +
           col_offset(out, block.col + col);
    return {add, reinterpret_cast<T*>(c), out.row_stride};
  }
  return {add, staging, panel_scalars};
}

template <class Math, class D, bool InPlace>
static inline void multiply_panels(const GemmBlock& block) {
  using U = typename Math::Unit;
  using T = typename Math::Acc;
  constexpr int L = kLanes<T>, kCols = kBlockVectors * L, pitch = kPitchBytes / sizeof(U);
  constexpr int kPerUnit = Math::kPerUnit;
  alignas(kVectorBytes) T staging[kRows * kCols];
  const int64_t units = (block.depth + kPerUnit - 1) / kPerUnit;
  const int64_t b_stride = InPlace ? block.b_row_stride : kCols;
  const int64_t b_panel = InPlace ? kCols : units * kCols;
  const U* a = static_cast<const U*>(block.a);
  T* partial = static_cast<T*>(block.partial);
  for (int64_t i = 0; i < block.rows; i += kRows) {
    const int64_t rows = smaller(kRows, block.rows - i);
    const U* b = static_cast<const U*>(block.b);
    for (int64_t j = 0; j < block.cols; j += kCols) {
      const int64_t cols = smaller(kCols, block.cols - j);
      const int64_t vectors = (cols + L - 1) / L;
      const Tile<T> tile = tile_of<T, D>(block, i, j, cols, vectors * L, kCols, partial, staging);
      const Mask tail = first_lanes<T>(cols - (vectors - 1) * L);
      MicroKernels<Math, InPlace>::get(rows, vectors)(units, a, b, b_stride, tail, tile);
      if (tile.out == staging) {
        finish<T, D>(staging, kCols, rows, cols, *block.out, block.row + i, block.col + j);
      }
      b += b_panel;
      if (partial) partial += kRows * kCols;
    }
    a += kRows * pitch;
  }
}

template <class Math, class D>
static void multiply(const GemmBlock& block) {
  if constexpr (Math::kPerUnit == 1) {
    if (block.b_in_place) return multiply_panels<Math, D, true>(block);
  }
  multiply_panels<Math, D, false>(block);
}

template <class T>
static void multiply_complex(const GemmBlock& block) {
  constexpr int L = kLanes<T>, pitch = kPitchBytes / sizeof(T);
  using C = ComplexValue<T>;
  alignas(kVectorBytes) T staging[kRows * 2 * L];
  const T* a = static_cast<const T*>(block.a);
  T* partial = static_cast<T*>(block.partial);
  for (int64_t i = 0; i < block.rows; i += kRows) {
    const int64_t rows = smaller(kRows, block.rows - i);
    const T* b = static_cast<const T*>(block.b);
    for (int64_t j = 0; j < block.cols; j += L) {
      const int64_t cols = smaller(L, block.cols - j);
      const Tile<T> tile{block.first ? nullptr : partial, block.last ? staging : partial, 2 * L};
      ComplexMicroKernels<T>::get(rows)(block.depth, a, b, tile);
      if (block.last) {
        finish_complex<T>(reinterpret_cast<const C*>(staging), L, rows, cols, *block.out,
                          block.row + i, block.col + j);
      }
      b += 2 * L * block.depth;
      if (partial) partial += kRows * 2 * L;
    }
    a += kRows * pitch;
  }
}

// parts[0] += parts[1] + ..., `count` of them, `length` scalars each.
template <class T>
static inline void add_tree(T* parts, int64_t count, int64_t distance, int64_t length) {
  for (int64_t step = 1; step < count; step *= 2) {
    for (int64_t s = 0; s + step < count; s += 2 * step) {
      T* const into = parts + s * distance;
      const T* const from = into + step * distance;
      for (int64_t j = 0; j < length; ++j) into[j] += from[j];
    }
  }
}

template <class T, class D>
static void finish_parts(void* parts, int64_t count, int64_t distance, int64_t rows, int64_t cols,
                         int64_t pitch, const GemmOutput& out, int64_t row, int64_t col) {
  T* const sums = static_cast<T*>(parts);
  for (int64_t i = 0; i < rows; ++i) add_tree(sums + i * pitch, count, distance, cols);
  finish<T, D>(sums, pitch, rows, cols, out, row, col);
}

template <class T>
static void finish_complex_parts(void* parts, int64_t count, int64_t distance, int64_t rows,
                                 int64_t cols, int64_t pitch, const GemmOutput& out, int64_t row,
                                 int64_t col) {
  T* const sums = static_cast<T*>(parts);
  for (int64_t i = 0; i < rows; ++i) {
    add_tree(sums + i * 2 * pitch, count, 2 * distance, 2 * cols);
  }
  finish_complex<T>(reinterpret_cast<const ComplexValue<T>*>(sums), pitch, rows, cols, out, row,
                    col);
}

// ---- one row times B
template <class T>
static inline T sum_of_lanes(Vec<T> v) {
  alignas(kVectorBytes) T x[kLanes<T>];
  store(x, v);
  for (int step = kLanes<T> / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) x[i] += x[i + step];
  }
  return x[0];
}

template <class S, class T, int Cols>
static inline void dot_columns(const T* x, const S* b, int64_t col_stride, int64_t depth, T* y) {
  constexpr int L = kLanes<T>;
  Vec<T> even[Cols] = {}, odd[Cols] = {};
  int64_t p = 0;
  for (; p + 2 * L <= depth; p += 2 * L) {
    const Vec<T> x0 = load(x + p), x1 = load(x + p + L);
#pragma GCC unroll 4
    for (int j = 0; j < Cols; ++j) {
      even[j] = fma(x0, load_as<T>(b + j * col_stride + p, L), even[j]);
      odd[j] = fma(x1, load_as<T>(b + j * col_stride + p + L, L), odd[j]);
    }
  }
  for (; p < depth; p += L) {
    const int64_t count = smaller(L, depth - p);
    const Vec<T> x0 = load_as<T>(x + p, count);
#pragma GCC unroll 4
    for (int j = 0; j < Cols; ++j) {
      even[j] = fma(x0, load_as<T>(b + j * col_stride + p, count), even[j]);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < Cols; ++j) y[j] = sum_of_lanes<T>(even[j] + odd[j]);
}

template <class S, class T>
static void vector_dot(const void* x, const void* b, int64_t col_stride, int64_t depth,
                       int64_t cols, void* y) {
  const T* row = static_cast<const T*>(x);
  const S* column = static_cast<const S*>(b);
  T* sums = static_cast<T*>(y);
  int64_t j = 0;
  for (; j + 4 <= cols; j += 4) {
    dot_columns<S, T, 4>(row, column + j * col_stride, col_stride, depth, sums + j);
  }
  for (; j < cols; ++j) dot_columns<S, T, 1>(row, column + j * col_stride, 0, depth, sums + j);
}

// y += x[0] B[0] + ... over `Rows` rows of B.
template <class S, class T, int Rows>
static inline void add_rows(const T* x, const S* b, int64_t k_stride, int64_t cols, T* y) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < cols; j += L) {
    const int64_t count = smaller(L, cols - j);
    Vec<T> sum{};
#pragma GCC unroll 8
    for (int p = 0; p < Rows; ++p) {
      sum = fma(broadcast(x[p]), load_as<T>(b + p * k_stride + j, count), sum);
    }
    store_as(y + j, load_as<T>(y + j, count) + sum, count);
  }
}

template <class S, class T>
static void vector_sum(const void* x, const void* b, int64_t k_stride, int64_t depth, int64_t cols,
                       void* y) {
  constexpr int kGroup = 8;
  const T* row = static_cast<const T*>(x);
  const S* matrix = static_cast<const S*>(b);
  T* sums = static_cast<T*>(y);
  for (int64_t j = 0; j < cols; ++j) sums[j] = 0;
  int64_t p = 0;
  for (; p + kGroup <= depth; p += kGroup) {
    add_rows<S, T, kGroup>(row + p, matrix + p * k_stride, k_stride, cols, sums);
  }
  for (; p < depth; ++p) add_rows<S, T, 1>(row + p, matrix + p * k_stride, k_stride, cols, sums);
}

template <class S, class T>
static void widen(const void* x, int64_t stride, int64_t count, void* sums) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < count; i += L) {
    const int64_t width = smaller(L, count - i);
    store_as(static_cast<T*>(sums) + i,
             load_strided<T>(static_cast<const S*>(x) + i * stride, stride, width), width);
  }
}

// ---- tables
// What a type is packed to and how it is multiplied, stored as D.
template <class Math, class S, class D>
constexpr GemmKernels real_kernels() {
  using U = typename Math::Unit;
  using T = typename Math::Acc;
  return {.mr = kRows,
          .nr = kBlockVectors * kLanes<T>,
          .max_depth = kDepthBytes / int(sizeof(U)) * Math::kPerUnit,
          .element = sizeof(S),
          .acc = sizeof(T),
          .store = sizeof(D),
          .a_panel = kRows * kPitchBytes,
          .b_unit = kBlockVectors * kVectorBytes,
          .depth_unit = Math::kPerUnit,
          .b_in_place = sizeof(S) == sizeof(U),
          .pack_a = pack_a<Math, S>,
          .pack_b = pack_b<Math, S>,
          .multiply = multiply<Math, D>,
          .finish_parts = finish_parts<T, D>,
          .vector_dot = vector_dot<S, T>,
          .vector_sum = vector_sum<S, T>,
          .widen = widen<S, T>};
}

template <class T>
constexpr GemmKernels complex_kernels() {
  return {.mr = kRows,
          .nr = kLanes<T>,
          .max_depth = kDepthBytes / int(sizeof(T)) / 2,
          .element = 2 * sizeof(T),
          .acc = 2 * sizeof(T),
          .store = 2 * sizeof(T),
          .a_panel = kRows * kPitchBytes,
          .b_unit = 2 * kVectorBytes,
          .depth_unit = 1,
          .b_in_place = false,
          .pack_a = pack_complex_a<T>,
          .pack_b = pack_complex_b<T>,
          .multiply = multiply_complex<T>,
          .finish_parts = finish_complex_parts<T>,
          .vector_dot = nullptr,
          .vector_sum = nullptr,
          .widen = nullptr};
}

}  // namespace flambeau::cpu::FLAMBEAU_ISA_NAMESPACE
