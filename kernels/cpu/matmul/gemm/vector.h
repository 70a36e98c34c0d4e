// One row times B.
#pragma once

#include "kernels/cpu/matmul/gemm/pack.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

// to[j] = the sum of the lanes of sums[j], for kGroup of them.
template <class T>
static inline void add_lanes(Vec<T>* sums, T* to) {
  constexpr int G = kGroup<T>;
  transpose_groups<T>(sums);
  const Vec<T> sum = G == 2 ? sums[0] + sums[1] : (sums[0] + sums[1]) + (sums[2] + sums[G - 1]);
  alignas(kVectorBytes) T x[kLanes<T>];
  store(x, sum);
  for (int step = kLanes<T> / 2; step >= G; step /= 2) {
    for (int i = 0; i < step; ++i) x[i] += x[i + step];
  }
  for (int j = 0; j < G; ++j) to[j] = x[j];
}

// kGroup columns of B, or fewer: of one alone (G = 1) the same sum in the same order.
template <class S, class T, int G>
static inline void dot_columns(const T* x, const S* b, int64_t col_stride, int64_t depth,
                               int64_t cols, T* y) {
  constexpr int L = kLanes<T>;
  const S* column[G];
  for (int j = 0; j < G; ++j) column[j] = b + (j < cols ? j : 0) * col_stride;
  Vec<T> even[kGroup<T>] = {}, odd[G] = {};
  int64_t p = 0;
  for (; p + 2 * L <= depth; p += 2 * L) {
    const Vec<T> x0 = load(x + p), x1 = load(x + p + L);
#pragma GCC unroll 4
    for (int j = 0; j < G; ++j) {
      even[j] = fma(x0, load_as<T>(column[j] + p, L), even[j]);
      odd[j] = fma(x1, load_as<T>(column[j] + p + L, L), odd[j]);
    }
  }
  for (; p < depth; p += L) {
    const int64_t count = smaller(L, depth - p);
    const Vec<T> x0 = load_as<T>(x + p, count);
#pragma GCC unroll 4
    for (int j = 0; j < G; ++j) even[j] = fma(x0, load_as<T>(column[j] + p, count), even[j]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < G; ++j) even[j] += odd[j];
  if (G > 1 && cols >= G) return add_lanes<T>(even, y);
  for (int j = G; j < kGroup<T>; ++j) even[j] = even[0];
  T few[kGroup<T>];
  add_lanes<T>(even, few);
  for (int j = 0; j < cols; ++j) y[j] = few[j];
}

template <class S, class T>
static void vector_dot(const void* x, const void* b, int64_t col_stride, int64_t depth,
                       int64_t cols, void* y) {
  const S* column = static_cast<const S*>(b);
  if (cols == 1)
    return dot_columns<S, T, 1>(static_cast<const T*>(x), column, col_stride, depth, 1,
                                static_cast<T*>(y));
  for (int64_t j = 0; j < cols; j += kGroup<T>) {
    dot_columns<S, T, kGroup<T>>(static_cast<const T*>(x), column + j * col_stride, col_stride,
                                 depth, cols - j, static_cast<T*>(y) + j);
  }
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
  constexpr int kTogether = 8;
  const T* row = static_cast<const T*>(x);
  const S* matrix = static_cast<const S*>(b);
  T* sums = static_cast<T*>(y);
  for (int64_t j = 0; j < cols; ++j) sums[j] = 0;
  int64_t p = 0;
  for (; p + kTogether <= depth; p += kTogether) {
    add_rows<S, T, kTogether>(row + p, matrix + p * k_stride, k_stride, cols, sums);
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

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
