// One matrix product, cut into blocks of C that tasks compute.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/matmul/gemm/table.h"

namespace flambeau::inline v1::cpu {

// ceil(length / count), rounded up to `step`: the length of each of at most `count` equal blocks.
constexpr int64_t even_block(int64_t length, int64_t count, int64_t step) {
  return round_up(ceil_div(length, count), step);
}

// Multiply-adds below which another task costs more than it brings.
constexpr int64_t kTaskWork = int64_t{1} << 18;
// Tasks that keep all threads busy to the end.
inline int64_t wanted_tasks() {
  return in_parallel_region() || num_threads() == 1 ? 1 : 4 * num_threads();
}

// The rows of A or the columns of B.
struct GemmOperand {
  const char* data = nullptr;
  int64_t lane_stride = 0, k_stride = 0;
  bool conj = false;

  const char* at(int64_t lane, int64_t k, int element) const {
    return data + (lane * lane_stride + k * k_stride) * element;
  }
};

struct GemmProblem {
  const GemmKernels* kernels = nullptr;
  int64_t m = 0, n = 0, k = 0;
  GemmOperand a, b;
  GemmOutput out;
};

// The blocks of k, for which operands are packed one after the other.
struct GemmSteps {
  int64_t count, depth;

  GemmSteps(const GemmKernels& f, int64_t k)
      : count(k <= f.max_depth ? 1 : ceil_div(k, f.max_depth)),
        depth(count == 1 ? k : even_block(k, count, 8)) {}
  int64_t depth_of(int64_t step, int64_t k) const {
    return step + 1 < count ? depth : k - step * depth;
  }
};

// A block of C, and of k.
struct GemmTask {
  int64_t row = 0, rows = 0, col = 0, cols = 0;
  int64_t from = 0, depth = 0;
  // Operands of this task that are packed already, for the first step; nullptr: the task does it.
  const char* packed_a = nullptr;
  const char* packed_b = nullptr;
  int64_t packed_a_step = 0, packed_b_step = 0;  // bytes to the next step's
};

inline int64_t packed_a_bytes(const GemmKernels& f, int64_t rows) { return rows * f.a_row; }
inline int64_t packed_b_bytes(const GemmKernels& f, int64_t cols, int64_t depth) {
  return ceil_div(cols, f.nr) * f.b_unit * ceil_div(depth, f.depth_unit);
}

void multiply_block(const GemmProblem& p, const GemmTask& task, const GemmOutput& out);

// All of C, single-threaded or by parallel tasks over blocks whose operands are packed once.
// Blocks are row_block x col_block, multiples of mr and nr unless they cover all of C.
void multiply_shared(const GemmProblem& p, int64_t row_block, int64_t col_block);

}  // namespace flambeau::inline v1::cpu
