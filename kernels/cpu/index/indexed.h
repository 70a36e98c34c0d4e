// Reading and writing at places that index tensors name.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/cpu/index/index_kernels.h"

namespace flambeau::inline v1::cpu {

// Note [Indexed walks]
// All ops of this family move elements between a plain operand and an indexed one. The values of
// the index are turned to offsets in bytes into the indexed operand, and checked there; one loop
// nest walks over both operands and the offsets. Dimensions that the index stands for have stride 0
// in the indexed operand, all others have stride 0 in the offsets. An index that has a value for
// each element moved is turned to offsets block by block, others once, before.

// What a bad index is: PyTorch's exception differs from op to op.
struct IndexRange {
  int64_t size;
  int64_t dim;  // for the message
  bool wrap;    // negative indices count from the end
  enum class Fault : uint8_t { runtime_error, index_error, not_in_self } fault;
  const char* op;
};

// int64 offsets, contiguous, in the shape of the index except that expanded dimensions have size 1.
struct Offsets {
  Tensor data;
  Dims strides;  // in elements, by dimension of the index
};
Offsets offsets_of(const Tensor& index, int64_t stride, const IndexRange& range);
// Raises for a bad index. Where there is nothing to move, no walk meets it.
void check_range(const Tensor& index, const IndexRange& range);
// Adds those of one more index, which broadcasts to the shape of `offsets`.
void add_offsets(const Tensor& offsets, const Tensor& index, int64_t stride,
                 const IndexRange& range);

// `t` seen with sizes that it broadcasts to.
Tensor expanded(const Tensor& t, IntSpan sizes);

class IndexedWalk {
 public:
  // Strides are in elements. `plain` may broadcast (stride 0) where it is only read.
  explicit IndexedWalk(IntSpan sizes);
  void set_plain(char* base, IntSpan strides, int64_t item);
  void set_indexed(char* base, IntSpan strides, int64_t item);
  // Either an index of the walk's shape, each value worth `stride` bytes, or offsets.
  void set_index(const Tensor& index, int64_t stride, const IndexRange& range);
  void set_offsets(Offsets offsets);

  void load();
  void store();
  // `factor` is an element of the dtype, or a float for halves.
  void accumulate(DType dtype, const void* factor);
  void multiply(DType dtype);

 private:
  struct Dim {
    int64_t size, plain, indexed, offset;  // strides in bytes, that of the offsets in elements
  };
  struct Place {  // where the three operands stand
    char* plain;
    char* indexed;
    const int64_t* offsets;
    void step(const Dim& d, int64_t n) {
      plain += n * d.plain;
      indexed += n * d.indexed;
      offsets += n * d.offset;
    }
  };
  static constexpr int64_t kBlock = 512;  // indices that are turned to offsets at a time

  void prepare();
  void coalesce();
  void finish() const;  // the error of a bad index that was met on the way
  // A write with a bad index leaves all as it was, so all indices are looked at before it begins.
  // `few` takes the offsets where they are no more than a block.
  void check_indices(int64_t* few);
  void write(IndexLoop loop, const void* factor);
  // The dimension to part into tasks: the outermost that gives enough, else the largest of all.
  // Tasks that write must not meet, so they part only where the indexed operand has a stride of its
  // own.
  int best_split(bool writes, int64_t wanted) const;
  void run_split(int d, int64_t tasks, IndexLoop loop, const void* factor) const;
  // Groups the rows by where they are written, each group in the order of the rows: results do not
  // depend on the number of threads. False when the nest has another form.
  bool run_by_destination(int64_t groups, IndexLoop loop, const void* factor) const;
  void run_part(const Dim* dims, int ndim, Place place, IndexLoop loop, const void* factor) const;
  void run_blocks(const Dim& outer, const Dim& inner, const Place& place, IndexLoop loop,
                  const void* factor) const;
  void fetch_next(const Dim& outer, const Place& at) const;
  static void fetch_row(const Place& at, int64_t bytes);
  int64_t wanted_tasks() const;

  static constexpr int kMaxDims = 64;
  int ndim_;
  int64_t item_ = 1, numel_ = 1;
  Dim dims_[kMaxDims];  // outermost first
  Place base_;

  Tensor offsets_;  // what base_.offsets points to: offsets, or (by_block_) an index
  bool by_block_ = false;
  Tensor narrowed_;  // the same indices in two bytes each, where they were read before and fit
  const uint16_t* narrow_ = nullptr;
  IndexPick pick_ = nullptr;  // of walks that load
  mutable bool bad_ = false;
  int64_t index_stride_ = 0;
  IndexRange range_;
};

}  // namespace flambeau::inline v1::cpu
