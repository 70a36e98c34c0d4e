// What an instruction set offers to the drivers of products and convolutions: functions for blocks
// that one thread computes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/matmul/gemm/gemm.h"

namespace flambeau::inline v1::cpu {

// Where finished elements go. Element (i, j) lies at row(i) + col(j), each either a multiple of a
// stride or read from a table.
struct GemmOutput {
  char* c = nullptr;
  int64_t row_stride = 0, col_stride = 0;
  const int64_t* row_offsets = nullptr;
  const int64_t* col_offsets = nullptr;
  GemmScalar alpha = 1, beta = 0;
  Epilogue epilogue;
  bool plain = true;  // nothing but the product itself
};

// rows x cols of a product, over `depth` of its k.
struct GemmBlock {
  int64_t rows = 0, cols = 0, depth = 0;
  const void* a = nullptr;  // packed
  const void* b = nullptr;  // packed, or in place: rows of contiguous elements
  int64_t b_depth = 0;      // of the packed panels, where `depth` is a part of it; or 0
  bool b_in_place = false;
  int64_t b_row_stride = 0;  // in place, in elements
  void* partial = nullptr;   // sums between the first and the last block along k
  bool first = true, last = true;
  const GemmOutput* out = nullptr;
  int64_t row = 0, col = 0;  // of the block in the output
};

// Note [Packed operands]
// A block of A is packed into rows, each contiguous along k, at a fixed distance from the next, so
// that the kernel reaches up to `mr` rows from one pointer; a row-major A is merely copied. A block
// of B is packed into panels of `nr` columns, contiguous along the columns, zeros beyond the last.
// The kernel multiplies one panel with another into registers.
struct GemmKernels {
  int mr, nr;
  int max_depth;            // of k in one block
  int element, acc, store;  // bytes of an element of A and B, of a sum, of C
  int64_t a_row;            // bytes of a packed row of A, whatever its depth
  int64_t b_unit;           // bytes of a packed panel of B per `depth_unit` of k
  int depth_unit;
  bool b_in_place;  // multiply can read B where it is

  // rows x depth, and depth x cols. A lane is a row of A or a column of B.
  void (*pack_a)(const void* a, int64_t row_stride, int64_t k_stride, bool conj, int64_t rows,
                 int64_t depth, void* panels);
  void (*pack_b)(const void* b, int64_t col_stride, int64_t k_stride, bool conj, int64_t cols,
                 int64_t depth, void* panels);
  void (*multiply)(const GemmBlock& block);
  // rows x cols of the output, from (row, col) on = the sum of `count` matrices of sums, added as a
  // tree. `pitch` and `distance` lie between rows and between matrices, in elements; rows are
  // padded to whole vectors. Overwrites the sums.
  void (*finish_parts)(void* parts, int64_t count, int64_t distance, int64_t rows, int64_t cols,
                       int64_t pitch, const GemmOutput& out, int64_t row, int64_t col);

  // y = x B for one row x of `depth` sums: columns [0, cols) of B, which are contiguous along k
  // (distance col_stride), or whose rows are contiguous (distance k_stride). nullptr: not offered.
  void (*vector_dot)(const void* x, const void* b, int64_t col_stride, int64_t depth, int64_t cols,
                     void* y);
  void (*vector_sum)(const void* x, const void* b, int64_t k_stride, int64_t depth, int64_t cols,
                     void* y);
  // Loads a vector as sums.
  void (*widen)(const void* x, int64_t stride, int64_t count, void* sums);
};

struct GemmTable {
  GemmKernels of[static_cast<int>(GemmType::count)];
};

namespace baseline {
extern const GemmTable gemm_table;
}
namespace avx2 {
extern const GemmTable gemm_table;
}
namespace avx512 {
extern const GemmTable gemm_table;
extern const GemmKernels gemm_bf16, gemm_bf16_f32;  // with vdpbf16ps
}  // namespace avx512

// Of the instruction set in use.
const GemmKernels& gemm_kernels(GemmType type);

}  // namespace flambeau::inline v1::cpu
