// Products of matrices of integers; one table per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// Elements of one size. They wrap around, so that signed ones have the bits of unsigned ones.
// Panels have `columns` elements a row, which may be wider than those of the matrices. Strides are
// in elements.
struct IntegerKernels {
  int64_t columns, panel_item;
  // Rows [0, depth) and columns [0, cols) of b as a panel; zeros beyond them.
  void (*pack)(void* panel, const void* b, int64_t row_stride, int64_t col_stride, int64_t depth,
               int64_t cols);
  // c = a * panel, or c += a * panel; rows of the panel are panel_stride apart.
  void (*multiply)(void* c, int64_t c_stride, const void* a, int64_t row_stride, int64_t col_stride,
                   const void* panel, int64_t panel_stride, int64_t rows, int64_t cols,
                   int64_t depth, bool adds);
  void (*dot)(void* c, const void* a, const void* b, int64_t n);  // contiguous
};
struct IntegerTable {
  IntegerKernels by[4];  // by the logarithm of the size
};

namespace baseline {
extern const IntegerTable integer_table;
}
namespace avx2 {
extern const IntegerTable integer_table;
}
namespace avx512 {
extern const IntegerTable integer_table;
}

}  // namespace flambeau::inline v1::cpu
