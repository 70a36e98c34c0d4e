#include "kernels/cpu/matmul/gemm/gemm.h"

#include <algorithm>
#include <utility>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/product.h"

namespace flambeau::inline v1::cpu {
namespace {

// Multiply-adds from which operands are packed before the tasks start.
constexpr int64_t kSharedWork = int64_t{1} << 24;
// A block of C that one task computes; its operands for one step along k fit a second-level cache.
constexpr int64_t kBlockRows = 168, kBlockCols = 256;
// A task of a product with a vector: elements of the matrix, columns whose rows are contiguous.
constexpr int64_t kVectorTask = int64_t{1} << 16, kVectorCols = 1024;
// k is split when there are fewer blocks of C than this.
constexpr int64_t kSplitTasks = 16;

const GemmTable& table_of(Isa set) {
#if defined(__x86_64__)
  if (set == Isa::avx512) return avx512::gemm_table;
  if (set == Isa::avx2) return avx2::gemm_table;
#endif
  (void)set;
  return baseline::gemm_table;
}

GemmTable choose_table() {
  GemmTable table = table_of(isa());
#if defined(__x86_64__)
  if (has_avx512_bf16()) {
    table.of[static_cast<int>(GemmType::bf16)] = avx512::gemm_bf16;
    table.of[static_cast<int>(GemmType::bf16_f32)] = avx512::gemm_bf16_f32;
  }
#endif
  return table;
}

// The type whose results are the sums themselves.
GemmType sums_of(GemmType type) {
  if (type == GemmType::bf16) return GemmType::bf16_f32;
  if (type == GemmType::f16) return GemmType::f16_f32;
  return type;
}

GemmProblem make_problem(GemmType type, int64_t m, int64_t n, int64_t k, const GemmScalar& alpha,
                         const Matrix& a, const Matrix& b, const GemmScalar& beta,
                         const MutableMatrix& c, const Epilogue& epilogue) {
  return {.kernels = &gemm_kernels(type),
          .m = m,
          .n = n,
          .k = alpha == GemmScalar(0) ? 0 : k,
          .a = {static_cast<const char*>(a.data), a.row_stride, a.col_stride, a.conj},
          .b = {static_cast<const char*>(b.data), b.col_stride, b.row_stride, b.conj},
          .out = {.c = static_cast<char*>(c.data),
                  .row_stride = c.row_stride,
                  .col_stride = c.col_stride,
                  .alpha = alpha,
                  .beta = beta,
                  .epilogue = epilogue,
                  .plain = alpha == GemmScalar(1) && beta == GemmScalar(0) && !epilogue.bias.data &&
                           epilogue.activation == Activation::none}};
}

// Makes the rows of C contiguous where one of its strides is 1, and a single column a row.
bool orient(GemmProblem& p) {
  const bool by_column = p.m > 1 && (p.n == 1 || (p.out.col_stride != 1 && p.out.row_stride == 1));
  if (!by_column) return false;
  std::swap(p.m, p.n);
  std::swap(p.a, p.b);
  std::swap(p.out.row_stride, p.out.col_stride);
  std::swap(p.out.epilogue.bias.row_stride, p.out.epilogue.bias.col_stride);
  return true;
}

enum class Method : uint8_t { blocks, vector_dot, vector_sum };

Method method_of(const GemmProblem& p) {
  if (p.m != 1 || !p.kernels->vector_dot || p.k == 0) return Method::blocks;
  if (p.b.k_stride == 1 && (p.k > 1 || p.b.lane_stride != 1)) return Method::vector_dot;
  if (p.b.lane_stride == 1 || p.n == 1) return Method::vector_sum;
  return Method::blocks;
}

// How a product is cut into tasks. `parts`, the parts of k, are chosen by the shape alone, because
// they decide the order of sums; the blocks of C have no influence on it.
struct Plan {
  Method method = Method::blocks;
  int64_t row_block, col_block, blocks = 1;
  int64_t parts = 1, part_depth;

  Plan(const GemmProblem& p, int64_t members) : method(method_of(p)), part_depth(p.k) {
    row_block = p.m;
    col_block = p.n;
    if (method == Method::blocks) {
      plan_blocks(p, members);
    } else {
      plan_vector(p);
    }
  }

 private:
  void split(int64_t k, int64_t wanted, int64_t most, int64_t step) {
    parts = std::min(wanted, most);
    if (parts <= 1) {
      parts = 1;
      return;
    }
    part_depth = even_block(k, parts, step);
    parts = ceil_div(k, part_depth);
  }

  void plan_blocks(const GemmProblem& p, int64_t members) {
    const int64_t work = p.m * p.n * p.k;
    if (work < 2 * kTaskWork && p.m <= kBlockRows && p.n <= kBlockCols) return;
    const GemmKernels& f = *p.kernels;
    const int64_t tiles = ceil_div(p.m, 4 * f.mr) * ceil_div(p.n, 4 * f.nr);
    split(p.k, kSplitTasks / tiles, std::min(p.k / (2 * f.max_depth), work / kTaskWork), 8);
    row_block = even_block(p.m, ceil_div(p.m, kBlockRows), f.mr);
    col_block = even_block(p.n, ceil_div(p.n, kBlockCols), f.nr);
    const int64_t wanted = wanted_tasks();
    auto count = [&] { return ceil_div(p.m, row_block) * ceil_div(p.n, col_block); };
    while (count() * parts * members < wanted &&
           row_block * col_block * part_depth >= 2 * kTaskWork && halve(f)) {
    }
    blocks = count();
  }

  bool halve(const GemmKernels& f) {
    if (row_block > f.mr && row_block * f.nr >= col_block * f.mr) {
      row_block = even_block(row_block, 2, f.mr);
    } else if (col_block > f.nr) {
      col_block = even_block(col_block, 2, f.nr);
    } else {
      return false;
    }
    return true;
  }

  void plan_vector(const GemmProblem& p) {
    const bool dot = method == Method::vector_dot;
    const int64_t least = dot ? 16 : kVectorCols;
    split(p.k, kSplitTasks / ceil_div(p.n, least), p.k * p.n / kVectorTask, 64);
    col_block = std::min(p.n, dot ? round_up(ceil_div(kVectorTask, part_depth), least) : least);
    blocks = ceil_div(p.n, col_block);
  }
};

void multiply_vector(const GemmProblem& p, Method method, const GemmTask& task,
                     const GemmOutput& out) {
  const GemmKernels& f = *p.kernels;
  const bool as_it_is = p.a.k_stride == 1 && f.element == f.acc;
  const int64_t x_bytes = as_it_is ? 0 : round_up(task.depth * f.acc, 64);
  SmallScratch<16 << 10> scratch(x_bytes + round_up(task.cols * f.acc, 64));
  const char* x = p.a.at(0, task.from, f.element);
  const char* const b = p.b.at(task.col, task.from, f.element);
  char* const y = scratch.data() + x_bytes;
  if (!as_it_is) {
    f.widen(x, p.a.k_stride, task.depth, scratch.data());
    x = scratch.data();
  }
  if (method == Method::vector_dot) {
    f.vector_dot(x, b, p.b.lane_stride, task.depth, task.cols, y);
  } else {
    f.vector_sum(x, b, p.b.k_stride, task.depth, task.cols, y);
  }
  f.finish_parts(y, 1, 0, 1, task.cols, task.cols, out, 0, task.col);
}

// Whether a plan would be one task, for sure.
bool is_one_task(const GemmProblem& p) {
  return p.m <= kBlockRows && p.n <= kBlockCols && p.k <= kVectorTask / kBlockCols &&
         p.m * p.n * p.k < 2 * kTaskWork;
}

void run_one_task(const GemmProblem& p, Method method) {
  GemmTask task;
  task.rows = p.m;
  task.cols = p.n;
  task.depth = p.k;
  if (method == Method::blocks) {
    multiply_block(p, task, p.out);
  } else {
    multiply_vector(p, method, task, p.out);
  }
}

void run_task(const GemmProblem& p, const Plan& plan, int64_t block, int64_t part,
              const GemmOutput& out) {
  const int64_t row_blocks = ceil_div(p.m, plan.row_block);
  GemmTask task;
  task.row = block % row_blocks * plan.row_block;
  task.col = block / row_blocks * plan.col_block;
  task.rows = std::min(plan.row_block, p.m - task.row);
  task.cols = std::min(plan.col_block, p.n - task.col);
  task.from = part * plan.part_depth;
  task.depth = std::min(plan.part_depth, p.k - task.from);
  if (plan.method == Method::blocks) {
    multiply_block(p, task, out);
  } else {
    multiply_vector(p, plan.method, task, out);
  }
}

// The sums of each part of k as a matrix of their own, then the sum over the parts.
void run_parts(const GemmProblem& p, GemmType type, const Plan& plan) {
  const GemmKernels& f = *p.kernels;
  const int64_t pitch = round_up(p.n, f.nr), distance = p.m * pitch;
  const Scratch sums(plan.parts * distance * f.acc);
  GemmProblem unfinished = p;
  unfinished.kernels = &gemm_kernels(sums_of(type));
  parallel_tasks(plan.blocks * plan.parts, [&](int64_t t) {
    const int64_t part = t / plan.blocks;
    GemmOutput out;
    out.c = sums.data() + part * distance * f.acc;
    out.row_stride = pitch;
    out.col_stride = 1;
    run_task(unfinished, plan, t % plan.blocks, part, out);
  });
  if (p.m == 1) {
    return parallel_for(p.n, round_up(kVectorTask / plan.parts, f.nr), [&](int64_t j, int64_t end) {
      f.finish_parts(sums.data() + j * f.acc, plan.parts, distance, 1, end - j, pitch, p.out, 0, j);
    });
  }
  const int64_t grain = std::max<int64_t>(1, kVectorTask / (plan.parts * p.n));
  parallel_for(p.m, grain, [&](int64_t i, int64_t end) {
    f.finish_parts(sums.data() + i * pitch * f.acc, plan.parts, distance, end - i, p.n, pitch,
                   p.out, i, 0);
  });
}

void run(const GemmProblem& p, GemmType type, const Plan& plan) {
  if (plan.parts > 1) return run_parts(p, type, plan);
  if (plan.blocks == 1) return run_task(p, plan, 0, 0, p.out);
  if (plan.method == Method::blocks && p.m * p.n * p.k >= kSharedWork) {
    return multiply_shared(p, plan.row_block, plan.col_block);
  }
  parallel_tasks(plan.blocks, [&](int64_t t) { run_task(p, plan, t, 0, p.out); });
}

// `swapped`: a member's A is the problem's b.
GemmProblem member_of(const GemmProblem& p, int rank, const BatchDim* dims, bool swapped,
                      int64_t index) {
  const GemmKernels& f = *p.kernels;
  GemmProblem member = p;
  for (int d = rank - 1; d >= 0; --d) {
    const BatchDim& dim = dims[d];
    const int64_t i = index % dim.size;
    index /= dim.size;
    member.a.data += i * (swapped ? dim.b : dim.a) * f.element;
    member.b.data += i * (swapped ? dim.a : dim.b) * f.element;
    member.out.c += i * dim.c * f.store;
    const void*& bias = member.out.epilogue.bias.data;
    if (bias) bias = static_cast<const char*>(bias) + i * dim.bias * f.store;
  }
  return member;
}

}  // namespace

const GemmKernels& gemm_kernels(GemmType type) {
  static const GemmTable table = choose_table();
  return table.of[static_cast<int>(type)];
}

void gemm(GemmType type, int64_t m, int64_t n, int64_t k, GemmScalar alpha, const Matrix& a,
          const Matrix& b, GemmScalar beta, const MutableMatrix& c, const Epilogue& epilogue) {
  if (m == 0 || n == 0) return;
  GemmProblem p = make_problem(type, m, n, k, alpha, a, b, beta, c, epilogue);
  orient(p);
  if (is_one_task(p)) return run_one_task(p, method_of(p));
  run(p, type, Plan(p, 1));
}

void gemm_batched(GemmType type, int rank, const BatchDim* dims, int64_t m, int64_t n, int64_t k,
                  GemmScalar alpha, const Matrix& a, const Matrix& b, GemmScalar beta,
                  const MutableMatrix& c, const Epilogue& epilogue) {
  Matrix rows = a;
  MutableMatrix target = c;
  Epilogue end = epilogue;
  // Members that share B and follow each other are rows of one product.
  for (; rank > 0; --rank) {
    const BatchDim& last = dims[rank - 1];
    if (last.size != 1) {
      if (last.b != 0) break;
      if (m == 1) {
        rows.row_stride = last.a;
        target.row_stride = last.c;
        end.bias.row_stride = last.bias;
      } else if (last.a != m * rows.row_stride || last.c != m * target.row_stride ||
                 (end.bias.data && last.bias != m * end.bias.row_stride)) {
        break;
      }
    }
    m *= last.size;
  }
  int64_t members = 1;
  for (int d = 0; d < rank; ++d) members *= dims[d].size;
  if (m == 0 || n == 0 || members == 0) return;
  if (members == 1) return gemm(type, m, n, k, alpha, rows, b, beta, target, end);

  GemmProblem p = make_problem(type, m, n, k, alpha, rows, b, beta, target, end);
  const bool swapped = orient(p);
  const Plan plan(p, members);
  auto member = [&](int64_t i) { return member_of(p, rank, dims, swapped, i); };
  const int64_t work = std::max<int64_t>(1, p.m * p.n * p.k);
  if (plan.parts > 1 || (work >= kSharedWork && members < num_threads())) {
    // Few members one after the other, many in parallel, each then on one thread.
    const int64_t at_once = members < num_threads() ? members : 1;
    return parallel_for(members, at_once, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) run(member(i), type, plan);
    });
  }
  // Small members share a task.
  const int64_t group = std::clamp<int64_t>(kTaskWork / work, 1, members);
  parallel_tasks(ceil_div(members, group) * plan.blocks, [&](int64_t t) {
    const int64_t first = t / plan.blocks * group;
    for (int64_t i = first; i < std::min(first + group, members); ++i) {
      const GemmProblem one = member(i);
      run_task(one, plan, t % plan.blocks, 0, one.out);
    }
  });
}

}  // namespace flambeau::inline v1::cpu
