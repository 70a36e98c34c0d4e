#include <algorithm>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/norm/norm.h"
#include "kernels/cpu/norm/softmax_kernels.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const SoftmaxKernels softmax_kernels;
}
namespace avx2 {
extern const SoftmaxKernels softmax_kernels;
}
namespace avx512 {
extern const SoftmaxKernels softmax_kernels;
}

namespace {

const SoftmaxKernel& kernel_of(Softmax kind, DType dtype) {
  static const SoftmaxKernels& all =
      of_isa(baseline::softmax_kernels, avx2::softmax_kernels, avx512::softmax_kernels);
  const int k = static_cast<int>(kind);
  switch (dtype) {
    case DType::float64:
      return all.f64[k];
    case DType::float16:
      return all.f16[k];
    case DType::bfloat16:
      return all.bf16[k];
    default:
      return all.f32[k];
  }
}

constexpr int64_t kTaskElements = 16384;

// Memory as outer x n x inner elements, of which the middle ones make a line.
struct Lines {
  char* out;
  const char *first, *second;
  int64_t outer, n, inner, item;
};

// Short rows, which would leave most of a vector's lanes without work or most of the work to what
// is done once for a row: they are turned into columns, block by block, and back.
void run_turned(const SoftmaxKernel& kernel, const Lines& t, int64_t room) {
  constexpr int64_t kRows = SoftmaxKernel::kTogether;
  const TransposeLoop turn = convert_kernels().transpose[log2_size(t.item)];
  const int64_t bytes = t.n * t.item, block = kRows * bytes, step = kRows * t.item;
  const int64_t blocks = (t.outer + kRows - 1) / kRows;
  const bool both = t.second != t.first;
  parallel_for(blocks, std::max<int64_t>(1, kTaskElements / (t.n * kRows)),
               [&](int64_t task, int64_t end) {
                 const Scratch scratch(2 * block + t.n * kRows * room);
                 char *const first = scratch.data(), *const second = both ? first + block : first;
                 for (; task < end; ++task) {
                   const int64_t at = task * block, rows = std::min(kRows, t.outer - task * kRows);
                   turn(first, step, t.first + at, bytes, rows, t.n, false);
                   if (both) turn(second, step, t.second + at, bytes, rows, t.n, false);
                   kernel.columns(first, first, second, rows, kRows, t.n, first + 2 * block);
                   turn(t.out + at, bytes, first, step, t.n, rows, false);
                 }
               });
}

// The gradients do less for each row, and have another operand to turn.
constexpr int64_t kShortRow = 32, kShortPair = 8;

void run_rows(const SoftmaxKernel& kernel, const Lines& t, int64_t room) {
  if (t.n <= (t.second == t.first ? kShortRow : kShortPair) && t.outer >= 16)
    return run_turned(kernel, t, room);
  const int64_t bytes = t.n * t.item;
  parallel_for(t.outer, std::max<int64_t>(1, kTaskElements / t.n), [&](int64_t begin, int64_t end) {
    SmallScratch<256> scratch(SoftmaxKernel::rows_together(t.n) * t.n * room);
    kernel.rows(t.out + begin * bytes, t.first + begin * bytes, t.second + begin * bytes,
                end - begin, t.n, scratch.data());
  });
}

void run_columns(const SoftmaxKernel& kernel, const Lines& t, int64_t room) {
  // Whole blocks of columns; several where lines are short.
  const int64_t blocks = std::max<int64_t>(1, kTaskElements / (t.n * SoftmaxKernel::kTogether));
  const int64_t width = std::min(t.inner, blocks * SoftmaxKernel::kTogether);
  const int64_t across = (t.inner + width - 1) / width;
  parallel_for(t.outer * across, std::max<int64_t>(1, kTaskElements / (t.n * width)),
               [&](int64_t begin, int64_t end) {
                 const Scratch scratch(std::max<int64_t>(1, t.n * SoftmaxKernel::kTogether * room));
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t column = task % across * width;
                   const int64_t at = (task / across * t.n * t.inner + column) * t.item;
                   kernel.columns(t.out + at, t.first + at, t.second + at,
                                  std::min(width, t.inner - column), t.inner, t.n, scratch.data());
                 }
               });
}

// `t` seen with `dim` last.
Tensor with_last(const Tensor& t, int64_t dim) {
  if (t.dim() == 0 || dim == t.dim() - 1) return t;
  Dims sizes(t.sizes()), strides(t.strides());
  const int64_t n = sizes[dim], s = strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  sizes.push_back(n);
  strides.push_back(s);
  return Tensor::alias(t, sizes, strides, t.offset());
}

// The elements between those of a line, where all operands lie without gaps in the same order and
// lines are better walked side by side; 1 for lines that are rows; 0 for neither.
int64_t elements_between(const Tensor& out, const Tensor& first, const Tensor& second,
                         int64_t dim) {
  if (first.dim() == 0) return 1;
  if (!out.impl()->dense()) return 0;
  const IntSpan sizes = out.sizes(), strides = out.strides();
  for (const Tensor* t : {&first, &second})
    if (t->dtype() != out.dtype() || !std::ranges::equal(t->strides(), strides)) return 0;
  if (sizes[dim] == 1) return 1;
  const int64_t inner = strides[dim], n = sizes[dim];
  if (inner == 1) return 1;
  // A few long columns would leave threads without work, and many partial sums of halves no cache.
  constexpr int64_t kEnough = 8, kLong = 4096;
  const int64_t blocks = (inner + SoftmaxKernel::kTogether - 1) / SoftmaxKernel::kTogether;
  const bool many = blocks * (out.numel() / (n * inner)) >= kEnough;
  return n * inner <= kTaskElements || (many && n <= kLong) ? inner : 0;
}

void run(Softmax kind, const Tensor& out, const Tensor& first, const Tensor& second, int64_t dim,
         const char* name) {
  if (out.numel() == 0) return;
  const int64_t d = wrap_dim(dim, first.dim(), name), n = first.dim() == 0 ? 1 : first.sizes()[d];
  const SoftmaxKernel& kernel = kernel_of(kind, first.dtype());
  const auto item = static_cast<int64_t>(first.itemsize());
  const int64_t room = item == 2 ? 4 : 0;  // bytes of an element in the compute type
  const int64_t inner = elements_between(out, first, second, d);
  if (inner > 0) {
    const Lines lines{out.bytes(), first.bytes(), second.bytes(), first.numel() / (n * inner), n,
                      inner,       item};
    return inner == 1 ? run_rows(kernel, lines, room) : run_columns(kernel, lines, room);
  }
  const auto rows = [d](const Tensor& t) { return packed(with_last(t, d), t.dtype()); };
  const Tensor a = rows(first), b = second.is(first) ? a : rows(second);
  const Tensor to = with_last(out, d), made = place_for(to, out.dtype());
  run_rows(kernel, {made.bytes(), a.bytes(), b.bytes(), a.numel() / n, n, 1, item}, room);
  deliver(to, made);
}

}  // namespace

void softmax(const Tensor& out, const Tensor& self, int64_t dim) {
  run(Softmax::plain, out, self, self, dim, "softmax");
}
void log_softmax(const Tensor& out, const Tensor& self, int64_t dim) {
  run(Softmax::log, out, self, self, dim, "softmax");
}
void softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output, int64_t dim) {
  run(Softmax::plain_backward, out, grad, output, dim, "softmax_backward");
}
void log_softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output,
                          int64_t dim) {
  run(Softmax::log_backward, out, grad, output, dim, "softmax_backward");
}

}  // namespace flambeau::inline v1::cpu
