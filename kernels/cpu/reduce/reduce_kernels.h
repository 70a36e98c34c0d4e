// What an instruction set offers to the driver of reductions.
#pragma once

#include "kernels/cpu/pointwise/loop.h"

namespace flambeau::inline v1::cpu {

enum class Reduction : uint8_t {
  sum,
  mean,
  prod,
  max,
  min,
  arg_max,
  arg_min,
  any,
  all,
  spread,
  logsumexp,
  norm_0,
  norm_1,
  norm_2,
  norm_p,
  norm_max,
  norm_min,
  count,
};
constexpr int kReductions = static_cast<int>(Reduction::count);

// A reduction turns blocks of elements into states, joins states in a fixed order, and turns each
// state into a result.
struct ReduceKernel {
  int64_t state_bytes = 0;  // 0: not defined for this type
  // The states of rows of n elements; `index` is the place of the first one of each. None gives the
  // identity. The stride between rows is in bytes.
  void (*rows)(const void* elements, int64_t row_stride, int64_t rows, int64_t n, int64_t index,
               const void* params, void* states);
  // The states of `cols` columns of at least one row.
  void (*columns)(const void* elements, int64_t row_stride, int64_t rows, int64_t cols,
                  int64_t index, const void* params, void* states);
  // states[i] and later[i], joined into states[i].
  void (*combine)(void* states, const void* later, int64_t n);
  // Results of n states; an output that nobody wants is nullptr.
  void (*finish)(const void* states, int64_t n, int64_t count, const void* params,
                 void* const* outs);
  DType outs[2];               // their types
  int64_t longest_row = 2048;  // elements that are best taken at a time
  int64_t shortest_row = 64;   // below which it is better to reduce across results
  // As `rows`, of every second, third and fourth element; null where those are better gathered.
  decltype(rows) rows_with_gaps[3] = {};
};

struct ReduceRow {  // one reduction
  ReduceKernel by[kComputes];
  ReduceKernel half = {};  // of float16, where elements are read as they are
};
struct ReduceKernels {
  const ReduceRow* by[kReductions];
};

struct SpreadParams {
  double correction;
  bool root;
};
struct NormParams {
  double p;
};

namespace baseline {
extern const ReduceKernels reduce_kernels;
}
namespace avx2 {
extern const ReduceKernels reduce_kernels;
}
namespace avx512 {
extern const ReduceKernels reduce_kernels;
}

}  // namespace flambeau::inline v1::cpu
