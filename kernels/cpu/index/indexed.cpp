#include "kernels/cpu/index/indexed.h"

#include <atomic>
#include <utility>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

const IndexKernels& index_kernels() {
  static const IndexKernels& chosen =
      of_isa(baseline::index_kernels, avx2::index_kernels, avx512::index_kernels);
  return chosen;
}

// ---- offsets

namespace {

constexpr int64_t kOffsetsGrain = 1 << 15;

// The index without the repetitions of its expanded dimensions.
Tensor without_expansion(const Tensor& index) {
  Dims sizes(index.sizes());
  bool expanded = false;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (index.strides()[d] != 0 || sizes[d] <= 1) continue;
    sizes[d] = 1;
    expanded = true;
  }
  return expanded ? Tensor::alias(index, sizes, index.strides(), index.offset()) : index;
}

Tensor contiguous_int64(const Tensor& index, IntSpan sizes) {
  Tensor values = empty(sizes, {DType::int64, index.device()});
  copy(values, index);
  return values;
}

[[noreturn]] void report(int64_t bad, const IndexRange& range) {
  using Fault = IndexRange::Fault;
  if (range.fault == Fault::not_in_self)
    raise<IndexError>(range.op, ": index out of range in self: ", bad,
                      " is not an index of dimension ", range.dim, " with size ", range.size);
  const std::string text =
      range.size == 0 && range.fault == Fault::index_error
          ? concat(range.op, ": index is out of bounds for dimension with size 0")
          : concat(range.op, ": index ", bad, " is out of bounds for dimension ", range.dim,
                   " with size ", range.size);
  if (range.fault == Fault::index_error) throw IndexError(text);
  throw Error(text);
}

[[noreturn]] void report_first_bad(const Tensor& index, const IndexRange& range) {
  const Tensor values = contiguous_int64(index, index.sizes());
  const int64_t* v = values.data<int64_t>();
  const int64_t lowest = range.wrap ? -range.size : 0;
  int64_t i = 0;
  while (i + 1 < values.numel() && v[i] >= lowest && v[i] < range.size) ++i;
  report(v[i], range);
}

void convert_offsets(const int64_t* in, int64_t* out, const Tensor& index, int64_t stride,
                     const IndexRange& range, bool add) {
  std::atomic<bool> good = true;
  parallel_for(index.numel(), kOffsetsGrain, [&](int64_t begin, int64_t end) {
    if (!index_kernels().offsets(in + begin, out + begin, end - begin, range.size, stride,
                                 range.wrap, add))
      good.store(false, std::memory_order_relaxed);
  });
  if (!good) [[unlikely]]
    report_first_bad(index, range);
}

}  // namespace

Offsets offsets_of(const Tensor& index, int64_t stride, const IndexRange& range) {
  const Tensor source = without_expansion(index);
  Offsets made;
  const bool direct = source.dtype() == DType::int64 && source.is_contiguous();
  made.data = direct ? empty(source.sizes(), {DType::int64, index.device()})
                     : contiguous_int64(source, source.sizes());
  int64_t* out = made.data.data<int64_t>();
  convert_offsets(direct ? source.data<int64_t>() : out, out, source, stride, range, false);
  made.strides = Dims(made.data.strides());
  for (size_t d = 0; d < made.strides.size(); ++d)
    if (source.sizes()[d] == 1) made.strides[d] = 0;
  return made;
}

void check_range(const Tensor& index, const IndexRange& range) { offsets_of(index, 0, range); }

void add_offsets(const Tensor& offsets, const Tensor& index, int64_t stride,
                 const IndexRange& range) {
  const bool direct = index.dtype() == DType::int64 && index.is_contiguous() &&
                      same(index.sizes(), offsets.sizes());
  const Tensor values = direct ? index : contiguous_int64(index, offsets.sizes());
  convert_offsets(values.data<int64_t>(), offsets.data<int64_t>(), values, stride, range, true);
}

// ---- walks

Tensor expanded(const Tensor& t, IntSpan sizes) {
  Dims strides(sizes.size(), 0);
  const size_t extra = sizes.size() - t.sizes().size();
  for (size_t d = extra; d < sizes.size(); ++d)
    strides[d] = t.sizes()[d - extra] == 1 ? 0 : t.strides()[d - extra];
  return Tensor::alias(t, sizes, strides, t.offset());
}

namespace {
constexpr int64_t kZero = 0;
}

IndexedWalk::IndexedWalk(IntSpan sizes) : ndim_(static_cast<int>(sizes.size())) {
  check(ndim_ <= kMaxDims, "tensors of more than ", kMaxDims, " dimensions cannot be indexed");
  for (int d = 0; d < ndim_; ++d) {
    dims_[d] = {sizes[d], 0, 0, 0};
    numel_ *= sizes[d];
  }
  base_ = {nullptr, nullptr, &kZero};
}

void IndexedWalk::set_plain(char* base, IntSpan strides, int64_t item) {
  base_.plain = base;
  for (int d = 0; d < ndim_; ++d) dims_[d].plain = strides[d] * item;
}
void IndexedWalk::set_indexed(char* base, IntSpan strides, int64_t item) {
  base_.indexed = base;
  item_ = item;
  for (int d = 0; d < ndim_; ++d) dims_[d].indexed = strides[d] * item;
}
void IndexedWalk::set_index(const Tensor& index, int64_t stride, const IndexRange& range) {
  by_block_ = index.dtype() == DType::int64 && index.is_contiguous();
  if (!by_block_) return set_offsets(offsets_of(index, stride, range));
  index_stride_ = stride;
  range_ = range;
  set_offsets({index, Dims(index.strides())});
}
void IndexedWalk::set_offsets(Offsets offsets) {
  offsets_ = std::move(offsets.data);
  base_.offsets = offsets_.data<int64_t>();
  for (int d = 0; d < ndim_; ++d) dims_[d].offset = offsets.strides[d];
}

// Rows of an index that are too short for blocks become offsets at once.
void IndexedWalk::prepare() {
  coalesce();
  constexpr int64_t kShortRow = 64;
  if (!by_block_ || dims_[ndim_ - 1].size >= kShortRow || dims_[ndim_ - 1].size == numel_) return;
  by_block_ = false;
  offsets_ = offsets_of(offsets_, index_stride_, range_).data;
  base_.offsets = offsets_.data<int64_t>();
}

void IndexedWalk::check_indices(int64_t* few) {
  if (!by_block_) return;
  const int64_t* const indices = offsets_.data<int64_t>();
  const int64_t n = offsets_.numel();
  const IndexKernels& kernels = index_kernels();
  if (n <= kBlock) {
    bad_ = !kernels.offsets(indices, few, n, range_.size, index_stride_, range_.wrap, false);
    base_.offsets = few;
    by_block_ = false;
    return finish();
  }
  constexpr int64_t kNarrow = 1 << 16;
  uint16_t* narrow = nullptr;
  if (range_.size <= kNarrow) {
    narrowed_ = empty({{n}}, {DType::uint16});
    narrow = narrowed_.data<uint16_t>();
  }
  parallel_for(n, kOffsetsGrain, [&](int64_t begin, int64_t end) {
    int64_t unused[kBlock];
    bool good = true;
    if (narrow)
      good = kernels.narrow(indices + begin, narrow + begin, end - begin, range_.size, range_.wrap);
    for (int64_t i = begin; i < end && good && !narrow; i += kBlock)
      good = kernels.offsets(indices + i, unused, std::min(kBlock, end - i), range_.size,
                             index_stride_, range_.wrap, false);
    if (!good) __atomic_store_n(&bad_, true, __ATOMIC_RELAXED);
  });
  finish();
  narrow_ = narrow;
}

void IndexedWalk::finish() const {
  if (bad_) [[unlikely]]
    report_first_bad(offsets_, range_);
}

// Joins neighbours that all operands walk as one; leaves at least the two dimensions of a block.
void IndexedWalk::coalesce() {
  int kept = 0;
  for (int i = 0; i < ndim_; ++i) {
    const Dim d = dims_[i];
    if (d.size == 1) continue;
    Dim* last = kept > 0 ? &dims_[kept - 1] : nullptr;
    if (last && last->plain == d.size * d.plain && last->indexed == d.size * d.indexed &&
        last->offset == d.size * d.offset)
      *last = {last->size * d.size, d.plain, d.indexed, d.offset};
    else
      dims_[kept++] = d;
  }
  for (; kept < 2; ++kept) {
    for (int i = kept; i > 0; --i) dims_[i] = dims_[i - 1];
    dims_[0] = {1, 0, 0, 0};
  }
  ndim_ = kept;
}

int64_t IndexedWalk::wanted_tasks() const {
  constexpr int64_t kGrainBytes = 1 << 16, kMost = 256;
  return std::clamp<int64_t>(numel_ * item_ / kGrainBytes, 1, kMost);
}

int IndexedWalk::best_split(bool writes, int64_t wanted) const {
  constexpr int64_t kEnough = 16;
  int best = -1;
  for (int d = 0; d < ndim_; ++d) {
    if (writes && dims_[d].indexed == 0) continue;
    if (best < 0 || dims_[d].size > dims_[best].size) best = d;
    if (dims_[d].size >= std::min(wanted, kEnough)) break;
  }
  return best;
}

// Lines of a row that are picked in any order are not foreseen by the processor: at the start of
// one row all of the next is fetched.
void IndexedWalk::fetch_next(const Dim& outer, const Place& at) const {
  constexpr int64_t kLine = 64;
  const char* const row = at.indexed + outer.indexed;
  const int64_t bytes = range_.size * index_stride_;
  for (int64_t b = 0; b < bytes; b += kLine) __builtin_prefetch(row + b, 1);
}

void IndexedWalk::run_blocks(const Dim& outer, const Dim& inner, const Place& place, IndexLoop loop,
                             const void* factor) const {
  constexpr int64_t kMostRowBytes = 16 << 10;  // half of an L1 cache
  const int64_t row_bytes = range_.size * index_stride_;
  const bool ahead = inner.indexed == 0 && index_stride_ == item_ && row_bytes <= kMostRowBytes &&
                     inner.size * item_ * 4 >= row_bytes;
  const auto pick = !narrow_ && inner.indexed == 0 && inner.plain == item_ ? pick_ : nullptr;
  const IndexKernels& kernels = index_kernels();
  int64_t offsets[kBlock];
  for (int64_t r = 0; r < outer.size; ++r)
    for (int64_t i = 0; i < inner.size; i += kBlock) {
      const int64_t n = std::min(kBlock, inner.size - i);
      Place at = place;
      at.step(outer, r);
      if (ahead && i == 0 && r + 1 < outer.size) fetch_next(outer, at);
      at.step(inner, i);
      bool good = true;
      if (pick)
        good = pick(at.plain, at.indexed, at.offsets, n, range_.size, index_stride_, range_.wrap);
      else if (!narrow_)
        good =
            kernels.offsets(at.offsets, offsets, n, range_.size, index_stride_, range_.wrap, false);
      if (!good) [[unlikely]]
        __atomic_store_n(&bad_, true, __ATOMIC_RELAXED);
      if (pick || !good) continue;
      loop({.plain = at.plain,
            .indexed = at.indexed,
            .offsets = offsets,
            .sizes = {1, n},
            .plain_stride = {0, inner.plain},
            .indexed_stride = {0, inner.indexed},
            .offset_stride = {0, 1},
            .narrow = narrow_ ? narrow_ + (at.offsets - base_.offsets) : nullptr,
            .stride = index_stride_},
           factor);
    }
}

void IndexedWalk::run_part(const Dim* dims, int ndim, Place place, IndexLoop loop,
                           const void* factor) const {
  if (ndim > 2) {
    for (int64_t i = 0; i < dims[0].size; ++i) {
      run_part(dims + 1, ndim - 1, place, loop, factor);
      place.step(dims[0], 1);
    }
    return;
  }
  const Dim &a = dims[0], &b = dims[1];
  if (by_block_) return run_blocks(a, b, place, loop, factor);
  loop({place.plain,
        place.indexed,
        place.offsets,
        {a.size, b.size},
        {a.plain, b.plain},
        {a.indexed, b.indexed},
        {a.offset, b.offset}},
       factor);
}

// Pieces of rows that are shorter are read no faster than whole rows.
constexpr int64_t kPieceBytes = 512;

void IndexedWalk::run_split(int d, int64_t tasks, IndexLoop loop, const void* factor) const {
  if (tasks <= 1) return run_part(dims_, ndim_, base_, loop, factor);
  int64_t chunk = (dims_[d].size + tasks - 1) / tasks;
  if (d == ndim_ - 1) {
    const int64_t piece = kPieceBytes / item_;
    chunk = (chunk + piece - 1) / piece * piece;
  }
  parallel_for(dims_[d].size, chunk, [&](int64_t begin, int64_t end) {
    Dim part[kMaxDims];
    std::copy(dims_, dims_ + ndim_, part);
    part[d].size = end - begin;
    Place place = base_;
    place.step(dims_[d], begin);
    run_part(part, ndim_, place, loop, factor);
  });
}

namespace {

// The rows of a group lie apart, so the processor does not foresee them.
constexpr int64_t kAhead = 8;

}  // namespace

void IndexedWalk::fetch_row(const Place& at, int64_t bytes) {
  constexpr int64_t kLine = 64, kMostBytes = 512;
  const char* const to = at.indexed + *at.offsets;
  for (int64_t b = 0; b < std::min(bytes, kMostBytes); b += kLine) {
    __builtin_prefetch(at.plain + b);
    __builtin_prefetch(to + b, 1);
  }
}

bool IndexedWalk::run_by_destination(int64_t groups, IndexLoop loop, const void* factor) const {
  int row = -1;
  int64_t row_bytes = item_;
  for (int d = 0; d < ndim_; ++d) {
    if (dims_[d].offset != 0 && row >= 0) return false;
    if (dims_[d].offset != 0)
      row = d;
    else
      row_bytes *= dims_[d].size;
  }
  constexpr int64_t kShortRow = 64;  // bytes, below which grouping costs more than it saves
  if (row < 0 || by_block_ || row_bytes < kShortRow || dims_[row].size > UINT32_MAX) return false;
  const int64_t rows = dims_[row].size, stride = dims_[row].offset;
  const auto offset = [&](int64_t r) { return static_cast<uint64_t>(base_.offsets[r * stride]); };
  uint64_t last = 0;
  for (int64_t r = 0; r < rows; ++r) last = std::max(last, offset(r));
  int shift = 0;
  while ((last >> shift) >= static_cast<uint64_t>(groups)) ++shift;

  std::vector<int64_t> begins(groups + 1, 0);
  for (int64_t r = 0; r < rows; ++r) ++begins[(offset(r) >> shift) + 1];
  for (int64_t g = 0; g < groups; ++g) begins[g + 1] += begins[g];
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  const Tensor order = empty({{rows}}, {DType::int32});
  uint32_t* const by_group = order.data<uint32_t>();
  for (int64_t r = 0; r < rows; ++r)
    by_group[next[offset(r) >> shift]++] = static_cast<uint32_t>(r);

  parallel_tasks(groups, [&](int64_t g) {
    Dim part[kMaxDims];
    std::copy(dims_, dims_ + ndim_, part);
    part[row].size = 1;
    const auto place = [&](int64_t i) {
      Place at = base_;
      at.step(dims_[row], by_group[i]);
      return at;
    };
    for (int64_t i = begins[g]; i < begins[g + 1]; ++i) {
      if (i + kAhead < begins[g + 1]) fetch_row(place(i + kAhead), row_bytes);
      run_part(part, ndim_, place(i), loop, factor);
    }
  });
  return true;
}

void IndexedWalk::load() {
  if (numel_ == 0) return;
  prepare();
  pick_ = index_kernels().pick[log2_size(item_)];
  const int64_t wanted = wanted_tasks();
  const int d = best_split(false, wanted);
  run_split(d, std::min(wanted, dims_[d].size), index_kernels().load[log2_size(item_)], nullptr);
  finish();
}

void IndexedWalk::write(IndexLoop loop, const void* factor) {
  if (numel_ == 0) return;
  prepare();
  int64_t few[kBlock];
  check_indices(few);
  const int64_t wanted = wanted_tasks();
  const int d = best_split(true, wanted);
  int64_t parts = d < 0 ? 1 : dims_[d].size;
  if (d == ndim_ - 1) parts = parts * item_ / kPieceBytes;
  const int64_t tasks = std::clamp<int64_t>(parts, 1, wanted);
  // Groups read memory in jumps, which costs as much as a second thread gains. Whatever the way,
  // what is written to one place is written in the order of the rows.
  constexpr int kThreadsForGroups = 3;
  if (tasks < wanted && tasks < num_threads() && num_threads() >= kThreadsForGroups &&
      run_by_destination(wanted, loop, factor))
    return;
  run_split(std::max(d, 0), tasks, loop, factor);
  finish();  // another thread may have changed them meanwhile
}

void IndexedWalk::store() { write(index_kernels().store[log2_size(item_)], nullptr); }

namespace {
int stored_index(const char* what, DType dtype) {
  const int i = kStoredIndex[static_cast<int>(dtype)];
  check<NotImplementedError>(i >= 0, what, " is not supported for ", dtype_name(dtype));
  return i;
}
}  // namespace

void IndexedWalk::accumulate(DType dtype, const void* factor) {
  write(index_kernels().accumulate[stored_index("accumulation", dtype)], factor);
}
void IndexedWalk::multiply(DType dtype) {
  alignas(16) static constexpr char kUnused[16] = {};
  write(index_kernels().multiply[stored_index("multiplication", dtype)], kUnused);
}

}  // namespace flambeau::inline v1::cpu
