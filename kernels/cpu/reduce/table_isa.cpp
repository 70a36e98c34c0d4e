#include "kernels/cpu/reduce/reduce_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

extern const ReduceRow sum_row, mean_row, prod_row, max_row, min_row, arg_max_row, arg_min_row,
    any_row, all_row, spread_row, logsumexp_row, norm_0_row, norm_1_row, norm_2_row, norm_p_row,
    norm_max_row, norm_min_row;

extern const ReduceKernels reduce_kernels;
// In the order of the enumeration.
const ReduceKernels reduce_kernels = {
    {sum_row.by, mean_row.by, prod_row.by, max_row.by, min_row.by, arg_max_row.by, arg_min_row.by,
     any_row.by, all_row.by, spread_row.by, logsumexp_row.by, norm_0_row.by, norm_1_row.by,
     norm_2_row.by, norm_p_row.by, norm_max_row.by, norm_min_row.by}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
