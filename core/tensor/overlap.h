// What an op that writes asks of its target.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

// Error if elements of a target share memory: which of them would be kept?
void check_written_once(const char* op, const Tensor& target);

}  // namespace flambeau::inline v1
