// Products with planes in place; compiled once per instruction set. See Note [Planes in place].
#include "kernels/cpu/conv/taps.h"
#include "kernels/cpu/matmul/gemm/block.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

#if defined(FLAMBEAU_ANY_LANES)
// Rows filters x (Vectors vectors) of pixels, for taps of one group.
template <bool Readable, class T, int Rows, int Vectors>
inline void walk(const TapBlock& block, const T* a, const TapPanel& panel, const Tap* first,
                 const Tap* last, const TapGroup& group, Vec<T> (&acc)[Rows][Vectors]) {
  constexpr int pitch = kPitchBytes / sizeof(T);
  Mask lanes[Vectors], here[Vectors], later[Vectors];
  for (int v = 0; v < Vectors; ++v) {
    lanes[v] = lanes_of<T>(group.lanes[v]);
    here[v] = lanes_of<T>(group.lanes[v] & ~panel.later[v]);
    later[v] = lanes_of<T>(Readable ? panel.later[v] : group.lanes[v] & panel.later[v]);
  }
  const bool broken = (panel.later[0] | panel.later[1]) != 0;
  const int64_t start[] = {0, panel.second};
  const T* src = static_cast<const T*>(block.src);
  // The pixels of the next panel that this one has not read.
  const int64_t next = (last - 1)->offset + kBlockVectors * kLanes<T>;
  int64_t left = block.left;
  for (int64_t c = 0; c < block.channels; ++c, a += block.taps, src += block.c_stride) {
    if (left-- == 0) {
      src += block.jump;
      left = block.slice - 1;
    }
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(src + next + start[v], 0, 2);
    for (const Tap* tap = first; tap != last; ++tap) {
      const T* const filters = a + tap->element;
      const T* const at = src + tap->offset;
      Vec<T> pixels[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        pixels[v] = Readable ? load(at + start[v]) : load(at + start[v], here[v]);
        if (broken) pixels[v] = load_into(pixels[v], at + start[v] + block.gap, later[v]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const Vec<T> filter = broadcast(filters[i * pitch]);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
          acc[i][v] = Readable ? fma(filter, pixels[v], acc[i][v], lanes[v])
                               : fma(filter, pixels[v], acc[i][v]);
        }
      }
    }
  }
}

template <class T, int Rows, int Vectors>
void tap_kernel(const TapBlock& block, const T* a, const TapPanel& panel, Mask tail,
                const Tile<T>& tile) {
  prefetch<Rows, Vectors>(tile);
  Vec<T> acc[Rows][Vectors] = {};
  const Tap* first = panel.taps;
  for (int64_t g = 0; g < panel.group_count; ++g) {
    const TapGroup& group = panel.groups[g];
    const Tap* const last = panel.taps + group.end;
    if (group.read_from + block.least >= block.low && group.read_to + block.most <= block.high) {
      walk<true>(block, a, panel, first, last, group, acc);
    } else {
      walk<false>(block, a, panel, first, last, group, acc);
    }
    first = last;
  }
  store_tile(acc, tile, tail);
}

template <class T>
struct TapKernels {
  using Kernel = decltype(&tap_kernel<T, 1, 1>);
  template <int... I>
  struct Rows {
    static constexpr Kernel table[][kBlockVectors] = {
        {tap_kernel<T, I + 1, 1>, tap_kernel<T, I + 1, 2>}...};
  };
  template <int... I>
  static Rows<I...> rows(std::integer_sequence<int, I...>);
  using All = decltype(rows(std::make_integer_sequence<int, kRows>()));
};

template <class T>
void multiply_taps(const TapBlock& taps) {
  constexpr int L = kLanes<T>, kCols = kBlockVectors * L, pitch = kPitchBytes / sizeof(T);
  const GemmBlock& block = taps.block;
  alignas(kVectorBytes) T staging[kRows * kCols];
  const T* a = static_cast<const T*>(block.a);
  T* partial = static_cast<T*>(block.partial);
  const int64_t most_rows = even_rows(block.rows);
  for (int64_t i = 0; i < block.rows; i += most_rows, a += most_rows * pitch) {
    const int64_t rows = smaller(most_rows, block.rows - i);
    for (int64_t j = 0; j < block.cols; j += kCols) {
      const int64_t cols = smaller(kCols, block.cols - j), vectors = (cols + L - 1) / L;
      const Tile<T> tile = tile_of<T, T>(block, i, j, cols, kCols, partial, staging);
      TapKernels<T>::All::table[rows - 1][vectors - 1](
          taps, a, taps.panels[j / kCols], first_lanes<T>(cols - (vectors - 1) * L), tile);
      if (tile.out == staging) {
        finish_either_way<T, T>(staging, kCols, rows, cols, *block.out, block.row + i,
                                block.col + j);
      }
      if (partial) partial += kRows * kCols;
    }
  }
}
#else
template <class T>
constexpr void (*multiply_taps)(const TapBlock&) = nullptr;
#endif

}  // namespace

extern const TapMultiply tap_multiply;
const TapMultiply tap_multiply = {multiply_taps<float>, multiply_taps<double>};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
