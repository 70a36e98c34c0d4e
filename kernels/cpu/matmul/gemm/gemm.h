// Matrix products on the CPU: C = activation(alpha * A B + beta * C + bias_scale * bias).
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// The types of A, B, C and bias. 16-bit inputs are summed in f32; `_f32` forms also store f32.
enum class GemmType : uint8_t { f32, f64, c64, c128, bf16, bf16_f32, f16, f16_f32, count };

// Real types use `re` alone.
struct GemmScalar {
  double re = 0, im = 0;
  constexpr GemmScalar(double real = 0, double imaginary = 0) : re(real), im(imaginary) {}
  friend constexpr bool operator==(const GemmScalar&, const GemmScalar&) = default;
};

// Strides count elements and may be anything (0 repeats, negative runs backwards).
struct Matrix {
  const void* data = nullptr;
  int64_t row_stride = 0, col_stride = 0;
  bool conj = false;
};
struct MutableMatrix {
  void* data = nullptr;
  int64_t row_stride = 0, col_stride = 0;
};

// gelu is x/2 erfc(-x / sqrt 2), gelu_tanh its approximation by tanh. Complex types: none only.
enum class Activation : uint8_t { none, relu, gelu, gelu_tanh };

// bias.data == nullptr: none. Strides (0, 1) add a vector to each row, (1, 0) to each column, (ld,
// 1) a whole matrix.
struct Epilogue {
  Matrix bias;
  GemmScalar bias_scale = 1;
  Activation activation = Activation::none;
};

// A is m x k, B is k x n, C is m x n. C is not read when beta is 0; A and B are not read when alpha
// is 0. C must not overlap A, B or bias, except that bias may be C itself.
//
// Note [Bits of a product]
// Per instruction set, an element of C depends on its row of A, its column of B and k alone: not on
// threads, alignment, strides or neighbours. The order of its sum is chosen by type and k; products
// with one row or column, and those whose m n is small against k, have orders of their own, which
// are chosen by m, n and k.
void gemm(GemmType type, int64_t m, int64_t n, int64_t k, GemmScalar alpha, const Matrix& a,
          const Matrix& b, GemmScalar beta, const MutableMatrix& c, const Epilogue& epilogue = {});

// One dimension of a batch: distances between the matrices of neighbouring members, in elements.
struct BatchDim {
  int64_t size = 1, a = 0, b = 0, c = 0, bias = 0;
};

// The product for each member of dims[0].size * ... * dims[rank - 1].size.
void gemm_batched(GemmType type, int rank, const BatchDim* dims, int64_t m, int64_t n, int64_t k,
                  GemmScalar alpha, const Matrix& a, const Matrix& b, GemmScalar beta,
                  const MutableMatrix& c, const Epilogue& epilogue = {});

}  // namespace flambeau::inline v1::cpu
