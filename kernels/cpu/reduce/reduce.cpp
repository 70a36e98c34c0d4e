#include "kernels/cpu/reduce/reduce.h"

#include <atomic>
#include <cmath>

#include "core/memory/allocator.h"
#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/amax.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/exp.h"
#include "flambeau/ops/gt.h"
#include "flambeau/ops/isfinite.h"
#include "flambeau/ops/isinf.h"
#include "flambeau/ops/log.h"
#include "flambeau/ops/logical_and.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/real.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/where.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"
#include "kernels/cpu/reduce/reduce_kernels.h"

namespace flambeau::inline v1::cpu {
namespace {

// Note [Reduction tree]
// The kept dimensions form units of neighbouring results, the reduced ones tiles. Each tile gives a
// state per result; the states of tiles are joined pairwise, as a binary counter carries, and so
// are the states of chunks of tiles, into which a reduction with few units is split. All of these
// follow from shape and strides, none from the number of threads.
constexpr int64_t kRowElements = 2048;  // of a tile, where a result's elements are reduced as a row
constexpr int64_t kTileRows = 64;    // of a tile, where neighbouring results are reduced together
constexpr int64_t kStagedRows = 16;  // the same, when they pass through a buffer
constexpr int64_t kShortRow = 64;    // rows below this are better reduced across results
constexpr int64_t kNarrow = 64;      // results that do not fill a few vectors, see widening()
constexpr int64_t kWide = 256;
constexpr int64_t kManyUnits = 64;  // enough to share among threads
constexpr int kMaxDepth = 64;
// Between the rows of a turned tile: at distances of 4096 bytes they would share few cache lines.
constexpr int64_t kPadding = 64;
constexpr int64_t kPrefetched = 512;  // bytes of the next row

// Note [Results that are found again]
// Sums and squares may overflow, or vanish, where what is asked for does not. That is rare, so it
// is looked for in the results alone: if one is not finite, or no larger than `low`, or larger than
// `high`, then the reduction runs once more, in a wider type or on elements that were scaled.
struct Watch {
  double low, high;
  std::atomic<bool> hit{false};

  explicit Watch(double low = -1, double high = __builtin_inf()) : low(low), high(high) {}
  void see(const void* results, int64_t n, DType dtype) {
    const bool complex = is_complex(dtype);
    const bool fine = to_real(dtype) == DType::float64
                          ? inside(static_cast<const double*>(results), complex ? 2 * n : n)
                          : inside(static_cast<const float*>(results), complex ? 2 * n : n);
    if (!fine) hit.store(true, std::memory_order_relaxed);
  }

 private:
  // The parts of a complex number are only asked to be finite: its watch has no `low`.
  template <class T>
  bool inside(const T* p, int64_t n) const {
    using Vector [[gnu::vector_size(16)]] = T;
    constexpr int kWidth = 16 / sizeof(T);
    const T least = static_cast<T>(low), most = static_cast<T>(high);
    int64_t i = 0;
    auto fine = Vector{} == Vector{};
    for (; i + kWidth <= n; i += kWidth) {
      Vector v;
      __builtin_memcpy(&v, p + i, sizeof v);
      const Vector size = v < T(0) ? -v : v;
      fine &= (size > least) & (size < most);
    }
    bool all = true;
    for (int k = 0; k < kWidth; ++k) all &= fine[k] != 0;
    for (; i < n; ++i) all &= (std::abs(p[i]) > least) & (std::abs(p[i]) < most);
    return all;
  }
};

struct Job {
  const ReduceKernel& kernel;
  DType element;
  const void* params;
  const Tensor& self;
  uint64_t reduced;          // a bit per dimension
  const Tensor* outs[2];     // nullptr: not wanted
  bool keeps_order = false;  // places of elements count in the order of the shape
  Watch* watch = nullptr;    // of the first output
};

class Block {  // memory of a task
 public:
  explicit Block(int64_t bytes)
      : bytes_(static_cast<size_t>(bytes)), data_(static_cast<char*>(memory::allocate(bytes_))) {}
  ~Block() { memory::deallocate(data_, bytes_); }
  Block(const Block&) = delete;
  char* data() const { return data_; }

 private:
  size_t bytes_;
  char* data_;
};

int64_t bytes_of(DType dtype) { return static_cast<int64_t>(itemsize(dtype)); }
int64_t rounded(int64_t bytes) { return (bytes + 63) / 64 * 64; }
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Reducer {
 public:
  explicit Reducer(const Job& job)
      : job_(job),
        kept_(IntSpan()),
        reduced_(IntSpan()),
        item_(bytes_of(job.self.dtype())),
        wide_(bytes_of(job.element)),
        state_(job.kernel.state_bytes),
        converts_(job.self.dtype() != job.element) {
    plan();
    count_ = reduced_.numel();
    if (converts_) cast_ = convert_loop(job.self.dtype(), job.element);
  }

  void run() {
    if (count_ == 0) return fill_identity();
    by_rows_ = reduces_by_rows();
    const Tiling units(kept_, unit_limit(), 0);
    const bool staged = converts_ || kept_.strides[0][0] != item_;
    wide_rows_ = by_rows_ || staged ? 1 : widening();
    const int64_t tile_rows = staged ? kStagedRows : kTileRows * wide_rows_;
    const Tiling tiles(reduced_, by_rows_ ? kRowElements : tile_rows,
                       by_rows_ ? Tiling::kLongRow : 0);
    units_ = &units;
    tiles_ = &tiles;
    direct_ = by_rows_ ? !converts_ && contiguous_in_tile(reduced_, tiles, 0, item_) : !staged;
    const int64_t unit_elements = units.block * tiles.inner * tiles.block;
    int64_t per_chunk = tiles.count;
    if (units.count < kManyUnits)
      per_chunk = std::max(ceil_div(tiles.count, kManyUnits), ceil_div(2 * kGrain, unit_elements));
    const int64_t chunks = ceil_div(tiles.count, per_chunk);
    if (chunks == 1) return whole_units();
    chunked_units(chunks, per_chunk);
  }

 private:
  // ---- geometry

  void plan() {
    const Tensor& self = job_.self;
    kept_.operands = 1 + (job_.outs[0] != nullptr) + (job_.outs[1] != nullptr);
    reduced_.operands = 1;
    int64_t kept_left = self.dim() - __builtin_popcountll(job_.reduced);
    for (int64_t d = self.dim() - 1; d >= 0; --d) {
      const bool reduced = job_.reduced >> d & 1;
      if (!reduced) --kept_left;
      Plan& into = reduced ? reduced_ : kept_;
      const int k = into.ndim++;
      into.place[k] = static_cast<int8_t>(k);
      into.sizes[k] = self.sizes()[d];
      into.strides[0][k] = self.strides()[d] * item_;
      if (reduced) continue;
      int operand = 1;
      for (const Tensor* out : job_.outs) {
        if (!out) continue;
        const int64_t at = out->dim() == self.dim() ? d : kept_left;
        into.strides[operand++][k] = out->strides()[at] * bytes_of(out->dtype());
      }
    }
    kept_.base[0] = reduced_.base[0] = self.bytes();
    int operand = 1;
    for (const Tensor* out : job_.outs)
      if (out) kept_.base[operand++] = out->bytes();
    kept_.order(0);
    kept_.coalesce();
    if (!job_.keeps_order) reduced_.order(0);
    reduced_.coalesce();
  }

  bool reduces_by_rows() const {
    if (kept_.numel() == 1) return true;
    constexpr int64_t kFew = 8;  // so few neighbours do not fill a vector
    const bool dense = !converts_ && kept_.strides[0][0] == item_;
    if (kept_.sizes[0] < kFew && !(dense && widening() > 1)) return reduced_.sizes[0] >= kFew;
    return reduced_.sizes[0] >= kShortRow && reduced_.strides[0][0] <= kept_.strides[0][0];
  }

  // Few results whose elements alternate without gaps in memory: this many rows are taken as one.
  int64_t widening() const {
    const int64_t width = kept_.sizes[0];
    if (job_.keeps_order || width >= kNarrow || reduced_.strides[0][0] != width * item_) return 1;
    int64_t rows = 1;
    while (rows * width < kWide) rows *= 2;
    return rows;
  }

  int64_t unit_limit() const {
    if (by_rows_) return std::clamp<int64_t>(kGrain / count_, 1, 256);
    constexpr int64_t kStateBytes = 16 << 10, kStaged = 1024;
    const bool staged = converts_ || kept_.strides[0][0] != item_;
    return std::min(kStateBytes / state_, staged ? kStaged : kStateBytes);
  }

  // ---- execution

  // What a task works in.
  struct Scratch {
    Scratch(const Reducer& r, int64_t tiles)
        : states_bytes(rounded(r.units_->block * r.state_)),
          depth(r.by_rows_ ? 0 : 66 - __builtin_clzll(static_cast<uint64_t>(tiles))),
          elements_bytes(rounded((r.by_rows_ ? kRowElements : kStagedRows * r.units_->block) * 16) +
                         kStagedRows * kPadding),
          block(states_bytes * (depth + 1) + 2 * elements_bytes +
                2 * rounded(r.units_->block * 16) + 2 * kWide * r.state_) {
      states = block.data();
      stack = states + states_bytes;
      raw = stack + states_bytes * depth;
      cast = raw + elements_bytes;
      results[0] = cast + elements_bytes;
      results[1] = results[0] + rounded(r.units_->block * 16);
      wide = results[1] + rounded(r.units_->block * 16);
    }
    int64_t states_bytes, depth, elements_bytes;
    Block block;
    char *states, *stack;  // of a unit; of the tiles that wait for others
    char *raw, *cast;      // elements as they are, and as the kernel wants them
    char* results[2];      // of a unit, in the kernel's types
    char* wide;            // states of rows taken as one
  };

  // Joins leaf(0) to leaf(count - 1), each `n` states, into stack[0].
  template <class Leaf>
  void joined(int64_t count, int64_t n, char* stack, int64_t step, Leaf&& leaf) const {
    char* top = stack;
    for (int64_t i = 0; i < count; ++i) {
      leaf(i, top);
      top += step;
      for (int64_t carry = i + 1; !(carry & 1); carry >>= 1) {
        top -= step;
        job_.kernel.combine(top - step, top, n);
      }
    }
    for (top -= step; top > stack; top -= step) job_.kernel.combine(top - step, top, n);
  }

  // The states of a unit over the tiles [begin, end), into scratch.states.
  void unit_states(const TileCursor& unit, int64_t begin, int64_t end, Scratch& scratch) const {
    const int64_t n = unit.elements(), from_base = unit.at(0) - kept_.base[0];
    if (!by_rows_) return unit_columns(from_base, n, begin, end, scratch);
    for (int64_t i = 0; i < n; ++i)
      unit_row(from_base + i * kept_.strides[0][0], begin, end, scratch.states + i * state_,
               scratch);
  }

  void unit_row(int64_t from_base, int64_t begin, int64_t end, char* state,
                Scratch& scratch) const {
    if (direct_ && tiles_->count == 1)
      return job_.kernel.row(reduced_.base[0] + from_base, count_, 0, job_.params, state);
    alignas(16) char stack[kMaxDepth * 64];
    TileCursor tile(reduced_, *tiles_, begin);
    joined(end - begin, 1, stack, 64, [&](int64_t i, char* into) {
      const char* elements = tile.at(0) + from_base;
      const int64_t n = tile.elements();
      if (!direct_) elements = load_row(tile, elements, n, scratch);
      if (begin + i + 1 < end) {  // which may lie where no processor expects it
        tile.next();
        for (int64_t k = 0; k < kPrefetched; k += 64)
          __builtin_prefetch(tile.at(0) + from_base + k);
      }
      job_.kernel.row(elements, n, tiles_->first_element(reduced_, begin + i), job_.params, into);
    });
    __builtin_memcpy(state, stack, static_cast<size_t>(state_));
  }

  const char* load_row(const TileCursor& tile, const char* src, int64_t n, Scratch& scratch) const {
    if (!contiguous_in_tile(reduced_, *tiles_, 0, item_)) {
      convert_kernels().gather[log2_size(item_)](scratch.raw, src, tile.sizes(),
                                                 reduced_.strides[0], tile.ndim());
      src = scratch.raw;
    }
    if (!converts_) return src;
    cast_(src, scratch.cast, n);
    return scratch.cast;
  }

  void unit_columns(int64_t from_base, int64_t n, int64_t begin, int64_t end,
                    Scratch& scratch) const {
    TileCursor tile(reduced_, *tiles_, begin);
    char* const stack = end - begin == 1 ? scratch.states : scratch.stack;
    joined(end - begin, n, stack, scratch.states_bytes, [&](int64_t i, char* into) {
      if (i > 0) tile.next();
      const char* elements = tile.at(0) + from_base;
      const int64_t rows = tile.elements();
      int64_t row_stride = reduced_.strides[0][0];
      if (!direct_) elements = load_columns(elements, rows, n, scratch, row_stride);
      if (wide_rows_ > 1) return narrow_tile(elements, rows, n, scratch, into);
      job_.kernel.columns(elements, row_stride, rows, n, tiles_->first_element(reduced_, begin + i),
                          job_.params, into);
    });
    if (stack != scratch.states)
      __builtin_memcpy(scratch.states, stack, static_cast<size_t>(n * state_));
  }

  // A tile of few columns: several rows are taken as one, whose states are then joined half by
  // half.
  void narrow_tile(const char* elements, int64_t rows, int64_t n, Scratch& scratch,
                   char* into) const {
    const int64_t row_stride = reduced_.strides[0][0], wide_rows = rows / wide_rows_;
    const auto columns = [&](int64_t first, int64_t stride, int64_t count, int64_t cols, char* to) {
      job_.kernel.columns(elements + first * row_stride, stride, count, cols, 0, job_.params, to);
    };
    if (wide_rows == 0) return columns(0, row_stride, rows, n, into);
    columns(0, wide_rows_ * row_stride, wide_rows, wide_rows_ * n, scratch.wide);
    for (int64_t half = wide_rows_ / 2; half > 0; half /= 2)
      job_.kernel.combine(scratch.wide, scratch.wide + half * n * state_, half * n);
    __builtin_memcpy(into, scratch.wide, static_cast<size_t>(n * state_));
    const int64_t done = wide_rows * wide_rows_;
    if (done == rows) return;
    columns(done, row_stride, rows - done, n, scratch.wide);
    job_.kernel.combine(into, scratch.wide, n);
  }

  // rows x n elements, one row after the other.
  const char* load_columns(const char* src, int64_t rows, int64_t n, Scratch& scratch,
                           int64_t& row_stride) const {
    const ConvertKernels& kernels = convert_kernels();
    const int64_t reduced_stride = reduced_.strides[0][0], kept_stride = kept_.strides[0][0];
    char* dst = scratch.raw;
    row_stride = n * item_;
    if (reduced_stride == item_) {
      if (!converts_) row_stride += kPadding;
      kernels.transpose[log2_size(item_)](dst, row_stride, src, kept_stride, n, rows, false);
    } else {
      const int64_t sizes[] = {n, rows}, strides[] = {kept_stride, reduced_stride};
      kernels.gather[log2_size(item_)](dst, src, sizes, strides, 2);
    }
    if (!converts_) return dst;
    cast_(dst, scratch.cast, rows * n);
    row_stride = n * wide_;
    return scratch.cast;
  }

  // Results of a unit's states.
  void store(const TileCursor& unit, const void* states, Scratch& scratch) const {
    const int64_t n = unit.elements();
    int operand = 1;
    void* outs[2] = {nullptr, nullptr};
    bool direct[2];
    for (int k = 0; k < 2; ++k) {
      if (!job_.outs[k]) continue;
      const DType dtype = job_.outs[k]->dtype();
      direct[k] =
          dtype == job_.kernel.outs[k] && (n == 1 || kept_.strides[operand][0] == bytes_of(dtype));
      outs[k] = direct[k] ? unit.at(operand) : scratch.results[k];
      ++operand;
    }
    job_.kernel.finish(states, n, count_, job_.params, outs);
    if (job_.watch) job_.watch->see(outs[0], n, job_.kernel.outs[0]);
    operand = 1;
    for (int k = 0; k < 2; ++k) {
      if (!job_.outs[k]) continue;
      if (!direct[k]) store_cast(k, operand, outs[k], unit.at(operand), n, scratch);
      ++operand;
    }
  }

  void store_cast(int k, int operand, const void* results, char* dst, int64_t n,
                  Scratch& scratch) const {
    const DType dtype = job_.outs[k]->dtype();
    const ConvertLoop cast = convert_loop(job_.kernel.outs[k], dtype);
    const int64_t stride = kept_.strides[operand][0];
    if (n == 1 || stride == bytes_of(dtype)) return cast(results, dst, n);
    cast(results, scratch.cast, n);
    convert_kernels().scatter[log2_size(bytes_of(dtype))](dst, scratch.cast, &n, &stride, 1);
  }

  void whole_units() const {
    const int64_t elements = units_->block * count_;
    parallel_for(units_->count, std::max<int64_t>(1, kGrain / elements),
                 [this](int64_t begin, int64_t end) {
                   Scratch scratch(*this, tiles_->count);
                   TileCursor unit(kept_, *units_, begin);
                   for (int64_t u = begin; u < end; ++u, u < end ? unit.next() : void()) {
                     unit_states(unit, 0, tiles_->count, scratch);
                     store(unit, scratch.states, scratch);
                   }
                 });
  }

  void chunked_units(int64_t chunks, int64_t per_chunk) const {
    const int64_t unit_bytes = rounded(units_->block * state_);
    const Block partial(chunks * units_->count * unit_bytes);
    const auto at = [&](int64_t unit, int64_t chunk) {
      return partial.data() + (unit * chunks + chunk) * unit_bytes;
    };
    parallel_tasks(units_->count * chunks, [&](int64_t task) {
      // Neighbouring units of one chunk follow each other, as they lie in memory.
      const int64_t u = task % units_->count, chunk = task / units_->count;
      const int64_t begin = chunk * per_chunk, end = std::min(begin + per_chunk, tiles_->count);
      Scratch scratch(*this, end - begin);
      const TileCursor unit(kept_, *units_, u);
      unit_states(unit, begin, end, scratch);
      __builtin_memcpy(at(u, chunk), scratch.states, static_cast<size_t>(unit.elements() * state_));
    });
    parallel_tasks(units_->count, [&](int64_t u) {
      Scratch scratch(*this, 1);
      const TileCursor unit(kept_, *units_, u);
      const int64_t n = unit.elements();
      const Block stack((66 - __builtin_clzll(static_cast<uint64_t>(chunks))) * unit_bytes);
      joined(chunks, n, stack.data(), unit_bytes, [&](int64_t chunk, char* into) {
        __builtin_memcpy(into, at(u, chunk), static_cast<size_t>(n * state_));
      });
      store(unit, stack.data(), scratch);
    });
  }

  // The results of no elements.
  void fill_identity() {
    by_rows_ = true;
    count_ = 1;
    const Tiling units(kept_, 256, 0);
    units_ = &units;
    count_ = 0;
    Scratch scratch(*this, 1);
    for (int64_t i = 0; i < units.block; ++i)
      job_.kernel.row(nullptr, 0, 0, job_.params, scratch.states + i * state_);
    for (int64_t u = 0; u < units.count; ++u)
      store(TileCursor(kept_, units, u), scratch.states, scratch);
  }

  const Job& job_;
  Plan kept_;     // operands: the input, then the outputs
  Plan reduced_;  // operand: the input
  const int64_t item_, wide_, state_;
  const bool converts_;
  int64_t count_ = 0;  // elements per result
  ConvertLoop cast_ = nullptr;
  bool by_rows_ = true, direct_ = false;
  int64_t wide_rows_ = 1;
  const Tiling* units_ = nullptr;
  const Tiling* tiles_ = nullptr;
};

const ReduceKernel& find_kernel(Reduction reduction, Compute compute) {
  static const ReduceKernels& kernels =
      of_isa(baseline::reduce_kernels, avx2::reduce_kernels, avx512::reduce_kernels);
  return kernels.by[static_cast<int>(reduction)][static_cast<int>(compute)];
}

// That of `element`, or of what is stored where a kernel reads that itself.
Compute compute_to_read(Reduction reduction, DType element, DType stored) {
  const auto defined = [&](Compute c) {
    return c != Compute::count && find_kernel(reduction, c).state_bytes != 0;
  };
  const Compute compute = compute_of(element), small = small_compute_of(stored);
  if (!defined(compute))
    raise<NotImplementedError>("this reduction is not implemented for ", dtype_name(element));
  return compute == compute_of(stored) && defined(small) ? small : compute;
}

// A few contiguous elements, all reduced, to one result: no geometry to work out.
bool reduce_small(const Job& job) {
  const Tensor& self = job.self;
  if (self.numel() > kRowElements || self.dtype() != job.element || !self.is_contiguous() ||
      job.outs[1] || job.outs[0]->numel() != 1 || job.outs[0]->dtype() != job.kernel.outs[0])
    return false;
  alignas(16) char state[64];
  job.kernel.row(self.bytes(), self.numel(), 0, job.params, state);
  void* const outs[2] = {job.outs[0]->bytes(), nullptr};
  job.kernel.finish(state, 1, self.numel(), job.params, outs);
  if (job.watch) job.watch->see(outs[0], 1, job.kernel.outs[0]);
  return true;
}

uint64_t mask_of(const Tensor& self, IntSpan dims) {
  uint64_t mask = 0;
  for (const int64_t d : dims) mask |= uint64_t{1} << d;
  return self.dim() == 0 ? 0 : mask;
}

// `element`: a dtype whose compute type the elements are cast to.
void reduce(Reduction reduction, DType element, const Tensor& self, uint64_t dims,
            const Tensor* first, const Tensor* second = nullptr, const void* params = nullptr,
            bool keeps_order = false, Watch* watch = nullptr) {
  const Compute compute = compute_to_read(reduction, element, self.dtype());
  const Job job{find_kernel(reduction, compute),
                dtype_of(compute),
                params,
                self,
                dims,
                {first, second},
                keeps_order,
                watch};
  if ((first ? first : second)->numel() == 0) return;
  if (first && reduce_small(job)) return;
  Reducer(job).run();
}

// Integers add up in int64.
DType sum_element(DType out) { return is_integral(out, true) ? DType::int64 : out; }
// Truth values are compared as numbers.
DType ordered_element(DType self) { return self == DType::boolean ? DType::uint8 : self; }

void extreme(Reduction reduction, const Tensor* values, const Tensor* indices, const Tensor& self,
             IntSpan dims) {
  reduce(reduction, ordered_element(self.dtype()), self, mask_of(self, dims), values, indices,
         nullptr, true);
}

void arg_extreme(Reduction reduction, const Tensor& out, const Tensor& self,
                 std::optional<int64_t> dim) {
  if (dim) {
    const int64_t wrapped = *dim < 0 ? *dim + std::max<int64_t>(self.dim(), 1) : *dim;
    return extreme(reduction, nullptr, &out, self, IntSpan(&wrapped, 1));
  }
  Dims all;
  for (int64_t d = 0; d < self.dim(); ++d) all.push_back(d);
  extreme(reduction, nullptr, &out, self, all);
}

// ---- once more: see Note [Results that are found again]

DType widest(DType dtype) { return is_complex(dtype) ? DType::complex128 : DType::float64; }

Tensor kept_sizes(const Tensor& self, uint64_t mask, DType dtype) {
  Dims sizes(self.sizes());
  for (int64_t d = 0; d < self.dim(); ++d)
    if (mask >> d & 1) sizes[d] = 1;
  return empty(sizes, {dtype, self.device()});
}

void give(const Tensor& out, const Tensor& result) {
  copy(out, Tensor::alias(result, out.sizes(), contiguous_strides(out.sizes()), 0));
}

// A sum or mean whose partial sums are not finite: of floats in double, of doubles that are made
// smaller by a power of two.
void sum_again(Reduction reduction, const Tensor& out, const Tensor& self, uint64_t mask) {
  const DType wide = widest(out.dtype());
  if (compute_of(out.dtype()) != compute_of(wide)) return reduce(reduction, wide, self, mask, &out);
  double shrink = 1;
  for (int64_t n = self.numel(); n > 0; n /= 2) shrink /= 2;
  const Tensor small =
      entry::mul_Scalar(entry::to_dtype(self, wide, false, false, {}), Scalar(shrink));
  const Tensor result = kept_sizes(self, mask, wide);
  reduce(reduction, wide, small, mask, &result);
  give(out, entry::mul_Scalar(result, Scalar(1 / shrink)));
}

// What the elements are divided by before they are reduced: the largest size, or the smallest.
struct Scaled {
  Tensor scale, elements;

  Scaled(const Tensor& self, uint64_t mask, bool by_largest) {
    const Tensor wide = entry::to_dtype(self, widest(self.dtype()), false, false, {});
    const Tensor size = kept_sizes(self, mask, DType::float64);
    reduce(by_largest ? Reduction::norm_max : Reduction::norm_min, wide.dtype(), wide, mask, &size);
    const Tensor usable =
        entry::logical_and(entry::gt_Scalar(size, Scalar(int64_t{0})), entry::isfinite(size));
    scale = entry::where_self(usable, size, wrapped_number(Scalar(1.0)));
    elements = entry::div_Tensor(wide, scale);
  }
};

void norm_again(Reduction reduction, const Tensor& out, const Tensor& self, uint64_t mask,
                const NormParams& params) {
  const Scaled scaled(self, mask, params.p > 0);
  const Tensor result = kept_sizes(self, mask, DType::float64);
  reduce(reduction, scaled.elements.dtype(), scaled.elements, mask, &result, nullptr, &params);
  give(out, entry::mul_Tensor(result, scaled.scale));
}

void spread_again(const Tensor& out, const Tensor* mean_out, const Tensor& self, uint64_t mask,
                  const SpreadParams& params) {
  const Scaled scaled(self, mask, true);
  const Tensor mean = kept_sizes(self, mask, scaled.elements.dtype());
  Tensor result = kept_sizes(self, mask, DType::float64);
  reduce(Reduction::spread, scaled.elements.dtype(), scaled.elements, mask, &result, &mean,
         &params);
  result = entry::mul_Tensor(result, scaled.scale);
  give(out, params.root ? result : entry::mul_Tensor(result, scaled.scale));
  if (mean_out) give(*mean_out, entry::mul_Tensor(mean, scaled.scale));
}

// Below these squares lose digits.
constexpr double kSmallSquare = 0x1p-960, kSmallRoot = 0x1p-480;

void spread(const Tensor& out, const Tensor* mean_out, const Tensor& self, IntSpan dims,
            const SpreadParams& params) {
  const uint64_t mask = mask_of(self, dims);
  const bool wide = widest(self.dtype()) == self.dtype();
  Watch watch(params.root ? kSmallRoot : -1);
  reduce(Reduction::spread, self.dtype(), self, mask, &out, mean_out, &params, false,
         wide ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) spread_again(out, mean_out, self, mask, params);
}

void add_up(Reduction reduction, const Tensor& out, const Tensor& self, IntSpan dims) {
  const uint64_t mask = mask_of(self, dims);
  const bool watched = is_differentiable(out.dtype());
  Watch watch;
  reduce(reduction, sum_element(out.dtype()), self, mask, &out, nullptr, nullptr, false,
         watched ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) sum_again(reduction, out, self, mask);
}

// Rare enough to be composed: of the exponentials of what is left above the largest real part.
void complex_logsumexp(const Tensor& out, const Tensor& self, IntSpan dims) {
  const Tensor largest = entry::amax(entry::real(self), dims, true);
  const Tensor shift =
      entry::masked_fill_Scalar(largest, entry::isinf(largest), Scalar(int64_t{0}));
  const Tensor rest = entry::exp(entry::sub_Tensor(self, shift, Scalar(int64_t{1})));
  const Tensor sum =
      entry::log(entry::sum_dim_IntList(rest, std::optional<IntSpan>(dims), true, {}));
  copy(out, ops::view(entry::add_Tensor(sum, shift, Scalar(int64_t{1})), out.sizes()));
}

}  // namespace

void sum(const Tensor& out, const Tensor& self, IntSpan dims) {
  // As truth values 1 + 1 is 1.
  if (out.dtype() == DType::boolean) return any(out, self, dims);
  add_up(Reduction::sum, out, self, dims);
}

void mean(const Tensor& out, const Tensor& self, IntSpan dims) {
  add_up(Reduction::mean, out, self, dims);
}

void prod(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (out.dtype() == DType::boolean) return all(out, self, dims);
  reduce(Reduction::prod, sum_element(out.dtype()), self, mask_of(self, dims), &out);
}

void amax(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::max, ordered_element(self.dtype()), self, mask_of(self, dims), &out);
}

void amin(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::min, ordered_element(self.dtype()), self, mask_of(self, dims), &out);
}

void aminmax(const Tensor& min, const Tensor& max, const Tensor& self, IntSpan dims) {
  amin(min, self, dims);
  amax(max, self, dims);
}

void max(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  extreme(Reduction::arg_max, &values, &indices, self, IntSpan(&dim, 1));
}

void min(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  extreme(Reduction::arg_min, &values, &indices, self, IntSpan(&dim, 1));
}

void argmax(const Tensor& out, const Tensor& self, std::optional<int64_t> dim) {
  arg_extreme(Reduction::arg_max, out, self, dim);
}

void argmin(const Tensor& out, const Tensor& self, std::optional<int64_t> dim) {
  arg_extreme(Reduction::arg_min, out, self, dim);
}

void any(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::any, DType::boolean, self, mask_of(self, dims), &out);
}

void all(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::all, DType::boolean, self, mask_of(self, dims), &out);
}

void var(const Tensor& out, const Tensor& self, IntSpan dims, double correction) {
  spread(out, nullptr, self, dims, {correction, false});
}

void std(const Tensor& out, const Tensor& self, IntSpan dims, double correction) {
  spread(out, nullptr, self, dims, {correction, true});
}

void var_mean(const Tensor& var_out, const Tensor& mean_out, const Tensor& self, IntSpan dims,
              double correction) {
  spread(var_out, &mean_out, self, dims, {correction, false});
}

void logsumexp(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (is_complex(out.dtype())) return complex_logsumexp(out, self, dims);
  reduce(Reduction::logsumexp, out.dtype(), self, mask_of(self, dims), &out);
}

void norm(const Tensor& out, const Tensor& self, IntSpan dims, const Scalar& ord) {
  const NormParams params{ord.to_double()};
  const double p = params.p;
  const Reduction reduction = p == 0                  ? Reduction::norm_0
                              : p == 1                ? Reduction::norm_1
                              : p == 2                ? Reduction::norm_2
                              : p == __builtin_inf()  ? Reduction::norm_max
                              : p == -__builtin_inf() ? Reduction::norm_min
                                                      : Reduction::norm_p;
  const DType element = is_complex(self.dtype()) ? to_complex(out.dtype()) : out.dtype();
  const uint64_t mask = mask_of(self, dims);
  const bool powers = reduction == Reduction::norm_p;
  const bool watched = powers || (reduction == Reduction::norm_2 && widest(element) == element);
  const double edge = std::pow(kSmallSquare, 1 / p);
  Watch watch(p > 0 ? edge : 0, p > 0 ? __builtin_inf() : edge);
  reduce(reduction, element, self, mask, &out, nullptr, &params, false, watched ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) norm_again(reduction, out, self, mask, params);
}

}  // namespace flambeau::inline v1::cpu
