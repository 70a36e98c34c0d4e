// The functions of GemmKernels, by type.
#pragma once

#include "kernels/cpu/matmul/gemm/finish.h"
#include "kernels/cpu/matmul/gemm/micro.h"
#include "kernels/cpu/matmul/gemm/vector.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

template <class Math, class S>
static void pack_a(const void* a, int64_t row_stride, int64_t k_stride, bool, int64_t rows,
                   int64_t depth, void* panels) {
  using U = typename Math::Unit;
  constexpr int pitch = kPitchBytes / sizeof(U);
  const typename Math::template Operand<S> src{static_cast<const S*>(a), row_stride, k_stride,
                                               depth};
  for (int64_t i = 0; i < rows; i += kRows) {
    pack_rows(src, i, smaller(kRows, rows - i), rows, static_cast<U*>(panels) + i * pitch, pitch);
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

// Whether a row's successor begins where a column has its next element.
static inline bool neighbours(const GemmOutput& out, int64_t row) {
  return !out.row_offsets || out.row_offsets[row + 1] == out.row_offsets[row] + 1;
}

// Like finish, for a C whose columns are contiguous rather than its rows.
template <class T, class D>
static inline void finish_by_columns(const T* sums, int64_t distance, int64_t rows, int64_t cols,
                                     const GemmOutput& out, int64_t row, int64_t col) {
  constexpr int L = kLanes<T>;
  GemmOutput turned = out;
  turned.row_stride = out.col_stride;
  turned.col_stride = out.row_stride;
  turned.row_offsets = out.col_offsets;
  turned.col_offsets = out.row_offsets;
  turned.epilogue.bias.row_stride = out.epilogue.bias.col_stride;
  turned.epilogue.bias.col_stride = out.epilogue.bias.row_stride;
  // Mostly, nothing is left to do but to store, or to add what each column adds.
  const bool biased = adds_col_bias_only(out), simple = out.plain || biased;
  const D* const bias = biased ? static_cast<const D*>(out.epilogue.bias.data) + col : nullptr;
  alignas(kVectorBytes) T square[L * L + L];  // a run's last vector ends beyond its square
  for (int64_t i = 0; i < rows; i += L) {
    const int64_t height = smaller(L, rows - i);
    for (int64_t j = 0; j < cols; j += L) {
      const int64_t width = smaller(L, cols - j);
      transpose_square<T>(height, L, square, L,
                          [&](int t) { return load(sums + (i + t) * distance + j); });
      for (int64_t from = 0, to; from < height; from = to) {
        for (to = from + 1; to < height && neighbours(out, row + i + to - 1);) ++to;
        if (!simple) {
          finish<T, D>(square + from, L, width, to - from, turned, col + j, row + i + from);
          continue;
        }
        D* c = reinterpret_cast<D*>(out.c) + row_offset(out, row + i + from) +
               (col + j) * out.col_stride;
        for (int64_t t = 0; t < width; ++t, c += out.col_stride) {
          const Vec<T> v = load(square + t * L + from);
          store_as(c, biased ? v + broadcast(value_of<T>(bias + j + t)) : v, to - from);
        }
      }
    }
  }
}

template <class T, class D>
static inline void finish_either_way(const T* sums, int64_t distance, int64_t rows, int64_t cols,
                                     const GemmOutput& out, int64_t row, int64_t col) {
  const bool by_columns = rows > 1 && out.col_stride != 1 && !out.col_offsets &&
                          (out.row_offsets || out.row_stride == 1);
  (by_columns ? finish_by_columns<T, D> : finish<T, D>)(sums, distance, rows, cols, out, row, col);
}

// Panels of at most kRows rows, none of them much smaller than the others: small ones keep the
// multipliers waiting.
static inline int64_t even_rows(int64_t rows) {
  if (rows <= kRows) return rows;
  const int64_t panels = (rows + kRows - 1) / kRows;
  return (rows + panels - 1) / panels;
}

// Where the sums of a tile go: the partial sums, C itself, or `staging`, from where they are
// finished.
template <class T, class D>
static inline Tile<T> tile_of(const GemmBlock& block, int64_t row, int64_t col, int64_t width,
                              int64_t panel_width, T* partial, T* staging) {
  const GemmOutput& out = *block.out;
  const T* add = block.first ? nullptr : partial;
  if (!block.last) return {add, partial, panel_width, true, nullptr, nullptr};
  const bool biased = adds_row_bias_only(out) && out.epilogue.bias.row_stride == 1;
  const bool col_biased = adds_col_bias_only(out);
  if (sizeof(T) == sizeof(D) && (out.plain || biased || col_biased) && !out.row_offsets &&
      contiguous_cols(out, block.col + col, width)) {
    const T* const data = static_cast<const T*>(out.epilogue.bias.data);
    const T* const bias = biased ? data + block.row + row : nullptr;
    const T* const col_bias = col_biased ? data + block.col + col : nullptr;
    T* c = reinterpret_cast<T*>(out.c) + (block.row + row) * out.row_stride;
    return {
        add,     c + col_offset(out, block.col + col), out.row_stride, width % kLanes<T> == 0, bias,
        col_bias};
  }
  return {add, staging, panel_width, true, nullptr, nullptr};
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
  const int64_t b_units = block.b_depth ? (block.b_depth + kPerUnit - 1) / kPerUnit : units;
  const int64_t b_panel = InPlace ? kCols : b_units * kCols;
  const U* a = static_cast<const U*>(block.a);
  T* partial = static_cast<T*>(block.partial);
  const int64_t most_rows = even_rows(block.rows);
  for (int64_t i = 0; i < block.rows; i += most_rows) {
    const int64_t rows = smaller(most_rows, block.rows - i);
    const U* b = static_cast<const U*>(block.b);
    for (int64_t j = 0; j < block.cols; j += kCols) {
      const int64_t cols = smaller(kCols, block.cols - j);
      const int64_t vectors = (cols + L - 1) / L;
      const Tile<T> tile = tile_of<T, D>(block, i, j, cols, kCols, partial, staging);
      const Mask tail = first_lanes<T>(cols - (vectors - 1) * L);
      MicroKernels<Math, InPlace>::get(rows, vectors)(units, a, b, b_stride, tail, tile);
      if (tile.out == staging) {
        finish_either_way<T, D>(staging, kCols, rows, cols, *block.out, block.row + i,
                                block.col + j);
      }
      b += b_panel;
      if (partial) partial += kRows * kCols;
    }
    a += most_rows * pitch;
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
      const Tile<T> tile{block.first ? nullptr : partial, block.last ? staging : partial, 2 * L,
                         true, nullptr};
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
  finish_either_way<T, D>(sums, pitch, rows, cols, out, row, col);
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
          .a_row = kPitchBytes,
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
          .a_row = kPitchBytes,
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

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
