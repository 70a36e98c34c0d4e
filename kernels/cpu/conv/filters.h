// The filters of a pass, packed for the kernels.
#pragma once

#include <vector>

#include "kernels/cpu/conv/pass.h"
#include "kernels/cpu/conv/regions.h"

namespace flambeau::inline v1::cpu {

// Rows of A or columns of B, whose elements are in the order of patches: the taps of a channel
// side by side, or the channels of a tap.
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
  bool ins_last() const { return packing_ != FilterPacking::channel_rows; }
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

}  // namespace flambeau::inline v1::cpu
