#include "kernels/cpu/matmul/gemm/product.h"

#include "core/parallel/parallel.h"

namespace flambeau::inline v1::cpu {
namespace {

// Up to so many rows, B is multiplied where it lies, because packing it would not pay.
constexpr int64_t kInPlaceRows = 64;
constexpr size_t kStackBytes = 64 << 10;
// Memory for an operand that is packed before its product starts.
constexpr int64_t kSharedBytes = int64_t{32} << 20;

void pack_a(const GemmProblem& p, int64_t row, int64_t rows, int64_t from, int64_t depth,
            char* to) {
  const GemmKernels& f = *p.kernels;
  f.pack_a(p.a.at(row, from, f.element), p.a.lane_stride, p.a.k_stride, p.a.conj, rows, depth, to);
}

void pack_b(const GemmProblem& p, int64_t col, int64_t cols, int64_t from, int64_t depth,
            char* to) {
  const GemmKernels& f = *p.kernels;
  f.pack_b(p.b.at(col, from, f.element), p.b.lane_stride, p.b.k_stride, p.b.conj, cols, depth, to);
}

// An operand's blocks, packed before the tasks that multiply them: step by step, block by block.
struct SharedOperand {
  int64_t block, blocks;  // lanes in a block, blocks in all
  int64_t step_bytes;     // of a block, packed
  int64_t steps;
  bool wanted;    // more than one task needs a block
  int64_t chunk;  // blocks that are packed at a time

  SharedOperand(int64_t lanes, int64_t lane_block, int64_t users, int64_t bytes, int64_t step_count)
      : block(lane_block),
        blocks(ceil_div(lanes, lane_block)),
        step_bytes(bytes),
        steps(step_count),
        wanted(users > 1),
        chunk(wanted ? std::clamp<int64_t>(kSharedBytes / (bytes * step_count), 1, blocks)
                     : blocks) {}
  int64_t bytes() const { return wanted ? chunk * steps * step_bytes : 0; }
};

}  // namespace

void multiply_block(const GemmProblem& p, const GemmTask& task, const GemmOutput& out) {
  const GemmKernels& f = *p.kernels;
  const GemmSteps steps(f, task.depth);
  const bool in_place =
      !task.packed_b && f.b_in_place && p.b.lane_stride == 1 && task.rows <= kInPlaceRows;
  const int64_t local_a = task.packed_a ? 0 : packed_a_bytes(f, task.rows);
  const int64_t local_b = task.packed_b || in_place ? 0 : packed_b_bytes(f, task.cols, steps.depth);
  const int64_t sums =
      steps.count == 1 ? 0 : round_up(task.rows, f.mr) * round_up(task.cols, f.nr) * f.acc;
  SmallScratch<kStackBytes> scratch(local_a + local_b + sums);
  char* const own_a = scratch.data();
  char* const own_b = own_a + local_a;
  GemmBlock block{.rows = task.rows,
                  .cols = task.cols,
                  .b_in_place = in_place,
                  .b_row_stride = p.b.k_stride,
                  .partial = sums == 0 ? nullptr : own_b + local_b,
                  .out = &out,
                  .row = task.row,
                  .col = task.col};
  for (int64_t s = 0; s < steps.count; ++s) {
    const int64_t from = task.from + s * steps.depth;
    block.depth = steps.depth_of(s, task.depth);
    block.first = s == 0;
    block.last = s + 1 == steps.count;
    block.a = task.packed_a ? task.packed_a + s * task.packed_a_step : own_a;
    if (!task.packed_a) pack_a(p, task.row, task.rows, from, block.depth, own_a);
    if (in_place) {
      block.b = p.b.at(task.col, from, f.element);
    } else if (task.packed_b) {
      block.b = task.packed_b + s * task.packed_b_step;
    } else {
      block.b = own_b;
      pack_b(p, task.col, task.cols, from, block.depth, own_b);
    }
    f.multiply(block);
  }
}

void multiply_shared(const GemmProblem& p, int64_t row_block, int64_t col_block) {
  const GemmKernels& f = *p.kernels;
  const GemmSteps steps(f, p.k);
  const int64_t row_blocks = ceil_div(p.m, row_block), col_blocks = ceil_div(p.n, col_block);
  const SharedOperand a(p.m, row_block, col_blocks, packed_a_bytes(f, row_block), steps.count);
  const SharedOperand b(p.n, col_block, row_blocks, packed_b_bytes(f, col_block, steps.depth),
                        steps.count);
  const Scratch packed_a(a.bytes()), packed_b(b.bytes());
  auto lanes = [](const SharedOperand& operand, int64_t block, int64_t all) {
    return std::min(operand.block, all - block * operand.block);
  };
  for (int64_t i0 = 0; i0 < a.blocks; i0 += a.chunk) {
    const int64_t rows = std::min(a.chunk, a.blocks - i0);
    for (int64_t j0 = 0; j0 < b.blocks; j0 += b.chunk) {
      const int64_t cols = std::min(b.chunk, b.blocks - j0);
      const int64_t a_tasks = a.wanted && j0 == 0 ? rows * steps.count : 0;
      const int64_t b_tasks = b.wanted ? cols * steps.count : 0;
      parallel_tasks(a_tasks + b_tasks, [&](int64_t t) {
        const bool is_a = t < a_tasks;
        if (!is_a) t -= a_tasks;
        const int64_t s = t % steps.count, from = s * steps.depth;
        const int64_t depth = steps.depth_of(s, p.k);
        if (is_a) {
          const int64_t i = i0 + t / steps.count;
          pack_a(p, i * row_block, lanes(a, i, p.m), from, depth,
                 packed_a.data() + t * a.step_bytes);
        } else {
          const int64_t j = j0 + t / steps.count;
          pack_b(p, j * col_block, lanes(b, j, p.n), from, depth,
                 packed_b.data() + t * b.step_bytes);
        }
      });
      parallel_tasks(rows * cols, [&](int64_t t) {
        const int64_t i = t % rows, j = t / rows;
        const GemmTask task{
            .row = (i0 + i) * row_block,
            .rows = lanes(a, i0 + i, p.m),
            .col = (j0 + j) * col_block,
            .cols = lanes(b, j0 + j, p.n),
            .depth = p.k,
            .packed_a = a.wanted ? packed_a.data() + i * steps.count * a.step_bytes : nullptr,
            .packed_b = b.wanted ? packed_b.data() + j * steps.count * b.step_bytes : nullptr,
            .packed_a_step = a.step_bytes,
            .packed_b_step = b.step_bytes};
        multiply_block(p, task, p.out);
      });
    }
  }
}

}  // namespace flambeau::inline v1::cpu
