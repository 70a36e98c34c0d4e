#include "kernels/cpu/rearrange/join.h"

#include <algorithm>
#include <vector>

#include "core/parallel/parallel.h"
#include "flambeau/kernels/rearrange.h"
#include "kernels/cpu/index/indexed.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/join.h"

namespace flambeau::inline v1::cpu {
namespace {

int64_t item_of(const Tensor& t) { return static_cast<int64_t>(t.itemsize()); }

// ---- cat, stack

// The memory of one tensor in a row of the result: `bytes` from `data + row * step` on.
using Part = JoinedPart;

// Dimensions from the outermost in memory to the innermost.
Dims memory_order(const Tensor& t) {
  Dims order(t.dim(), 0);
  for (int64_t d = 0; d < t.dim(); ++d) order[d] = d;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return t.strides()[a] > t.strides()[b] && t.sizes()[a] != 1 && t.sizes()[b] != 1;
  });
  return order;
}

bool packed_in_order(const Tensor& t, IntSpan order) {
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const int64_t d = order[i];
    if (t.sizes()[d] != 1 && t.strides()[d] != step) return false;
    step *= t.sizes()[d];
  }
  return true;
}

constexpr int64_t kCopyGrain = 256 << 10;

// Pieces of one element, a power of two: pairs by vectors, others one part after the other.
bool copy_elements(char* out, const std::vector<Part>& parts, int64_t begin, int64_t end,
                   int64_t row_bytes) {
  const int64_t item = parts[0].bytes;
  if (item > 16 || (item & (item - 1)) != 0 || parts.size() > 16) return false;
  for (const Part& p : parts)
    if (p.bytes != item) return false;
  const ConvertKernels& kernels = convert_kernels();
  const int size = log2_size(item);
  constexpr int64_t kRows = 1024;  // what is written stays in the L1 cache for the next part
  for (int64_t row = begin; row < end; row += kRows) {
    const int64_t n = std::min(kRows, end - row);
    char* const to = out + row * row_bytes;
    if (parts.size() == 2) {
      kernels.interleave[size](to, parts[0].data + row * item, parts[1].data + row * item, n);
      continue;
    }
    for (size_t k = 0; k < parts.size(); ++k)
      kernels.scatter[size](to + static_cast<int64_t>(k) * item, parts[k].data + row * item, &n,
                            &row_bytes, 1);
  }
  return true;
}

void copy_rows(char* out, const std::vector<Part>& parts, int64_t begin, int64_t end,
               int64_t row_bytes) {
  if (copy_elements(out, parts, begin, end, row_bytes)) return;
  std::vector<Part> rest = parts;
  for (Part& p : rest) p.data += begin * p.step;
  index_kernels().join(out + begin * row_bytes, rest.data(), static_cast<int64_t>(rest.size()),
                       end - begin);
}

// The bytes [begin, end) of a result that is one row.
void copy_range(char* out, const std::vector<Part>& parts, const std::vector<int64_t>& begins,
                int64_t begin, int64_t end) {
  size_t part = std::upper_bound(begins.begin(), begins.end(), begin) - begins.begin() - 1;
  for (; begin < end; ++part) {
    const int64_t from = begin - begins[part], n = std::min(parts[part].bytes - from, end - begin);
    std::memcpy(out + begin, parts[part].data + from, n);
    begin += n;
  }
}

// Fills `rows` rows of the result, each made of one piece of every part.
void copy_parts(char* out, std::vector<Part> parts, int64_t rows) {
  std::vector<int64_t> begins(1, 0);
  for (const Part& p : parts) begins.push_back(begins.back() + p.bytes);
  const int64_t row_bytes = begins.back();
  if (row_bytes < kCopyGrain)
    return parallel_for(rows, kCopyGrain / row_bytes, [&](int64_t begin, int64_t end) {
      copy_rows(out, parts, begin, end, row_bytes);
    });
  for (int64_t row = 0; row < rows; ++row, out += row_bytes) {
    parallel_for(row_bytes, kCopyGrain,
                 [&](int64_t begin, int64_t end) { copy_range(out, parts, begins, begin, end); });
    for (Part& p : parts) p.data += p.bytes;
  }
}

// Joins by plain copies of memory where all tensors lie as the result does.
bool cat_packed(const Tensor& result, const std::vector<const Tensor*>& tensors, int64_t dim) {
  const Dims order = memory_order(result);
  if (!packed_in_order(result, order)) return false;
  for (const Tensor* t : tensors)
    if (t->dtype() != result.dtype() || !packed_in_order(*t, order)) return false;
  int64_t rows = 1, inner = item_of(result);
  const auto place = std::find(order.begin(), order.end(), dim);
  for (auto d = order.begin(); d != place; ++d) rows *= result.sizes()[*d];
  for (auto d = place + 1; d != order.end(); ++d) inner *= result.sizes()[*d];
  std::vector<Part> parts;
  for (const Tensor* t : tensors) {
    const int64_t bytes = t->sizes()[dim] * inner;
    parts.push_back({t->bytes(), bytes, bytes});
  }
  copy_parts(result.bytes(), parts, rows);
  return true;
}

}  // namespace

namespace {

// An out= tensor that is one of those to be joined has been given its new shape already.
void check_apart(const char* op, const Tensor& result, TensorSpan tensors) {
  int64_t elements = 0;
  bool apart = true;
  for (const Tensor& t : tensors) {
    elements += t.numel();
    apart = apart && memory_overlap(t, result) == MemOverlap::none;
  }
  check(apart && elements == result.numel(), op,
        ": unsupported operation: the input tensors cannot "
        "refer to any of the output memory locations; pass an out= of its own");
}

}  // namespace

void cat(const Tensor& result, TensorSpan tensors, int64_t dim) {
  check_apart("cat", result, tensors);
  if (result.numel() == 0) return;
  const int64_t d = wrap_dim(dim, result.dim(), "cat");
  std::vector<const Tensor*> wanted;
  for (const Tensor& t : tensors)
    if (t.numel() > 0) wanted.push_back(&t);
  if (cat_packed(result, wanted, d)) return;
  int64_t offset = result.offset();
  for (const Tensor* t : wanted) {
    copy(Tensor::alias(result, t->sizes(), result.strides(), offset), *t);
    offset += t->sizes()[d] * result.strides()[d];
  }
}

void stack(const Tensor& result, TensorSpan tensors, int64_t dim) {
  check_apart("stack", result, tensors);
  if (result.numel() == 0) return;
  const int64_t d = wrap_dim(dim, result.dim(), "stack");
  bool packed = result.is_contiguous();
  for (const Tensor& t : tensors)
    packed = packed && t.dtype() == result.dtype() && t.is_contiguous();
  if (packed) {
    int64_t rows = 1;
    for (int64_t k = 0; k < d; ++k) rows *= result.sizes()[k];
    std::vector<Part> parts;
    const int64_t bytes = tensors[0].numel() / rows * item_of(result);
    for (const Tensor& t : tensors) parts.push_back({t.bytes(), bytes, bytes});
    return copy_parts(result.bytes(), parts, rows);
  }
  Dims strides(result.strides());
  strides.erase(d);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t offset = result.offset() + static_cast<int64_t>(i) * result.strides()[d];
    copy(Tensor::alias(result, tensors[i].sizes(), strides, offset), tensors[i]);
  }
}

// ---- flip, roll, repeat

void flip(const Tensor& result, const Tensor& self, IntSpan dims) {
  if (result.numel() == 0) return;
  const uint64_t flipped = shape::dims_mask("flip", dims, self.dim());
  Dims strides(self.strides());
  const char* first = self.bytes();
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (!(flipped >> d & 1)) continue;
    first += (self.sizes()[d] - 1) * strides[d] * item_of(self);
    strides[d] = -strides[d];
  }
  // The result's order of dimensions: its memory is walked from front to back.
  const Dims order = memory_order(result);
  Dims sizes, to, from;
  for (const int64_t d : order) {
    sizes.push_back(result.sizes()[d]);
    to.push_back(result.strides()[d]);
    from.push_back(strides[d]);
  }
  IndexedWalk walk(sizes);
  walk.set_plain(result.bytes(), to, item_of(self));
  walk.set_indexed(const_cast<char*>(first), from, item_of(self));
  walk.load();
}

namespace {

// Copies self to result, moved by shift[d] along each dimension d from `d` on: what stays on this
// side of the end and what comes round are two blocks, each to be moved along the rest.
void roll_blocks(const Tensor& result, const Tensor& self, const Dims& shift, int64_t d) {
  while (d < self.dim() && shift[d] == 0) ++d;
  if (d == self.dim()) return copy(result, self);
  const int64_t n = self.sizes()[d];
  const auto block = [&](const Tensor& t, int64_t start, int64_t length) {
    Dims sizes(t.sizes());
    sizes[d] = length;
    return Tensor::alias(t, sizes, t.strides(), t.offset() + start * t.strides()[d]);
  };
  roll_blocks(block(result, shift[d], n - shift[d]), block(self, 0, n - shift[d]), shift, d + 1);
  roll_blocks(block(result, 0, shift[d]), block(self, n - shift[d], shift[d]), shift, d + 1);
}

// Rolls memory that both sides walk in one order, whose dimensions are `sizes`: from the last one
// that moves on, a row is two pieces of a row of the source.
void roll_rows(char* out, const char* in, const Dims& sizes, const Dims& shift, int64_t item) {
  size_t last = sizes.size() - 1;
  int64_t inner = item;
  while (last > 0 && shift[last] == 0) inner *= sizes[last--];
  const int64_t row_bytes = sizes[last] * inner, head = shift[last] * inner;
  int64_t rows = 1, moved = 0;
  for (size_t d = 0; d < last; ++d) {
    rows *= sizes[d];
    moved += shift[d] != 0;
  }
  // The row of the source that becomes row r.
  const auto source = [&](int64_t r) {
    if (moved == 0) return r;
    int64_t from = 0, step = 1;
    for (size_t d = last; d-- > 0; r /= sizes[d], step *= sizes[d])
      from += (r % sizes[d] + sizes[d] - shift[d]) % sizes[d] * step;
    return from;
  };
  if (row_bytes >= kCopyGrain) {
    for (int64_t r = 0; r < rows; ++r) {
      const char* const from = in + source(r) * row_bytes;
      const std::vector<Part> parts = {{from + row_bytes - head, head, row_bytes},
                                       {from, row_bytes - head, row_bytes}};
      const std::vector<int64_t> begins = {0, head, row_bytes};
      char* const to = out + r * row_bytes;
      parallel_for(row_bytes, kCopyGrain,
                   [&](int64_t begin, int64_t end) { copy_range(to, parts, begins, begin, end); });
    }
    return;
  }
  // How many rows from r on follow each other in the source.
  const auto run = [&](int64_t r) {
    if (moved == 0) return rows - r;
    const int64_t n = sizes[last - 1], at = r % n;
    return n - std::max(at, (at + n - shift[last - 1]) % n);
  };
  parallel_for(rows, kCopyGrain / row_bytes, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin, together; r < end; r += together) {
      together = std::min(run(r), end - r);
      const char* const from = in + source(r) * row_bytes;
      const Part parts[] = {{from + row_bytes - head, head, row_bytes},
                            {from, row_bytes - head, row_bytes}};
      index_kernels().join(out + r * row_bytes, parts, 2, together);
    }
  });
}

Tensor flattened(const Tensor& t) {
  Tensor flat = t;
  if (!t.is_contiguous()) {
    flat = empty(t.sizes(), t.options());
    copy(flat, t);
  }
  return Tensor::alias(flat, {{t.numel()}}, {{1}}, flat.offset());
}

}  // namespace

void roll(const Tensor& result, const Tensor& self, IntSpan shifts, IntSpan dims) {
  if (result.numel() == 0) return;
  const auto positive = [](int64_t shift, int64_t n) { return (shift % n + n) % n; };
  if (dims.empty()) {
    const Dims shift(1, positive(shifts[0], self.numel()));
    return roll_blocks(flattened(result), flattened(self), shift, 0);
  }
  Dims shift(self.dim(), 0);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t d = wrap_dim(dims[i], self.dim(), "roll");
    const int64_t n = self.sizes()[d];
    shift[d] = (shift[d] + positive(shifts[i], n)) % n;
  }
  const Dims order = memory_order(result);
  if (self.dim() == 0 || !packed_in_order(result, order) || !packed_in_order(self, order))
    return roll_blocks(result, self, shift, 0);
  Dims sizes, moved;
  for (const int64_t d : order) {
    sizes.push_back(result.sizes()[d]);
    moved.push_back(shift[d]);
  }
  roll_rows(result.bytes(), self.bytes(), sizes, moved, item_of(self));
}

int64_t border_source(int64_t k, int64_t n, int64_t mode) {
  if (k >= 0 && k < n) return k;
  if (mode == kReflected) return k < 0 ? -k : 2 * (n - 1) - k;
  return k < 0 ? 0 : n - 1;
}

namespace {

// Places of a dimension whose elements come from `from`, `from + step`, ...; step is 1, 0 or -1.
struct BorderRun {
  int64_t count, from, step;
};

struct BorderDim {
  int64_t size, padded, left;
  bool whole() const { return size == padded && left == 0; }
  int64_t source(int64_t place, int64_t mode) const {
    return border_source(place - left, size, mode);
  }
  std::vector<BorderRun> runs(int64_t mode) const {
    const int64_t ends[] = {std::clamp<int64_t>(left, 0, padded),
                            std::clamp<int64_t>(left + size, 0, padded), padded};
    const int64_t border_step = mode == kReflected ? -1 : 0;
    const int64_t steps[] = {border_step, 1, border_step};
    std::vector<BorderRun> runs;
    for (int64_t begin = 0, i = 0; i < 3; begin = ends[i++])
      if (begin < ends[i]) runs.push_back({ends[i] - begin, source(begin, mode), steps[i]});
    return runs;
  }
};

template <class T>
void copy_run(char* to, const char* from, int64_t count, int64_t step) {
  T* const out = reinterpret_cast<T*>(to);
  const T* const in = reinterpret_cast<const T*>(from);
  if (step == 0)
    std::fill_n(out, count, *in);
  else
    std::reverse_copy(in - count + 1, in + 1, out);
}

// `count` blocks of `bytes`, the first of them from `from`, the others before, at or after it.
void copy_run(char* to, const char* from, int64_t count, int64_t step, int64_t bytes) {
  struct Wide {
    uint64_t low, high;
  };
  constexpr int64_t kFilled = 4096;  // stays in the L1 cache, and what follows is copied from it
  if (const int64_t first = std::max<int64_t>(1, kFilled / bytes); step == 0 && count > first) {
    copy_run(to, from, first, 0, bytes);
    for (int64_t done = first; done < count; done += first)
      std::memcpy(to + done * bytes, to, std::min(first, count - done) * bytes);
  } else if (step == 1 || count == 1)
    std::memcpy(to, from, count * bytes);
  else if (bytes == 1)
    copy_run<uint8_t>(to, from, count, step);
  else if (bytes == 2)
    copy_run<uint16_t>(to, from, count, step);
  else if (bytes == 4)
    copy_run<uint32_t>(to, from, count, step);
  else if (bytes == 8)
    copy_run<uint64_t>(to, from, count, step);
  else if (bytes == 16)
    copy_run<Wide>(to, from, count, step);
  else
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * bytes, from + i * step * bytes, bytes);
}

// Dimensions from the outermost in memory to the innermost, both sides without gaps. A row, from
// the last dimension that changes on, is made of runs of a row of the source.
class Borders {
 public:
  Borders(std::vector<BorderDim> dims, int64_t mode, int64_t item) : mode_(mode), inner_(item) {
    for (; dims.size() > 1 && dims.back().whole(); dims.pop_back()) inner_ *= dims.back().size;
    const BorderDim along = dims.back();
    dims.pop_back();
    for (const BorderDim& d : dims) {
      if (!outer_.empty() && d.whole() && outer_.back().whole())
        outer_.back() = {outer_.back().size * d.size, outer_.back().padded * d.padded, 0};
      else
        outer_.push_back(d);
    }
    from_bytes_ = along.size * inner_;
    places_ = along.padded;
    row_bytes_ = places_ * inner_;
    runs_ = along.runs(mode);
    int64_t pieces = 0;
    for (const BorderRun& run : runs_) pieces += run.step == 1 ? 1 : run.count;
    joined_ = pieces <= kMostJoined;
  }

  void run(char* out, const char* in) const {
    int64_t rows = 1;
    for (const BorderDim& d : outer_) rows *= d.padded;
    if (row_bytes_ < kCopyGrain)
      return parallel_for(rows, kCopyGrain / row_bytes_,
                          [&](int64_t begin, int64_t end) { run_rows(out, in, begin, end); });
    const BorderDim& across = last();
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first_row(r / across.padded) + across.source(r % across.padded, mode_);
      char* const to = out + r * row_bytes_;
      parallel_for(places_, std::max<int64_t>(1, kCopyGrain / inner_),
                   [&](int64_t begin, int64_t end) { run_places(to, in, row, begin, end); });
    }
  }

 private:
  static constexpr int64_t kMostJoined = 20;  // beyond, runs are faster than a piece at a time

  // The dimension across which rows follow each other; planes of such rows make the rest.
  const BorderDim& last() const {
    static constexpr BorderDim kNone{1, 1, 0};
    return outer_.empty() ? kNone : outer_.back();
  }
  // The first row of the source's plane that becomes a plane.
  int64_t first_row(int64_t plane) const {
    int64_t from = 0, step = last().size;
    for (size_t d = outer_.empty() ? 0 : outer_.size() - 1; d-- > 0;) {
      const BorderDim& dim = outer_[d];
      from += dim.source(plane % dim.padded, mode_) * step;
      step *= dim.size;
      plane /= dim.padded;
    }
    return from;
  }
  // The places [begin, end) of what is made of a row of the source.
  void run_places(char* to, const char* in, int64_t row, int64_t begin, int64_t end) const {
    in += row * from_bytes_;
    int64_t at = 0;
    for (const BorderRun& run : runs_) {
      const int64_t low = std::max(begin - at, int64_t{0}), high = std::min(end - at, run.count);
      if (low < high)
        copy_run(to + (at + low) * inner_, in + (run.from + low * run.step) * inner_, high - low,
                 run.step, inner_);
      at += run.count;
    }
  }
  // What is made of a row of the source, where that is few pieces of memory.
  void set_row(std::vector<Part>& parts, const char* in, int64_t row) const {
    parts.clear();
    in += row * from_bytes_;
    for (const BorderRun& run : runs_) {
      if (run.step == 1)
        parts.push_back({in + run.from * inner_, run.count * inner_, from_bytes_});
      else
        for (int64_t i = 0; i < run.count; ++i)
          parts.push_back({in + (run.from + i * run.step) * inner_, inner_, from_bytes_});
    }
  }

  // Rows of a border are copies of rows that are finished, where those are among them.
  void run_rows(char* out, const char* in, int64_t begin, int64_t end) const {
    const BorderDim& across = last();
    std::vector<Part> parts;
    const auto join = [&](char* to, int64_t row, int64_t count) {
      if (!joined_) {
        for (int64_t i = 0; i < count; ++i)
          run_places(to + i * row_bytes_, in, row + i, 0, places_);
        return;
      }
      set_row(parts, in, row);
      index_kernels().join(to, parts.data(), static_cast<int64_t>(parts.size()), count);
    };
    for (int64_t r = begin; r < end;) {
      const int64_t plane = r / across.padded, first = plane * across.padded;
      const int64_t from = first_row(plane), low = r - first;
      const int64_t high = std::min(end - first, across.padded);
      const int64_t inner = std::max(low, across.left);
      const int64_t outer = std::min(high, across.left + across.size);
      char* const to = out + first * row_bytes_;
      if (inner < outer) join(to + inner * row_bytes_, from + inner - across.left, outer - inner);
      for (int64_t k = low; k < high; ++k) {
        if (k == inner && inner < outer) k = outer;
        if (k >= high) break;
        const int64_t source = across.source(k, mode_), made = source + across.left;
        if (made >= inner && made < outer)
          convert_kernels().move(to + k * row_bytes_, to + made * row_bytes_, row_bytes_);
        else
          join(to + k * row_bytes_, from + source, 1);
      }
      r = first + high;
    }
  }

  int64_t mode_, inner_, from_bytes_, places_, row_bytes_;
  bool joined_;
  std::vector<BorderDim> outer_;
  std::vector<BorderRun> runs_;  // of places, each of inner_ bytes
};

// A part of t: `size` elements from `start` on in each dimension.
Tensor part_of(const Tensor& t, const Dims& start, const Dims& sizes) {
  int64_t offset = t.offset();
  for (size_t d = 0; d < start.size(); ++d) offset += start[d] * t.strides()[d];
  return Tensor::alias(t, sizes, t.strides(), offset);
}

}  // namespace

void constant_border(const Tensor& result, const Tensor& self, IntSpan pad, const Scalar& value) {
  if (result.numel() == 0) return;
  Dims kept(self.sizes()), start(kept.size(), 0), left(kept.size(), 0);
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const size_t d = kept.size() - 1 - k;
    start[d] = std::max<int64_t>(-pad[2 * k], 0);
    left[d] = std::max<int64_t>(pad[2 * k], 0);
    kept[d] += std::min<int64_t>(pad[2 * k], 0) + std::min<int64_t>(pad[2 * k + 1], 0);
  }
  const Tensor from = part_of(self, start, kept);
  if (from.numel() != result.numel()) fill(result, value);
  copy(part_of(result, left, kept), from);
}

void edge_border(const Tensor& result, const Tensor& self, IntSpan pad, int64_t mode) {
  if (result.numel() == 0) return;
  if (std::ranges::all_of(pad, [](int64_t p) { return p == 0; })) return copy(result, self);
  const Dims order = memory_order(result);
  if (!packed_in_order(result, order)) {
    const Tensor made = empty(result.sizes(), result.options());
    edge_border(made, self, pad, mode);
    return copy(result, made);
  }
  Dims left(self.dim(), 0), strides(self.strides());
  for (size_t k = 0; k < pad.size() / 2; ++k) left[left.size() - 1 - k] = pad[2 * k];
  std::vector<BorderDim> dims;
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= self.sizes()[order[i]];
  }
  for (const int64_t d : order) dims.push_back({self.sizes()[d], result.sizes()[d], left[d]});
  Tensor from = self;
  if (!packed_in_order(from, order)) {
    from = empty_strided(self.sizes(), strides, self.options());
    copy(from, self);
  }
  Borders(std::move(dims), mode, item_of(self)).run(result.bytes(), from.bytes());
}

// Both sides seen with a dimension for the copies before each dimension of self.
void repeat(const Tensor& result, const Tensor& self, IntSpan repeats) {
  if (result.numel() == 0) return;
  const size_t extra = repeats.size() - self.sizes().size();
  Dims sizes, to, from;
  for (size_t d = 0; d < repeats.size(); ++d) {
    const int64_t n = d < extra ? 1 : self.sizes()[d - extra];
    sizes.push_back(repeats[d]);
    to.push_back(n * result.strides()[d]);
    from.push_back(0);
    if (d < extra) continue;
    sizes.push_back(n);
    to.push_back(result.strides()[d]);
    from.push_back(self.strides()[d - extra]);
  }
  copy(Tensor::alias(result, sizes, to, result.offset()),
       Tensor::alias(self, sizes, from, self.offset()));
}

// ---- triangles

namespace {

// Keeps columns [0, r + diagonal] of each row r (lower), or [r + diagonal, end) (upper).
void triangle(const Tensor& result, const Tensor& self, int64_t diagonal, bool lower) {
  if (result.numel() == 0) return;
  Tensor from = self;
  if (!self.is_contiguous()) {
    copy(result, self);
    from = result;
  }
  const int64_t rows = self.size(-2), columns = self.size(-1), item = item_of(self);
  const int64_t all_rows = self.numel() / columns;
  const int64_t grain = std::max<int64_t>(1, kCopyGrain / (columns * item));
  // Far diagonals keep or clear everything; bounded, the sums below do not overflow.
  const int64_t shift = std::clamp(diagonal, -rows - 1, columns + 1);
  parallel_for(all_rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t edge = std::clamp<int64_t>(r % rows + shift + lower, 0, columns);
      char* out = result.bytes() + r * columns * item;
      const char* in = from.bytes() + r * columns * item;
      const int64_t split = edge * item, bytes = columns * item;
      if (lower) {
        if (out != in) std::memcpy(out, in, split);
        std::memset(out + split, 0, bytes - split);
      } else {
        std::memset(out, 0, split);
        if (out != in) std::memcpy(out + split, in + split, bytes - split);
      }
    }
  });
}

}  // namespace

void tril(const Tensor& result, const Tensor& self, int64_t diagonal) {
  triangle(result, self, diagonal, true);
}
void triu(const Tensor& result, const Tensor& self, int64_t diagonal) {
  triangle(result, self, diagonal, false);
}

}  // namespace flambeau::inline v1::cpu
