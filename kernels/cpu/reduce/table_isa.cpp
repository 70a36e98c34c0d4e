#include "kernels/cpu/reduce/reduce_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {

extern const ReduceRow sum_row, mean_row, prod_row, max_row, min_row, arg_max_row, arg_min_row,
    any_row, all_row, spread_row, logsumexp_row, norm_0_row, norm_1_row, norm_2_row, norm_p_row,
    norm_max_row, norm_min_row;

extern const ReduceKernels reduce_kernels;
// In the order of the enumeration.
const ReduceKernels reduce_kernels = {{&sum_row, &mean_row, &prod_row, &max_row, &min_row,
                                       &arg_max_row, &arg_min_row, &any_row, &all_row, &spread_row,
                                       &logsumexp_row, &norm_0_row, &norm_1_row, &norm_2_row,
                                       &norm_p_row, &norm_max_row, &norm_min_row}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
