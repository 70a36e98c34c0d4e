#include "kernels/cpu/scan/scan.h"

#include "core/memory/allocator.h"
#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"
#include "kernels/cpu/scan/scan_kernels.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kColumns = 512;  // of a task
constexpr int64_t kTurnedRows = 32, kTurnedSteps = 64;
constexpr int64_t kFewRows = 8;
constexpr int64_t kStateBytes = 16;  // of one state, at most

const ScanKernel& find_kernel(Scan scan, DType element) {
  static const ScanKernels& kernels =
      of_isa(baseline::scan_kernels, avx2::scan_kernels, avx512::scan_kernels);
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
                                      job.n, 0, 0, states);
                 }
               });
}

// Rows that run side by side, since each element waits for the one before it.
struct Rows {
  int64_t first;   // element
  int64_t count;   // at most kTurnedRows
  int64_t stride;  // elements from row to row
  int64_t n;
  int64_t index, apart;  // place of the first element, and how much later it is in the next row
};

// Turns rows into columns, block by block, and back. Without `write` only states change.
void scan_turned(const Job& job, const Rows& rows, char* states, bool write) {
  const TransposeLoop turn = convert_kernels().transpose[log2_size(job.item)];
  const TransposeLoop turn_places = convert_kernels().transpose[log2_size(sizeof(int64_t))];
  const int64_t stride = rows.stride * job.item, row = rows.count * job.item;
  alignas(64) char block[kTurnedRows * kTurnedSteps * 16];
  alignas(64) int64_t places[kTurnedRows * kTurnedSteps];
  for (int64_t step = 0; step < rows.n; step += kTurnedSteps) {
    const int64_t at = rows.first + step, steps = std::min(kTurnedSteps, rows.n - step);
    turn(block, row, job.from(at), stride, rows.count, steps, false);
    job.kernel.columns(block, block, places, rows.count, rows.count, steps, rows.index + step,
                       rows.apart, states);
    if (!write) continue;
    turn(job.to(at), stride, block, row, steps, rows.count, false);
    if (job.indices)
      turn_places(reinterpret_cast<char*>(job.places(at)), rows.stride * 8,
                  reinterpret_cast<const char*>(places), rows.count * 8, steps, rows.count, false);
  }
}

void scan_many_rows(const Job& job) {
  const int64_t groups = (job.outer + kTurnedRows - 1) / kTurnedRows;
  parallel_for(groups, std::max<int64_t>(1, kGrain / (job.n * kTurnedRows)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t first = begin * kTurnedRows;
                      first < std::min(end * kTurnedRows, job.outer); first += kTurnedRows) {
                   const int64_t count = std::min(kTurnedRows, job.outer - first);
                   alignas(64) char states[kTurnedRows * kStateBytes];
                   job.kernel.identity(states, count);
                   scan_turned(job, {first * job.n, count, job.n, job.n, 0, 0}, states, true);
                 }
               });
}

void scan_rows(const Job& job) {
  parallel_for(job.outer, std::max<int64_t>(1, kGrain / job.n), [&](int64_t row, int64_t end) {
    const int64_t first = row * job.n;
    if (job.kernel.rows) return job.kernel.rows(job.from(first), job.to(first), end - row, job.n);
    for (; row < end; ++row) {
      alignas(16) char state[kStateBytes];
      const int64_t at = row * job.n;
      job.kernel.identity(state, 1);
      job.kernel.row(job.from(at), job.to(at), job.places(at), job.n, 0, state);
    }
  });
}

// A few long rows: chunks are scanned side by side, each from the sum of those before it.
class LongRows {
 public:
  explicit LongRows(const Job& job)
      : job_(job),
        chunks_((job.n + kChunk - 1) / kChunk),
        state_(job.kernel.state_bytes),
        bytes_(static_cast<size_t>(job.outer * chunks_ * state_)),
        states_(static_cast<char*>(memory::allocate(bytes_))) {}
  ~LongRows() { memory::deallocate(states_, bytes_); }
  LongRows(const LongRows&) = delete;

  void run() const {
    job_.kernel.identity(states_, job_.outer * chunks_);
    each_group(false);
    for (int64_t row = 0; row < job_.outer; ++row) chain(states_ + row * chunks_ * state_);
    each_group(true);
  }

 private:
  static constexpr int64_t kChunk = 2048;

  // From the state of each chunk to the joined states of those before it.
  void chain(char* states) const {
    alignas(16) char before[kStateBytes], through[kStateBytes];
    const auto size = static_cast<size_t>(state_);
    job_.kernel.identity(before, 1);
    for (int64_t c = 0; c < chunks_; ++c) {
      __builtin_memcpy(through, before, size);
      job_.kernel.join(through, states + c * state_);
      __builtin_memcpy(states + c * state_, before, size);
      __builtin_memcpy(before, through, size);
    }
  }

  void each_group(bool write) const {
    const int64_t groups = (chunks_ + kTurnedRows - 1) / kTurnedRows;
    parallel_tasks(job_.outer * groups, [&](int64_t task) {
      const int64_t row = task / groups, chunk = task % groups * kTurnedRows;
      const int64_t count = std::min(kTurnedRows, job_.n / kChunk - chunk);
      char* states = states_ + (row * chunks_ + chunk) * state_;
      const int64_t index = chunk * kChunk, first = row * job_.n + index;
      if (count > 0)
        scan_turned(job_, {first, count, kChunk, kChunk, index, kChunk}, states, write);
      if (count < kTurnedRows)
        last_chunk(first + count * kChunk, index + count * kChunk, states + count * state_, write);
    });
  }

  // What is left of a row behind the whole chunks.
  void last_chunk(int64_t first, int64_t index, char* state, bool write) const {
    const int64_t n = job_.n - index;
    if (n == 0) return;
    job_.kernel.row(job_.from(first), write ? job_.to(first) : nullptr,
                    write ? job_.places(first) : nullptr, n, index, state);
  }

  const Job& job_;
  const int64_t chunks_, state_;
  const size_t bytes_;
  char* const states_;
};

void run(const Job& job) {
  if (job.inner > 1) return scan_columns(job);
  if (job.outer >= kFewRows) return job.kernel.rows ? scan_rows(job) : scan_many_rows(job);
  if (job.n >= kGrain) return LongRows(job).run();
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
  Job job{kernel,
          static_cast<int64_t>(itemsize(element)),
          1,
          1,
          1,
          in_place ? work.bytes() : self.bytes(),
          work.bytes(),
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

}  // namespace flambeau::inline v1::cpu
