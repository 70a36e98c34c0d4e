// Products with pixels in place; compiled once per instruction set. See Note [Pixels in place].
#include "kernels/cpu/conv/pixels.h"
#include "kernels/cpu/matmul/gemm/block.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Odd multiples of a distance: with the powers of two that addresses can be scaled by, they reach
// all rows.
struct Distances {
  int64_t odd[kRows / 2];

  explicit Distances(int64_t distance) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows / 2; ++i) odd[i] = (2 * i + 1) * distance;
  }
  template <class T>
  const T* row(const T* first, int i) const {
    if (i == 0) return first;
    const int shift = __builtin_ctz(static_cast<unsigned>(i));
    return first + (odd[(i >> shift) / 2] << shift);
  }
};

template <class T, int Rows, int Vectors>
void pixel_kernel(const PixelBlock& block, const T* src, const T* b, Mask tail,
                  const Tile<T>& tile) {
  constexpr int L = kLanes<T>;
  prefetch<Rows, Vectors>(tile);
  const Distances distances(block.distance);
  const int64_t* const offsets = block.offsets;
  const int64_t depth = block.block.depth;
  Vec<T> acc[Rows][Vectors] = {};
  for (int64_t q = 0; q < depth; ++q, b += kBlockVectors * L) {
    const T* const at = src + offsets[q];
    Vec<T> filters[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) filters[v] = load(b + v * L);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> pixel = broadcast(*distances.row(at, i));
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) acc[i][v] = fma(pixel, filters[v], acc[i][v]);
    }
  }
  store_tile(acc, tile, tail);
}

template <class T>
struct PixelKernels {
  using Kernel = decltype(&pixel_kernel<T, 1, 1>);
  template <int... I>
  struct Rows {
    static constexpr Kernel table[][kBlockVectors] = {
        {pixel_kernel<T, I + 1, 1>, pixel_kernel<T, I + 1, 2>}...};
  };
  template <int... I>
  static Rows<I...> rows(std::integer_sequence<int, I...>);
  using All = decltype(rows(std::make_integer_sequence<int, kRows>()));
};

template <class T>
void multiply_pixels(const PixelBlock& pixels) {
  constexpr int L = kLanes<T>, kCols = kBlockVectors * L;
  const GemmBlock& block = pixels.block;
  alignas(kVectorBytes) T staging[kRows * kCols];
  const T* src = static_cast<const T*>(pixels.src);
  T* partial = static_cast<T*>(block.partial);
  const int64_t most_rows = even_rows(block.rows);
  for (int64_t i = 0; i < block.rows; i += most_rows, src += most_rows * pixels.distance) {
    const int64_t rows = smaller(most_rows, block.rows - i);
    const T* b = static_cast<const T*>(block.b);
    for (int64_t j = 0; j < block.cols; j += kCols, b += block.b_depth * kCols) {
      const int64_t cols = smaller(kCols, block.cols - j), vectors = (cols + L - 1) / L;
      const Tile<T> tile = tile_of<T, T>(block, i, j, cols, kCols, partial, staging);
      PixelKernels<T>::All::table[rows - 1][vectors - 1](
          pixels, src, b, first_lanes<T>(cols - (vectors - 1) * L), tile);
      if (tile.out == staging) {
        finish_either_way<T, T>(staging, kCols, rows, cols, *block.out, block.row + i,
                                block.col + j);
      }
      if (partial) partial += kRows * kCols;
    }
  }
}

}  // namespace

extern const PixelMultiply pixel_multiply;
const PixelMultiply pixel_multiply = {multiply_pixels<float>, multiply_pixels<double>};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
