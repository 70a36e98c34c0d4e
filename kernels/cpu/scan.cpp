#include "kernels/cpu/scan.h"

#include "core/memory/allocator.h"
#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/pointwise_plan.h"
#include "kernels/cpu/scan_kernels.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kColumns = 512;  // of a task
constexpr int64_t kTurnedRows = 32, kTurnedSteps = 64;
constexpr int64_t kFewRows = 8;
constexpr int64_t kStateBytes = 16;  // of one state, at most

const ScanKernel& find_kernel(Scan scan, DType element) {
  static const ScanKernels& kernels = isa() == Isa::avx512 ? avx512::scan_kernels
                                      : isa() == Isa::avx2 ? avx2::scan_kernels
                                                           : baseline::scan_kernels;
  const ScanKernel& kernel =
      kernels.by[static_cast<int>(scan)][static_cast<int>(compute_of(element))];
  if (kernel.state_bytes == 0)
    raise<NotImplementedError>("this scan is not implemented for ", dtype_name(element));
  return kernel;
}

// Contiguous arrays of outer x n x inner elements, scanned along the middle.
struct Job {
  const ScanKernel& kernel;
  int64_t item, outer, n, inner;
  const char* src;
  char* dst;
  int64_t* indices;

  const char* from(int64_t element) const { return src + element * item; }
  char* to(int64_t element) const { return dst + element * item; }
  int64_t* places(int64_t element) const { return indices ? indices + element : nullptr; }
};

void scan_columns(const Job& job) {
  const int64_t tiles = (job.inner + kColumns - 1) / kColumns;
  const int64_t work = job.n * std::min(job.inner, kColumns);
  parallel_for(job.outer * tiles, std::max<int64_t>(1, kGrain / work),
               [&](int64_t begin, int64_t end) {
                 alignas(64) char states[kColumns * kStateBytes];
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t first = task % tiles * kColumns;
                   const int64_t at = task / tiles * job.n * job.inner + first;
                   const int64_t cols = std::min(kColumns, job.inner - first);
                   job.kernel.identity(states, cols);
                   job.kernel.columns(job.from(at), job.to(at), job.places(at), cols, job.inner,
                                      job.n, 0, states);
                 }
               });
}

// Many rows: each element waits for the one before it, so rows run side by side, turned into columns
// block by block.
void scan_turned_rows(const Job& job) {
  const TransposeLoop turn = convert_kernels().transpose[log2_size(job.item)];
  const TransposeLoop turn_places = convert_kernels().transpose[log2_size(sizeof(int64_t))];
  const int64_t groups = (job.outer + kTurnedRows - 1) / kTurnedRows, stride = job.n * job.item;
  const auto scan_group = [&](int64_t first, int64_t rows) {
    alignas(64) char states[kTurnedRows * kStateBytes];
    alignas(64) char block[kTurnedRows * kTurnedSteps * 16];
    alignas(64) int64_t places[kTurnedRows * kTurnedSteps];
    job.kernel.identity(states, rows);
    for (int64_t step = 0; step < job.n; step += kTurnedSteps) {
      const int64_t at = first * job.n + step, steps = std::min(kTurnedSteps, job.n - step);
      turn(block, rows * job.item, job.from(at), stride, rows, steps, false);
      job.kernel.columns(block, block, places, rows, rows, steps, step, states);
      turn(job.to(at), stride, block, rows * job.item, steps, rows, false);
      if (job.indices)
        turn_places(reinterpret_cast<char*>(job.places(at)), job.n * 8,
                    reinterpret_cast<const char*>(places), rows * 8, steps, rows, false);
    }
  };
  parallel_for(groups, std::max<int64_t>(1, kGrain / (job.n * kTurnedRows)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t g = begin; g < end; ++g)
                   scan_group(g * kTurnedRows, std::min(kTurnedRows, job.outer - g * kTurnedRows));
               });
}

void scan_rows(const Job& job) {
  for (int64_t row = 0; row < job.outer; ++row) {
    alignas(16) char state[kStateBytes];
    const int64_t at = row * job.n;
    job.kernel.identity(state, 1);
    job.kernel.row(job.from(at), job.to(at), job.places(at), job.n, 0, state);
  }
}

// A few long rows: chunks are scanned apart, each from the sum of those before it.
void scan_long_rows(const Job& job) {
  const int64_t chunks = (job.n + kGrain - 1) / kGrain;
  const int64_t bytes = job.outer * chunks * kStateBytes;
  char* const states = static_cast<char*>(memory::allocate(static_cast<size_t>(bytes)));
  const auto each_chunk = [&](auto&& body) {
    parallel_tasks(job.outer * chunks, [&](int64_t task) {
      const int64_t begin = task % chunks * kGrain;
      const int64_t at = task / chunks * job.n + begin;
      body(at, std::min(kGrain, job.n - begin), begin, states + task * kStateBytes);
    });
  };
  each_chunk([&](int64_t at, int64_t n, int64_t begin, char* state) {
    job.kernel.identity(state, 1);
    job.kernel.row(job.from(at), nullptr, nullptr, n, begin, state);
  });
  for (int64_t row = 0; row < job.outer; ++row) {
    alignas(16) char before[kStateBytes], through[kStateBytes];
    job.kernel.identity(before, 1);
    for (int64_t c = 0; c < chunks; ++c) {
      char* state = states + (row * chunks + c) * kStateBytes;
      __builtin_memcpy(through, before, kStateBytes);
      job.kernel.join(through, state);
      __builtin_memcpy(state, before, kStateBytes);
      __builtin_memcpy(before, through, kStateBytes);
    }
  }
  each_chunk([&](int64_t at, int64_t n, int64_t begin, char* state) {
    job.kernel.row(job.from(at), job.to(at), job.places(at), n, begin, state);
  });
  memory::deallocate(states, static_cast<size_t>(bytes));
}

void run(const Job& job) {
  if (job.inner > 1) return scan_columns(job);
  if (job.outer >= kFewRows) return scan_turned_rows(job);
  if (job.n >= 2 * kGrain) return scan_long_rows(job);
  scan_rows(job);
}

// `element`: the dtype that the kernel works on; `out` is contiguous, and so is `indices`.
void scan(Scan kind, DType element, const Tensor& out, const Tensor* indices, const Tensor& self,
          int64_t dim) {
  if (out.numel() == 0) return;
  const ScanKernel& kernel = find_kernel(kind, element);
  const bool direct = out.dtype() == element && out.is_contiguous();
  const Tensor work = direct ? out : empty(out.sizes(), {element, out.device()});
  const bool in_place = !self.is_contiguous() || self.dtype() != element;
  if (in_place) copy(work, self);
  const IntSpan sizes = self.sizes();
  Job job{kernel, static_cast<int64_t>(itemsize(element)), 1, 1, 1,
          in_place ? work.bytes() : self.bytes(), work.bytes(),
          indices ? indices->data<int64_t>() : nullptr};
  if (!sizes.empty()) {
    const int64_t d = dim < 0 ? dim + self.dim() : dim;
    job.outer = count(sizes.first(static_cast<size_t>(d)));
    job.n = sizes[static_cast<size_t>(d)];
    job.inner = count(sizes.subspan(static_cast<size_t>(d) + 1));
  }
  run(job);
  if (!direct) copy(out, work);
}

DType arithmetic_element(DType out) {
  return is_integral(out, true) ? DType::int64 : dtype_of(compute_of(out));
}
DType ordered_element(DType self) {
  return self == DType::boolean ? DType::int32 : dtype_of(compute_of(self));
}

}  // namespace

void cumsum(const Tensor& out, const Tensor& self, int64_t dim) {
  scan(Scan::sum, arithmetic_element(out.dtype()), out, nullptr, self, dim);
}

void cumprod(const Tensor& out, const Tensor& self, int64_t dim) {
  scan(Scan::product, arithmetic_element(out.dtype()), out, nullptr, self, dim);
}

void logcumsumexp(const Tensor& out, const Tensor& self, int64_t dim) {
  scan(Scan::logsumexp, dtype_of(compute_of(out.dtype())), out, nullptr, self, dim);
}

void cummax(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  scan(Scan::max, ordered_element(self.dtype()), values, &indices, self, dim);
}

void cummin(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  scan(Scan::min, ordered_element(self.dtype()), values, &indices, self, dim);
}

}  // namespace flambeau::cpu
