#include "kernels/cpu/pointwise/pointwise_plan.h"

#include "core/memory/allocator.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/run_loop.h"

namespace flambeau::inline v1::cpu {

// ---- the plan

Plan::Plan(IntSpan shape) : ndim(static_cast<int>(shape.size())) {
  for (int k = 0; k < ndim; ++k) {
    sizes[k] = shape[ndim - 1 - k];
    place[k] = static_cast<int8_t>(k);
  }
}

void Plan::set_geometry(int i, const Tensor& t) {
  const IntSpan own_sizes = t.sizes(), own_strides = t.strides();
  const int own = static_cast<int>(own_sizes.size());
  const auto item = static_cast<int64_t>(t.itemsize());
  for (int k = 0; k < ndim; ++k) {
    const int d = own - 1 - place[k];
    const bool broadcast = d < 0 || (own_sizes[d] == 1 && sizes[k] != 1);
    strides[i][k] = broadcast ? 0 : own_strides[d] * item;
  }
}

void Plan::set(int i, const Tensor& t) {
  set_geometry(i, t);
  base[i] = t.device().is_cpu() ? t.bytes() : nullptr;
}

namespace {

// Below zero: dimension a is inner to b; above: outer; zero: the operands do not tell.
int compare(const Plan& plan, int from, int a, int b) {
  for (int i = from; i < plan.operands; ++i) {
    const int64_t sa = plan.strides[i][a], sb = plan.strides[i][b];
    if (sa == 0 || sb == 0) continue;
    if (sa != sb) return sa < sb ? -1 : 1;
    if (plan.sizes[a] > plan.sizes[b]) return 1;
  }
  return 0;
}

template <class T>
void permute(T* values, const int* by, int n) {
  T old[kMaxDims];
  for (int k = 0; k < n; ++k) old[k] = values[k];
  for (int k = 0; k < n; ++k) values[k] = old[by[k]];
}

}  // namespace

void Plan::order(int from) {
  int by[kMaxDims];
  for (int k = 0; k < ndim; ++k) by[k] = k;
  bool moved = false;
  for (int i = 1; i < ndim; ++i) {
    int at = i;
    for (int j = i - 1; j >= 0; --j) {
      const int c = compare(*this, from, by[j], by[at]);
      if (c < 0) break;
      if (c == 0) continue;
      std::swap(by[j], by[at]);
      at = j;
      moved = true;
    }
  }
  if (!moved) return;
  permute(sizes, by, ndim);
  permute(place, by, ndim);
  for (int i = from; i < operands; ++i) permute(strides[i], by, ndim);
}

Dims Plan::dense_strides() const {
  Dims out(static_cast<size_t>(ndim), 0);
  int64_t step = 1;
  for (int k = 0; k < ndim; ++k) {
    out[ndim - 1 - place[k]] = step;
    step *= sizes[k] > 1 ? sizes[k] : 1;
  }
  return out;
}

int64_t Plan::numel() const {
  int64_t n = 1;
  for (int k = 0; k < ndim; ++k) n *= sizes[k];
  return n;
}

void Plan::coalesce() {
  int last = -1;
  for (int k = 0; k < ndim; ++k) {
    if (sizes[k] == 1) continue;
    bool joins = last >= 0;
    for (int i = 0; i < operands && joins; ++i)
      joins = strides[i][k] == strides[i][last] * sizes[last];
    if (joins) {
      sizes[last] *= sizes[k];
      continue;
    }
    ++last;
    sizes[last] = sizes[k];
    for (int i = 0; i < operands; ++i) strides[i][last] = strides[i][k];
  }
  ndim = last + 1;
  if (ndim > 0) return;
  ndim = 1;
  sizes[0] = 1;
  for (int i = 0; i < operands; ++i) strides[i][0] = 0;
}

// ---- tiles

Tiling::Tiling(const Plan& plan, int64_t limit, int64_t long_row) : split(0), inner(1) {
  if (plan.sizes[0] < long_row)
    while (split + 1 < plan.ndim && inner * plan.sizes[split] * 2 <= limit)
      inner *= plan.sizes[split++];
  const int64_t fitting = limit / inner;
  block = fitting < 1 ? 1 : std::min(fitting, plan.sizes[split]);
  blocks = (plan.sizes[split] + block - 1) / block;
  count = blocks;
  for (int k = split + 1; k < plan.ndim; ++k) count *= plan.sizes[k];
}

TileCursor::TileCursor(const Plan& plan, const Tiling& tiling, int64_t tile)
    : plan_(plan), tiling_(tiling) {
  for (int k = 0; k < plan.operands; ++k) offset_[k] = 0;
  for (int d = 0; d < tiling.split; ++d) sizes_[d] = plan.sizes[d];
  block_ = tile % tiling.blocks;
  tile /= tiling.blocks;
  move(tiling.split, block_ * tiling.block);
  for (int d = tiling.split + 1; d < plan.ndim; ++d) {
    at_[d] = tile % plan.sizes[d];
    tile /= plan.sizes[d];
    move(d, at_[d]);
  }
  fit();
}

void TileCursor::next() {
  if (++block_ < tiling_.blocks) {
    move(tiling_.split, tiling_.block);
    return fit();
  }
  move(tiling_.split, -(block_ - 1) * tiling_.block);
  block_ = 0;
  for (int d = tiling_.split + 1; d < plan_.ndim; ++d) {
    move(d, 1);
    if (++at_[d] < plan_.sizes[d]) break;
    move(d, -at_[d]);
    at_[d] = 0;
  }
  fit();
}

bool contiguous_in_tile(const Plan& plan, const Tiling& tiling, int operand, int64_t itemsize) {
  for (int d = 0; d <= tiling.split; ++d) {
    if (plan.strides[operand][d] != itemsize) return false;
    itemsize *= plan.sizes[d];
  }
  return true;
}

// ---- execution

namespace {

constexpr int64_t kTileBytes = 4096;  // per operand: a tile's operands stay in the L1 cache
constexpr int64_t kRepeated = 256;    // how often a constant is written down for a loop

// Buffers of operands start at different places of a page: loads and stores at equal offsets in
// two pages look like one address to the store queue.
constexpr int64_t kBufferBytes = kTileBytes + 192;

enum class Access : uint8_t {
  direct,    // the loop works on memory
  constant,  // one element for the whole tile
  dense,     // contiguous, to be cast
  strided,   // to be gathered or scattered, and perhaps cast
};

class Executor {
 public:
  Executor(const Plan& plan, const Operation& op)
      : plan_(plan), op_(op), kernels_(convert_kernels()), tiling_(plan, tile_limit()) {
    bool staged = false;
    for (int i = 0; i < plan.operands; ++i) {
      access_[i] = classify(i);
      if (access_[i] == Access::constant) constants_ |= 1u << (i - op.outputs);
      staged = staged || access_[i] == Access::dense || access_[i] == Access::strided;
      if (op.stored[i] != op.computed[i])
        cast_[i] = i < op.outputs ? convert_loop(op.computed[i], op.stored[i])
                                  : convert_loop(op.stored[i], op.computed[i]);
    }
    as_such_ = op.any_length && takes_constants(constants_, plan.operands - op.outputs);
    // Nothing has to fit into buffers: long rows are not cut.
    if (!staged && tiling_.split == 0 && !op.one_by_one) {
      tiling_ = Tiling(plan, kGrain);
      rows_ = tiling_.blocks == 1 && plan.ndim == 2 && (constants_ == 0 || as_such_);
    }
    for (int i = op.outputs; i < plan.operands; ++i) {
      const bool constant = as_such_ && access_[i] == Access::constant;
      if (constant && op.stored[i] != op.number) cast_[i] = convert_loop(op.stored[i], op.number);
      wanted_[i] = constant ? op.number : op.computed[i];
      rows_ = rows_ && wanted_[i] == op.stored[i];
    }
  }

  void run() {
    if (op_.one_by_one) return run_tiles(0, tiling_.count);
    const int64_t elements = tiling_.inner * tiling_.block;
    parallel_for(tiling_.count, std::max<int64_t>(1, kGrain / elements),
                 [this](int64_t begin, int64_t end) { run_tiles(begin, end); });
  }

 private:
  int64_t tile_limit() const {
    if (op_.one_by_one) return 1;
    size_t widest = 1;
    for (int i = 0; i < plan_.operands; ++i)
      widest = std::max({widest, itemsize(op_.stored[i]), itemsize(op_.computed[i])});
    return kTileBytes / static_cast<int64_t>(widest);
  }

  Access classify(int i) const {
    const bool same = op_.stored[i] == op_.computed[i];
    if (contiguous_in_tile(plan_, tiling_, i, static_cast<int64_t>(itemsize(op_.stored[i]))))
      return same ? Access::direct : Access::dense;
    for (int d = 0; d <= tiling_.split; ++d)
      if (plan_.strides[i][d] != 0) return Access::strided;
    return i < op_.outputs ? Access::strided : Access::constant;
  }

  struct Buffers {
    alignas(64) char operand[kMaxOperands][kBufferBytes];
    alignas(64) char raw[kTileBytes];
    const char* loaded[kMaxOperands];  // where the input in a buffer came from
    int64_t loaded_elements[kMaxOperands];
  };

  // Tiles that are rows, on which the loop works where they lie.
  void run_rows(int64_t begin, int64_t end) const {
    char* ptrs[kMaxOperands];
    for (int i = 0; i < plan_.operands; ++i) ptrs[i] = plan_.base[i] + begin * plan_.strides[i][1];
    const int64_t n = plan_.sizes[0];
    for (int64_t row = begin; row < end; ++row) {
      if (as_such_)
        op_.loop(ptrs, with_constants(n, constants_), op_.params);
      else
        run_loop(op_.loop, op_.any_length, ptrs, n, op_.params, op_.computed, op_.outputs,
                 plan_.operands);
      for (int i = 0; i < plan_.operands; ++i) ptrs[i] += plan_.strides[i][1];
    }
  }

  void run_tiles(int64_t begin, int64_t end) const {
    if (rows_) return run_rows(begin, end);
    Buffers buffers;
    for (int i = 0; i < plan_.operands; ++i) buffers.loaded[i] = nullptr;
    TileCursor tile(plan_, tiling_, begin);
    for (int64_t t = begin; t < end; ++t, t < end ? tile.next() : void()) {
      char* ptrs[kMaxOperands];
      const int64_t n = tile.elements();
      for (int i = 0; i < plan_.operands; ++i) {
        ptrs[i] = access_[i] == Access::direct ? tile.at(i) : buffers.operand[i];
        if (i >= op_.outputs && access_[i] != Access::direct) load(i, tile, n, buffers);
      }
      run_tile(ptrs, n);
      for (int i = 0; i < op_.outputs; ++i)
        if (access_[i] != Access::direct) store(i, tile, n, buffers);
    }
  }

  // Where the loop does not take constants as such, they are repeated for a part of the tile, which
  // is taken part by part.
  void run_tile(char** ptrs, int64_t n) const {
    if (as_such_) return op_.loop(ptrs, with_constants(n, constants_), op_.params);
    const int64_t step = constants_ ? kRepeated : n;
    for (int64_t at = 0; at < n; at += step) {
      run_loop(op_.loop, op_.any_length, ptrs, std::min(step, n - at), op_.params, op_.computed,
               op_.outputs, plan_.operands);
      for (int i = 0; i < plan_.operands; ++i)
        if (access_[i] != Access::constant)
          ptrs[i] += step * static_cast<int64_t>(itemsize(op_.computed[i]));
    }
  }

  void load(int i, const TileCursor& tile, int64_t n, Buffers& buffers) const {
    if (access_[i] == Access::constant) n = as_such_ ? 1 : std::min(n, kRepeated);
    const char* src = tile.at(i);
    if (buffers.loaded[i] == src && buffers.loaded_elements[i] >= n && !op_.one_by_one) return;
    buffers.loaded[i] = src;
    buffers.loaded_elements[i] = n;
    char* dst = buffers.operand[i];
    if (access_[i] == Access::dense) return cast_[i](src, dst, n);
    const bool same = op_.stored[i] == wanted_[i];
    const int size = log2_size(static_cast<int64_t>(itemsize(op_.stored[i])));
    if (access_[i] == Access::constant) {
      alignas(16) char element[16];
      if (!same) cast_[i](src, element, 1);
      const int wide = log2_size(static_cast<int64_t>(itemsize(wanted_[i])));
      return kernels_.fill[wide](dst, same ? src : element, n);
    }
    kernels_.gather[size](same ? dst : buffers.raw, src, tile.sizes(), plan_.strides[i],
                          tile.ndim());
    if (!same) cast_[i](buffers.raw, dst, n);
  }

  void store(int i, const TileCursor& tile, int64_t n, Buffers& buffers) const {
    const char* src = buffers.operand[i];
    if (access_[i] == Access::dense) return cast_[i](src, tile.at(i), n);
    if (op_.stored[i] != op_.computed[i]) {
      cast_[i](src, buffers.raw, n);
      src = buffers.raw;
    }
    const int size = log2_size(static_cast<int64_t>(itemsize(op_.stored[i])));
    kernels_.scatter[size](tile.at(i), src, tile.sizes(), plan_.strides[i], tile.ndim());
  }

  const Plan& plan_;
  const Operation& op_;
  const ConvertKernels& kernels_;
  Tiling tiling_;
  unsigned constants_ = 0;  // a bit for each input
  bool as_such_ = false, rows_ = false;
  Access access_[kMaxOperands];
  DType wanted_[kMaxOperands];  // in which inputs are loaded
  ConvertLoop cast_[kMaxOperands];
};

// Inputs that lie across the output are first brought into its order: a gather along a large stride
// would read a cache line for each element.
class Straightened {
 public:
  Straightened(Plan& plan, const Operation& op) {
    if (plan.ndim < 2 || plan.numel() < kGrain || op.one_by_one) return;
    for (int i = op.outputs; i < plan.operands; ++i)
      if (across(plan, i, static_cast<int64_t>(itemsize(op.stored[i]))))
        straighten(plan, i, op.stored[i]);
  }
  ~Straightened() {
    for (int k = 0; k < count_; ++k) memory::deallocate(block_[k], bytes_[k]);
  }
  Straightened(const Straightened&) = delete;

 private:
  static bool across(const Plan& plan, int i, int64_t item) {
    if (plan.strides[i][0] < 64 || plan.sizes[0] < 16) return false;
    for (int d = 1; d < plan.ndim; ++d)
      if (plan.strides[i][d] == item && plan.sizes[d] >= 16) return true;
    return false;
  }

  void straighten(Plan& plan, int i, DType dtype) {
    Plan copied = Plan({});
    copied.operands = 2;
    const auto item = static_cast<int64_t>(itemsize(dtype));
    int64_t step = item;
    for (int d = 0; d < plan.ndim; ++d) {
      if (plan.strides[i][d] == 0) continue;
      const int k = copied.ndim++;
      copied.sizes[k] = plan.sizes[d];
      copied.strides[0][k] = step;
      copied.strides[1][k] = plan.strides[i][d];
      plan.strides[i][d] = step;
      step *= plan.sizes[d];
    }
    bytes_[count_] = static_cast<size_t>(step);
    block_[count_] = memory::allocate(bytes_[count_]);
    copied.base[0] = static_cast<char*>(block_[count_++]);
    copied.base[1] = plan.base[i];
    plan.base[i] = copied.base[0];
    copy(copied, dtype, dtype);
  }

  int count_ = 0;
  void* block_[kMaxOperands];
  size_t bytes_[kMaxOperands];
};

}  // namespace

void execute(Plan& plan, const Operation& operation) {
  plan.coalesce();
  const Straightened straight(plan, operation);
  Executor(plan, operation).run();
}

}  // namespace flambeau::inline v1::cpu
