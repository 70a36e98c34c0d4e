// The filters of a pass, packed for the kernels.
#pragma once

#include <vector>

#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/conv/regions.h"

namespace flambeau::cpu {

// The order of a patch's elements, and so of a filter's; the last is the inmost.
enum class PatchOrder : uint8_t { channel_tap, tap_channel };

// Rows of A or columns of B, in the order of the patches' elements.
enum class FilterPacking : uint8_t { channel_rows, tap_rows, tap_columns };

// Packed step by step.
class PackedFilters {
 public:
  PackedFilters(const ConvMath& math, const ConvPass& pass, const std::vector<PatchStep>& steps,
                FilterPacking packing);

  // As an operand of a block, outs from `out` on, which begins a panel.
  void put(GemmBlock& block, int64_t group, const Region::Step& part, int64_t out) const;

 private:
  bool as_rows() const { return packing_ != FilterPacking::tap_columns; }
  PatchOrder order() const {
    return packing_ == FilterPacking::channel_rows ? PatchOrder::channel_tap
                                                   : PatchOrder::tap_channel;
  }
  char* at(int64_t group, int64_t step, int64_t out) const;
  int64_t step_of(int64_t element) const;
  void pack_matrix(const ConvMath& math, const ConvPass& pass);
  void pack_woven(const ConvMath& math, const ConvPass& pass);
  template <class T>
  void copy_rows(const ConvPass& pass);

  const GemmKernels& f_;
  const std::vector<PatchStep>& steps_;
  const FilterPacking packing_;
  const int64_t ins_, step_bytes_;
  const Scratch packed_;
};

}  // namespace flambeau::cpu
