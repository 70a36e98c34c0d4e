// Tiles of scores, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// rows x cols scores, `ld` elements between rows. `mask` is added to them unless it is null; its
// strides are in elements. Of row r the first `visible + r` scores count.
template <class T>
struct ScoreTile {
  T* scores;
  int64_t rows, cols, ld;
  T scale;
  const T* mask;
  int64_t mask_row, mask_col;
  int64_t visible;
};

template <class T>
struct AttentionKernels {
  // Note [Online softmax]
  // The scores become exp(scale score + mask - most), where `most` is the largest of the row so
  // far; what was summed before, in `sum` and in the rows of `acc`, was relative to a smaller one
  // and is scaled to the new. In the first tile there is nothing before. A row of which nothing
  // counts sums to 0.
  void (*softmax)(const ScoreTile<T>& tile, bool first, T* most, T* sum, T* acc, int64_t width);
  // The scores become what softmax gave, p = exp(scale score + mask - lse), and `grad`, which is
  // the gradient of p, that of the product of query and key: scale p (grad - dot).
  void (*gradient)(const ScoreTile<T>& tile, T* grad, const T* lse, const T* dot);
  // acc /= sum, and lse = most + log(sum).
  void (*finish)(T* acc, int64_t rows, int64_t width, const T* most, const T* sum, T* lse);
  // The product of each row of a with one of b.
  void (*dots)(T* out, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t rows,
               int64_t n);
};

struct AllAttentionKernels {
  AttentionKernels<float> f32;
  AttentionKernels<double> f64;
};

}  // namespace flambeau::inline v1::cpu
