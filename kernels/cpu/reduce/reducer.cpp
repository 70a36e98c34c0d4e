#include "kernels/cpu/reduce/reducer.h"

#include "core/memory/allocator.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"

namespace flambeau::inline v1::cpu {
namespace {

// Note [Reduction tree]
// The kept dimensions form units of neighbouring results, the reduced ones tiles. Each tile gives a
// state per result; the states of tiles are joined pairwise, as a binary counter carries, and so
// are the states of chunks of tiles, into which a reduction with few units is split. All of these
// follow from shape and strides, none from the number of threads.
constexpr int64_t kRowElements = 2048;  // of a tile, where a row passes through a buffer
constexpr int64_t kPartRows = 8192;     // elements of a tile that is made of short rows
constexpr int64_t kTileRows = 64;    // of a tile, where neighbouring results are reduced together
constexpr int64_t kStagedRows = 16;  // the same, when they pass through a buffer
constexpr int64_t kShortRow = 64;  // rows with gaps, below this, are better reduced across results
constexpr int64_t kFewElements = 4;  // of a result, whose copy would cost as much
constexpr int64_t kFewBytes = 32;    // of a run of neighbouring results that is worth a call
constexpr int64_t kNarrow = 64;      // results that do not fill a few vectors, see widening()
constexpr int64_t kWide = 256;
constexpr int64_t kWideRows = 8;    // that make their folding worth it
constexpr int64_t kManyUnits = 64;  // enough to share among threads
constexpr int64_t kChunkBytes = 256 << 10;
constexpr int kMaxDepth = 64;
// Between the rows of a turned tile: at distances of 4096 bytes they would share few cache lines.
constexpr int64_t kPadding = 64;

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
  explicit Reducer(const ReduceJob& job)
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

  // Where results lie in another order than the elements, few of them are neighbours in both: they
  // are better made in the order of the elements. These are the strides, in that order, of outputs
  // without the reduced dimensions.
  bool lies_across() const { return lies_across_; }
  const Dims& strides_of_results() const { return strides_; }

  void run() {
    if (count_ == 0) return fill_identity();
    by_rows_ = reduces_by_rows();
    const int64_t gap = reduced_.strides[0][0] / item_;
    rows_ = job_.kernel.rows;
    const bool unbroken = reduced_.ndim == 1 || reduced_.sizes[0] >= Tiling::kLongRow;
    if (by_rows_ && !converts_ && unbroken && gap >= 2 && gap <= 4 &&
        reduced_.strides[0][0] == gap * item_ && job_.kernel.rows_with_gaps[gap - 2])
      rows_ = job_.kernel.rows_with_gaps[gap - 2];
    const bool gaps = rows_ != job_.kernel.rows;
    const bool dense = !converts_ && (gaps || reduced_.strides[0][0] == item_);
    in_parts_ = by_rows_ && dense && reduced_.ndim > 1 && job_.kernel.longest_row > kRowElements &&
                !gaps && reduced_.sizes[0] < kPartRows / 2;
    parts_first_ = in_parts_ && kept_.sizes[0] > 1 && kept_.strides[0][0] < reduced_.strides[0][1];
    Tiling units(kept_, unit_limit(), 0);
    const bool staged = converts_ || kept_.strides[0][0] != item_;
    if (!by_rows_ && !staged) group(units);
    wide_rows_ = by_rows_ || staged || grouped_ ? 1 : widening();
    while (wide_rows_ > count_) wide_rows_ /= 2;
    const int64_t tile_rows = staged           ? kStagedRows
                              : wide_rows_ > 1 ? 4 * kTileRows * wide_rows_
                                               : kTileRows;
    const int64_t longest = !dense         ? kRowElements
                            : parts_first_ ? reduced_.sizes[0]
                            : in_parts_    ? kPartRows
                                           : job_.kernel.longest_row;
    const Tiling tiles(reduced_, by_rows_ ? longest : tile_rows,
                       !by_rows_ || parts_first_ ? 0
                       : in_parts_               ? kPartRows
                                                 : Tiling::kLongRow);
    units_ = &units;
    unit_elements_ = units.inner * units.block;
    tiles_ = &tiles;
    const bool whole_tiles = gaps || contiguous_in_tile(reduced_, tiles, 0, item_);
    direct_ = by_rows_ ? !converts_ && whole_tiles : !staged;
    const int64_t elements = unit_elements_ * tiles.inner * tiles.block;
    int64_t per_chunk = tiles.count;
    if (units.count < kManyUnits)
      per_chunk =
          std::max(ceil_div(tiles.count, kManyUnits), ceil_div(kChunkBytes, elements * item_));
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
    int64_t run = 1, next = 0;  // results whose elements lie at one distance from each other
    for (int k = 0; k < kept_.ndim; ++k) {
      if (kept_.sizes[k] == 1) continue;
      if (run > 1 && kept_.strides[0][k] != next) break;
      run *= kept_.sizes[k];
      next = kept_.strides[0][k] * kept_.sizes[k];
    }
    if (run >= kShortRow) strides_ = kept_.dense_strides();
    kept_.coalesce();
    lies_across_ = run >= kShortRow && kept_.sizes[0] < kShortRow && kept_.sizes[0] < run &&
                   self.numel() >= kFewElements * kept_.numel();
    if (!job_.keeps_order) reduced_.order(0);
    reduced_.coalesce();
  }

  // A few results that are reduced at once leave much to be done for each: units of several runs,
  // whose results lie without gaps.
  void group(Tiling& units) {
    if (count_ > kTileRows || reduced_.ndim > 1 || kept_.sizes[0] * item_ < kFewBytes) return;
    const Tiling several(kept_, unit_limit(), INT64_MAX);
    if (several.split == 0) return;
    int operand = 1;
    for (const Tensor* out : job_.outs)
      if (out && !contiguous_in_tile(kept_, several, operand++, bytes_of(out->dtype()))) return;
    units = several;
    grouped_ = true;
  }

  bool reduces_by_rows() const {
    if (kept_.numel() == 1) return true;
    constexpr int64_t kFew = 8;  // so few neighbours do not fill a vector
    const bool dense = !converts_ && kept_.strides[0][0] == item_;
    const int64_t shortest = reduced_.strides[0][0] == item_ ? job_.kernel.shortest_row : kShortRow;
    if (kept_.sizes[0] < kFew && !(dense && widening() > 1))
      return reduced_.sizes[0] >= std::min(shortest / 2, kFew);
    return reduced_.sizes[0] >= shortest && reduced_.strides[0][0] <= kept_.strides[0][0];
  }

  // Few results whose elements alternate without gaps in memory: this many rows are taken as one.
  int64_t widening() const {
    const int64_t width = kept_.sizes[0];
    if (job_.keeps_order || width >= kNarrow || reduced_.strides[0][0] != width * item_) return 1;
    // What is read once stays in a few registers.
    const int64_t bytes = job_.kernel.longest_row > kRowElements ? 256 : 1024;
    int64_t rows = 1;
    while (2 * rows * width * item_ <= bytes && 2 * rows * width <= kWide &&
           2 * rows * kWideRows <= reduced_.sizes[0])
      rows *= 2;
    return rows;
  }

  int64_t unit_limit() const {
    const int64_t row = parts_first_ ? reduced_.sizes[0] : count_;
    if (by_rows_) return std::clamp<int64_t>(kGrain / row, 1, 256);
    constexpr int64_t kStateBytes = 8 << 10, kStaged = 1024;
    const bool staged = converts_ || kept_.strides[0][0] != item_;
    return std::min(kStateBytes / state_, staged ? kStaged : kStateBytes);
  }

  // ---- execution

  // What a task works in.
  struct Scratch {
    Scratch(const Reducer& r, int64_t tiles)
        : states_bytes(rounded(r.unit_elements_ * r.state_)),
          depth(r.by_rows_ && !r.parts_first_ ? 0
                                              : 66 - __builtin_clzll(static_cast<uint64_t>(tiles))),
          elements_bytes(
              r.direct_ ? 0
              : r.in_parts_
                  ? rounded(kPartRows / 2 * r.state_)
                  : rounded((r.by_rows_ ? kRowElements : kStagedRows * r.unit_elements_) * 16) +
                        kStagedRows * kPadding),
          cast_bytes(std::max(r.in_parts_ ? 0 : elements_bytes, rounded(r.unit_elements_ * 16))),
          block(states_bytes * (depth + 1) + elements_bytes + cast_bytes +
                2 * rounded(r.unit_elements_ * 16) + 2 * kWide * r.state_) {
      states = block.data();
      stack = states + states_bytes;
      raw = stack + states_bytes * depth;
      cast = raw + elements_bytes;
      results[0] = cast + cast_bytes;
      results[1] = results[0] + rounded(r.unit_elements_ * 16);
      wide = results[1] + rounded(r.unit_elements_ * 16);
    }
    int64_t states_bytes, depth, elements_bytes, cast_bytes;
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
    if (grouped_) return unit_groups(unit, scratch.states);
    if (!by_rows_) return unit_columns(from_base, n, begin, end, scratch);
    if (parts_first_) return unit_parts(from_base, n, begin, end, scratch);
    if (end - begin == 1 && !in_parts_) return unit_rows(from_base, n, begin, scratch);
    for (int64_t i = 0; i < n; ++i)
      unit_row(from_base + i * kept_.strides[0][0], begin, end, scratch.states + i * state_,
               scratch);
  }

  void unit_groups(const TileCursor& unit, char* states) const {
    const int64_t n = kept_.sizes[0], results = unit.elements();
    const char* elements = unit.at(0);
    int64_t at[kMaxDims] = {};
    for (int64_t done = 0; done < results; done += n) {
      job_.kernel.columns(elements, reduced_.strides[0][0], count_, n, 0, job_.params,
                          states + done * state_);
      for (int d = 1; d < unit.ndim(); ++d) {
        elements += kept_.strides[0][d];
        if (++at[d] < unit.sizes()[d]) break;
        elements -= at[d] * kept_.strides[0][d];
        at[d] = 0;
      }
    }
  }

  // One tile of each row, several rows at a time.
  void unit_rows(int64_t from_base, int64_t n, int64_t which, Scratch& scratch) const {
    const TileCursor tile(reduced_, *tiles_, which);
    const char* src = tile.at(0) + from_base;
    const int64_t length = tile.elements(), stride = kept_.strides[0][0];
    const int64_t index = tiles_->first_element(reduced_, which);
    if (direct_) return rows_(src, stride, n, length, index, job_.params, scratch.states);
    const int64_t together = std::max<int64_t>(1, kRowElements / length);
    const bool gathered = !contiguous_in_tile(reduced_, *tiles_, 0, item_);
    for (int64_t i = 0; i < n; i += together, src += together * stride) {
      const int64_t rows = std::min(together, n - i);
      const char* elements = src;
      if (gathered) {
        for (int64_t r = 0; r < rows; ++r)
          convert_kernels().gather[log2_size(item_)](scratch.raw + r * length * item_,
                                                     src + r * stride, tile.sizes(),
                                                     reduced_.strides[0], tile.ndim());
        elements = scratch.raw;
      }
      if (converts_) {
        if (gathered || stride == length * item_) {
          cast_(elements, scratch.cast, rows * length);
        } else {
          for (int64_t r = 0; r < rows; ++r)
            cast_(src + r * stride, scratch.cast + r * length * wide_, length);
        }
        elements = scratch.cast;
      }
      rows_(elements, length * (converts_ ? wide_ : item_), rows, length, index, job_.params,
            scratch.states + i * state_);
    }
  }

  // Rows in parts, of which the first ones of all rows are neighbours, and so on.
  void unit_parts(int64_t from_base, int64_t n, int64_t begin, int64_t end,
                  Scratch& scratch) const {
    TileCursor tile(reduced_, *tiles_, begin);
    joined(end - begin, n, scratch.stack, scratch.states_bytes, [&](int64_t i, char* into) {
      if (i > 0) tile.next();
      rows_(tile.at(0) + from_base, kept_.strides[0][0], n, tile.elements(), 0, job_.params, into);
    });
    __builtin_memcpy(scratch.states, scratch.stack, static_cast<size_t>(n * state_));
  }

  void unit_row(int64_t from_base, int64_t begin, int64_t end, char* state,
                Scratch& scratch) const {
    alignas(16) char stack[kMaxDepth * 64];
    TileCursor tile(reduced_, *tiles_, begin);
    joined(end - begin, 1, stack, 64, [&](int64_t i, char* into) {
      if (i > 0) tile.next();
      const char* elements = tile.at(0) + from_base;
      const int64_t n = tile.elements();
      if (in_parts_) return tile_of_parts(tile, elements, scratch, into);
      if (!direct_) elements = load_row(tile, elements, n, scratch);
      rows_(elements, 0, 1, n, tiles_->first_element(reduced_, begin + i), job_.params, into);
    });
    __builtin_memcpy(state, stack, static_cast<size_t>(state_));
  }

  // A tile of rows that lie apart: their states are joined half by half.
  void tile_of_parts(const TileCursor& tile, const char* elements, Scratch& scratch,
                     char* into) const {
    const int64_t n = reduced_.sizes[0], run = tile.sizes()[1], parts = tile.elements() / n;
    int64_t at[kMaxDims] = {};
    for (int64_t done = 0; done < parts; done += run) {
      rows_(elements, reduced_.strides[0][1], run, n, 0, job_.params, scratch.raw + done * state_);
      for (int d = 2; d < tile.ndim(); ++d) {
        elements += reduced_.strides[0][d];
        if (++at[d] < tile.sizes()[d]) break;
        elements -= at[d] * reduced_.strides[0][d];
        at[d] = 0;
      }
    }
    for (int64_t left = parts; left > 1;) {
      const int64_t half = (left + 1) / 2;
      job_.kernel.combine(scratch.raw, scratch.raw + half * state_, left - half);
      left = half;
    }
    __builtin_memcpy(into, scratch.raw, static_cast<size_t>(state_));
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
  // half; then fewer of those that are left.
  void narrow_tile(const char* elements, int64_t rows, int64_t n, Scratch& scratch,
                   char* into) const {
    const int64_t row_stride = reduced_.strides[0][0];
    bool first = true;
    for (int64_t together = wide_rows_; rows > 0; together /= 2) {
      const int64_t wide_rows = rows / together;
      if (wide_rows == 0) continue;
      job_.kernel.columns(elements, together * row_stride, wide_rows, together * n, 0, job_.params,
                          scratch.wide);
      for (int64_t half = together / 2; half > 0; half /= 2)
        job_.kernel.combine(scratch.wide, scratch.wide + half * n * state_, half * n);
      if (first)
        __builtin_memcpy(into, scratch.wide, static_cast<size_t>(n * state_));
      else
        job_.kernel.combine(into, scratch.wide, n);
      first = false;
      elements += wide_rows * together * row_stride;
      rows -= wide_rows * together;
    }
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
    const int64_t elements = unit_elements_ * count_;
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
    const int64_t unit_bytes = rounded(unit_elements_ * state_);
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
    unit_elements_ = units.block;
    count_ = 0;
    Scratch scratch(*this, 1);
    job_.kernel.rows(nullptr, 0, units.block, 0, 0, job_.params, scratch.states);
    for (int64_t u = 0; u < units.count; ++u)
      store(TileCursor(kept_, units, u), scratch.states, scratch);
  }

  const ReduceJob& job_;
  Dims strides_;
  bool lies_across_ = false;
  Plan kept_;     // operands: the input, then the outputs
  Plan reduced_;  // operand: the input
  const int64_t item_, wide_, state_;
  const bool converts_;
  int64_t count_ = 0;  // elements per result
  ConvertLoop cast_ = nullptr;
  decltype(ReduceKernel::rows) rows_ = nullptr;
  bool by_rows_ = true, direct_ = false;
  bool in_parts_ = false;     // what is reduced to one result are rows with gaps between them
  bool parts_first_ = false;  // and the first ones of several results are neighbours
  int64_t wide_rows_ = 1;
  const Tiling* units_ = nullptr;
  int64_t unit_elements_ = 1;
  bool grouped_ = false;  // a unit consists of several runs of neighbouring results
  const Tiling* tiles_ = nullptr;
};

// A few contiguous elements, all reduced, to one result: no geometry to work out.
bool reduce_small(const ReduceJob& job) {
  const Tensor& self = job.self;
  if (self.numel() > kRowElements || self.dtype() != job.element || !self.is_contiguous() ||
      job.outs[1] || job.outs[0]->numel() != 1 || job.outs[0]->dtype() != job.kernel.outs[0])
    return false;
  alignas(16) char state[64];
  job.kernel.rows(self.bytes(), 0, 1, self.numel(), 0, job.params, state);
  void* const outs[2] = {job.outs[0]->bytes(), nullptr};
  job.kernel.finish(state, 1, self.numel(), job.params, outs);
  if (job.watch) job.watch->see(outs[0], 1, job.kernel.outs[0]);
  return true;
}

// Results in the order of the elements first, then where they belong.
void reduce_across(const ReduceJob& job, const Dims& strides_of_results) {
  ReduceJob inner = job;
  Tensor made[2];
  for (int k = 0; k < 2; ++k) {
    const Tensor* out = job.outs[k];
    if (!out) continue;
    Dims strides;
    size_t kept = 0;
    for (int64_t d = 0; d < job.self.dim(); ++d) {
      const bool reduced = job.reduced >> d & 1;
      if (!reduced) strides.push_back(strides_of_results[kept++]);
      if (reduced && out->dim() == job.self.dim()) strides.push_back(1);
    }
    const int64_t numel = out->numel();
    made[k] = Tensor::alias(empty(IntSpan(&numel, 1), {out->dtype(), out->device()}), out->sizes(),
                            strides, 0);
    inner.outs[k] = &made[k];
  }
  Reducer(inner).run();
  for (int k = 0; k < 2; ++k)
    if (job.outs[k]) copy(*job.outs[k], made[k]);
}

}  // namespace

void run_reduction(const ReduceJob& job) {
  if (job.outs[0] && reduce_small(job)) return;
  Reducer reducer(job);
  if (reducer.lies_across()) return reduce_across(job, reducer.strides_of_results());
  reducer.run();
}

}  // namespace flambeau::inline v1::cpu
