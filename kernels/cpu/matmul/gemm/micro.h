// The micro-kernels: a panel of A times a panel of B, in registers. One text for all widths.
#pragma once

#include <utility>

#include "kernels/cpu/matmul/gemm/pack.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

// What a kernel multiplies and sums; see Note [Units].
template <class T>
struct RealMath {
  using Unit = T;
  using Acc = T;
  template <class S>
  using Operand = Source<S, T>;
  static constexpr int kPerUnit = 1;
  static Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> c) { return fma(a, b, c); }
};

template <class Acc>
struct Tile {
  const Acc* add;  // sums of the blocks before, in rows of kBlockVectors vectors; may be null
  Acc* out;
  int64_t out_stride;
  bool whole;       // all of the last vector may be stored
  const Acc* bias;  // of each row; may be null
  const Acc* col_bias = nullptr;
};

template <int Rows, int Vectors, class T>
static inline void prefetch(const Tile<T>& tile) {
  const T* c = tile.out;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i, c += tile.out_stride) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(c + v * kLanes<T>, 1);
  }
}

// `tail`: the lanes of each row's last vector that may be stored.
template <int Rows, int Vectors, class T>
static inline void store_tile(Vec<T> (&acc)[Rows][Vectors], const Tile<T>& tile, Mask tail) {
  constexpr int L = kLanes<T>;
  T* out = tile.out;
  Vec<T> col_bias[Vectors] = {};
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v) {
    const T* const at = tile.col_bias + v * L;
    if (tile.col_bias) col_bias[v] = v < Vectors - 1 || tile.whole ? load(at) : load(at, tail);
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    const Vec<T> bias = tile.bias ? broadcast(tile.bias[i]) : Vec<T>{};
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      if (tile.add) acc[i][v] += load(tile.add + (i * kBlockVectors + v) * L);
      if (tile.bias) acc[i][v] += bias;
      if (tile.col_bias) acc[i][v] += col_bias[v];
      if (v < Vectors - 1 || tile.whole) {
        store(out + v * L, acc[i][v]);
      } else {
        store(out + v * L, acc[i][v], tail);
      }
    }
    out += tile.out_stride;
  }
}

// Rows x (Vectors vectors) of C. `InPlace`: the last vector of each row of B ends where `tail`
// says.
template <class Math, int Rows, int Vectors, bool InPlace>
static void micro_kernel(int64_t units, const typename Math::Unit* a, const typename Math::Unit* b,
                         int64_t b_stride, Mask tail, Tile<typename Math::Acc> tile) {
  using U = typename Math::Unit;
  using T = typename Math::Acc;
  constexpr int L = kLanes<T>;
  constexpr int pitch = kPitchBytes / sizeof(U);
  // In place means a small product, whose C is near.
  if constexpr (!InPlace) prefetch<Rows, Vectors>(tile);
  Vec<T> acc[Rows][Vectors] = {};
  for (int64_t q = 0; q < units; ++q) {
    Vec<U> columns[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      columns[v] = InPlace && v == Vectors - 1 ? load(b + v * L, tail) : load(b + v * L);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec<U> row = broadcast(a[i * pitch]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        acc[i][v] = Math::multiply_add(row, columns[v], acc[i][v]);
      }
    }
    ++a;
    b += b_stride;
  }
  store_tile(acc, tile, tail);
}

// The same vector, in a register: the compiler would negate a number before it spreads it, though a
// product is subtracted at no cost.
template <class T>
static inline Vec<T> held(Vec<T> v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#endif
  return v;
}

// Complex products: A's rows hold two planes of half the pitch, B's units two vectors (real parts,
// imaginary parts). Sums leave with their parts interleaved, as complex numbers are stored.
template <class T, int Rows>
static void complex_micro_kernel(int64_t units, const T* a, const T* b, Tile<T> tile) {
  constexpr int L = kLanes<T>;
  constexpr int pitch = kPitchBytes / sizeof(T);
  Vec<T> real[Rows] = {}, imag[Rows] = {};
  for (int64_t q = 0; q < units; ++q) {
    const Vec<T> b_real = load(b), b_imag = load(b + L);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> a_real = broadcast(a[i * pitch]);
      const Vec<T> a_imag = held<T>(broadcast(a[i * pitch + pitch / 2]));
      real[i] = fma(-a_imag, b_imag, fma(a_real, b_real, real[i]));
      imag[i] = fma(a_imag, b_real, fma(a_real, b_imag, imag[i]));
    }
    ++a;
    b += 2 * L;
  }
  decltype(real[0] < real[0]) first, second;
  for (int j = 0; j < L; ++j) {
    first[j] = j / 2 + (j % 2) * L;
    second[j] = first[j] + L / 2;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    Vec<T> low = __builtin_shuffle(real[i], imag[i], first);
    Vec<T> high = __builtin_shuffle(real[i], imag[i], second);
    if (tile.add) {
      low += load(tile.add + i * 2 * L);
      high += load(tile.add + i * 2 * L + L);
    }
    store(tile.out + i * tile.out_stride, low);
    store(tile.out + i * tile.out_stride + L, high);
  }
}

// The kernels by number of rows and of vectors.
template <class Math, bool InPlace>
struct MicroKernels {
  using Kernel = decltype(&micro_kernel<Math, 1, 1, InPlace>);
  template <int... I>
  struct Rows {
    static constexpr Kernel table[][kBlockVectors] = {
        {micro_kernel<Math, I + 1, 1, InPlace>, micro_kernel<Math, I + 1, 2, InPlace>}...};
  };
  template <int... I>
  static Rows<I...> rows(std::integer_sequence<int, I...>);
  using All = decltype(rows(std::make_integer_sequence<int, kRows>()));
  static Kernel get(int64_t row_count, int64_t vectors) {
    return All::table[row_count - 1][vectors - 1];
  }
};

template <class T>
struct ComplexMicroKernels {
  using Kernel = decltype(&complex_micro_kernel<T, 1>);
  template <int... I>
  struct Rows {
    static constexpr Kernel table[] = {complex_micro_kernel<T, I + 1>...};
  };
  template <int... I>
  static Rows<I...> rows(std::integer_sequence<int, I...>);
  using All = decltype(rows(std::make_integer_sequence<int, kRows>()));
  static Kernel get(int64_t row_count) { return All::table[row_count - 1]; }
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
