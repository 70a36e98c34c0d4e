// What an equation of einsum says.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/tensor/dims.h"

namespace flambeau::inline v1::shape {

// The labels of each operand, then those of the output where it is written out. Letters are numbers
// from 0 on, A before a; an ellipsis is -1.
std::vector<Dims> einsum_labels(std::string_view equation, int64_t operands);
// A label as messages show it: what stands for a dimension of an ellipsis as that.
const char* einsum_label(int64_t label);

}  // namespace flambeau::inline v1::shape
