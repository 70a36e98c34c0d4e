// The iteration space of elementwise work, and its execution tile by tile.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

constexpr int kMaxDims = 64;
constexpr int kMaxOperands = 8;
constexpr int64_t kGrain = 32768;  // elements per task

// Dimensions innermost first; strides in bytes. Outputs come before inputs.
struct Plan {
  explicit Plan(IntSpan shape);

  // Puts operand `i` into the space, before or after ordering; it is broadcast to the shape.
  void set(int i, const Tensor& t);
  void set_geometry(int i, const Tensor& t);  // touches no memory
  // Note [Order of dimensions]: the dimension of the smallest stride comes first, by the first of
  // the operands [from, operands) that tells two apart; so memory is walked as it lies, and a fresh
  // output gets the layout of its inputs. This is PyTorch's order, ties included. Operands below
  // `from` are to be set afterwards.
  void order(int from);
  // Strides, in elements and in the order of the shape, of a dense operand with this order.
  Dims dense_strides() const;
  // Joins dimensions that all operands step through as one. `ndim` is at least 1 afterwards.
  void coalesce();
  int64_t numel() const;

  int operands = 0, ndim = 0;
  int64_t sizes[kMaxDims];
  int64_t strides[kMaxOperands][kMaxDims];
  char* base[kMaxOperands];
  int8_t place[kMaxDims];  // place[k]: how far from the last one dimension k was in the shape
};

// How a coalesced plan falls into tiles: the dimensions below `split` whole, and runs of `block`
// steps of dimension `split`.
struct Tiling {
  // Rows of this length are worth a tile of their own: then operands with gaps between their rows
  // need no staging.
  static constexpr int64_t kLongRow = 128;

  // At most `limit` elements a tile; a tile spans dimensions only where rows are shorter than that.
  Tiling(const Plan& plan, int64_t limit, int64_t long_row = kLongRow);
  // The place, in the order of the plan, of the first element of a tile.
  int64_t first_element(const Plan& plan, int64_t tile) const {
    return (tile / blocks * plan.sizes[split] + tile % blocks * block) * inner;
  }
  int split;
  int64_t inner;  // elements in one step of dimension `split`
  int64_t block;
  int64_t blocks;  // per run of dimension `split`
  int64_t count;   // tiles in all
};

// Where a tile starts, and how far it reaches; steps from tile to tile.
class TileCursor {
 public:
  TileCursor(const Plan& plan, const Tiling& tiling, int64_t tile);
  void next();
  char* at(int operand) const { return plan_.base[operand] + offset_[operand]; }
  int64_t elements() const { return tiling_.inner * sizes_[tiling_.split]; }
  const int64_t* sizes() const { return sizes_; }  // of dimensions 0 to split
  int ndim() const { return tiling_.split + 1; }

 private:
  void move(int dim, int64_t steps) {
    for (int k = 0; k < plan_.operands; ++k) offset_[k] += steps * plan_.strides[k][dim];
  }
  void fit() {
    const int64_t left = plan_.sizes[tiling_.split] - block_ * tiling_.block;
    sizes_[tiling_.split] = left < tiling_.block ? left : tiling_.block;
  }

  const Plan& plan_;
  const Tiling& tiling_;
  int64_t block_;
  int64_t offset_[kMaxOperands];
  int64_t sizes_[kMaxDims];
  int64_t at_[kMaxDims];
};

// Whether the operand lies without gaps in a tile.
bool contiguous_in_tile(const Plan& plan, const Tiling& tiling, int operand, int64_t itemsize);

// What is done to the elements of a plan.
struct Operation {
  Loop loop;
  const void* params;
  int outputs;
  DType stored[kMaxOperands];    // as they lie in memory
  DType computed[kMaxOperands];  // as the loop wants them
  // Elements of the output may lie on one another: each is finished before the next is read.
  bool one_by_one = false;
  // The loop takes more than whole blocks, and inputs that are one element for all, of `number`.
  bool any_length = false;
  DType number = DType::float32;
};
// The plan must be ordered; it is coalesced here. Results do not depend on the number of threads.
void execute(Plan& plan, const Operation& operation);

// Elements of one dtype or of two, over an ordered plan of destination and source.
void copy(Plan& plan, DType to, DType from);

}  // namespace flambeau::inline v1::cpu
