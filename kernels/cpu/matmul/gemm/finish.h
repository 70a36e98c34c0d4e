// The end of a product: scaling, beta * C, bias, activation, conversion, strides.
#pragma once

#include "kernels/cpu/matmul/gemm/simd.h"
#include "kernels/cpu/matmul/gemm/table.h"
#include "kernels/math/complex.h"
#include "kernels/math/erf.h"
#include "kernels/math/hyperbolic.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

template <class T>
static inline T gelu(T x) {
  return x * T(0.5) * math::erfc(x * T(-0x1.6a09e667f3bcdp-1));  // 1 / sqrt 2
}
template <class T>
static inline T gelu_tanh(T x) {
  const T inner = T(0x1.9884533d43651p0) * (x + T(0.044715) * (x * x * x));  // sqrt(8 / pi)
  return x * math::sigmoid(inner);
}

template <class T, T (*F)(T)>
static inline Vec<T> each_lane(Vec<T> v) {
  alignas(kVectorBytes) T x[kLanes<T>];
  store(x, v);
  for (int i = 0; i < kLanes<T>; ++i) x[i] = F(x[i]);
  return load(x);
}

template <class T>
static inline Vec<T> activate(Activation activation, Vec<T> x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < T(0) ? Vec<T>{} : x;  // NaN stays
    case Activation::gelu:
      return each_lane<T, gelu<T>>(x);
    case Activation::gelu_tanh:
      return each_lane<T, gelu_tanh<T>>(x);
  }
  return x;
}

static inline int64_t row_offset(const GemmOutput& out, int64_t row) {
  return out.row_offsets ? out.row_offsets[row] : row * out.row_stride;
}
static inline int64_t col_offset(const GemmOutput& out, int64_t col) {
  return out.col_offsets ? out.col_offsets[col] : col * out.col_stride;
}
// Whether columns [col, col + count) are neighbours in memory.
static inline bool contiguous_cols(const GemmOutput& out, int64_t col, int64_t count) {
  if (!out.col_offsets) return out.col_stride == 1 || count <= 1;
  const int64_t* const offsets = out.col_offsets + col;
  int64_t gaps = 0;
  for (int64_t j = 1; j < count; ++j) gaps |= offsets[j] - offsets[0] - j;
  return gaps == 0;
}

// One vector of sums into C. Its columns lie at distance `stride`, or where `offsets` says.
template <class T, class D>
static inline void finish_vector(Vec<T> x, const GemmOutput& out, D* c, int64_t stride,
                                 const int64_t* offsets, int64_t row, int64_t col, int64_t count) {
  alignas(kVectorBytes) D scattered[kLanes<T>] = {};
  D* const target = offsets ? scattered : c;
  if (offsets) stride = 1;
  if (!out.plain) {
    const Epilogue& e = out.epilogue;
    if (out.alpha.re != 1) x *= T(out.alpha.re);
    if (out.beta.re != 0) {
      if (offsets) {
        for (int64_t j = 0; j < count; ++j) scattered[j] = c[offsets[j]];
      }
      x = fma(broadcast(T(out.beta.re)), load_strided<T>(target, stride, count), x);
    }
    if (e.bias.data) {
      const D* bias = static_cast<const D*>(e.bias.data) + row * e.bias.row_stride;
      const Vec<T> add = load_strided<T>(bias + col * e.bias.col_stride, e.bias.col_stride, count);
      x = fma(broadcast(T(e.bias_scale.re)), add, x);
    }
    x = activate<T>(e.activation, x);
  }
  store_strided<T>(target, stride, x, count);
  if (offsets) {
    for (int64_t j = 0; j < count; ++j) c[offsets[j]] = scattered[j];
  }
}

// Whether all that is left to do is to add a bias; one that columns share, or rows.
static inline bool adds_bias_only(const GemmOutput& out) {
  const Epilogue& e = out.epilogue;
  return !out.plain && out.alpha.re == 1 && out.beta.re == 0 && e.bias.data &&
         e.bias_scale.re == 1 && e.activation == Activation::none;
}
static inline bool adds_row_bias_only(const GemmOutput& out) {
  return adds_bias_only(out) && out.epilogue.bias.col_stride == 0;
}
static inline bool adds_col_bias_only(const GemmOutput& out) {
  const Matrix& bias = out.epilogue.bias;
  return adds_bias_only(out) && bias.row_stride == 0 && bias.col_stride == 1;
}

// rows x cols of sums at distance `distance` into C at (row, col).
template <class T, class D>
static void finish(const T* sums, int64_t distance, int64_t rows, int64_t cols,
                   const GemmOutput& out, int64_t row, int64_t col) {
  constexpr int L = kLanes<T>;
  const Epilogue& e = out.epilogue;
  const bool row_bias = adds_row_bias_only(out), col_bias = adds_col_bias_only(out);
  for (int64_t j = 0; j < cols; j += L) {
    const int64_t count = cols - j < L ? cols - j : L;
    const bool contiguous = contiguous_cols(out, col + j, count);
    const int64_t* offsets = contiguous ? nullptr : out.col_offsets;
    const int64_t first = offsets ? 0 : col_offset(out, col + j);
    const int64_t stride = contiguous ? 1 : out.col_stride;
    if (offsets) offsets += col + j;
    if (contiguous && row_bias) {
      const D* bias = static_cast<const D*>(e.bias.data) + row * e.bias.row_stride;
      for (int64_t i = 0; i < rows; ++i, bias += e.bias.row_stride) {
        D* c = reinterpret_cast<D*>(out.c) + row_offset(out, row + i) + first;
        store_as(c, load(sums + i * distance + j) + broadcast(value_of<T>(bias)), count);
      }
      continue;
    }
    if (contiguous && (out.plain || col_bias)) {
      const Vec<T> bias =
          col_bias ? load_as<T>(static_cast<const D*>(e.bias.data) + col + j, count) : Vec<T>{};
      for (int64_t i = 0; i < rows; ++i) {
        D* c = reinterpret_cast<D*>(out.c) + row_offset(out, row + i) + first;
        const Vec<T> x = load(sums + i * distance + j);
        store_as(c, col_bias ? x + bias : x, count);
      }
      continue;
    }
    for (int64_t i = 0; i < rows; ++i) {
      D* c = reinterpret_cast<D*>(out.c) + row_offset(out, row + i) + first;
      // Sums are padded to whole vectors.
      finish_vector<T, D>(load(sums + i * distance + j), out, c, stride, offsets, row + i, col + j,
                          count);
    }
  }
}

template <class T>
using ComplexValue = math::complex<T>;
template <class T>
static inline ComplexValue<T> complex_of(GemmScalar s) {
  return {T(s.re), T(s.im)};
}

template <class T>
static void finish_complex(const ComplexValue<T>* sums, int64_t distance, int64_t rows,
                           int64_t cols, const GemmOutput& out, int64_t row, int64_t col) {
  using C = ComplexValue<T>;
  const Epilogue& e = out.epilogue;
  const C alpha = complex_of<T>(out.alpha), beta = complex_of<T>(out.beta);
  const C bias_scale = complex_of<T>(e.bias_scale);
  const bool scale = !(out.alpha == GemmScalar(1)), add_c = !(out.beta == GemmScalar(0));
  const bool copied = out.plain && contiguous_cols(out, col, cols);
  for (int64_t i = 0; i < rows; ++i) {
    C* c = reinterpret_cast<C*>(out.c) + row_offset(out, row + i);
    if (copied) {
      memcpy(c + col_offset(out, col), sums + i * distance, size_t(cols) * sizeof(C));
      continue;
    }
    for (int64_t j = 0; j < cols; ++j) {
      C& target = c[col_offset(out, col + j)];
      C x = sums[i * distance + j];
      if (scale) x = alpha * x;
      if (add_c) x = x + beta * target;
      if (e.bias.data) {
        C bias = static_cast<const C*>(
            e.bias.data)[(row + i) * e.bias.row_stride + (col + j) * e.bias.col_stride];
        if (e.bias.conj) bias.im = -bias.im;
        x = x + bias_scale * bias;
      }
      target = x;
    }
  }
}

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
