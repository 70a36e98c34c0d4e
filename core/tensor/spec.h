// What a rule says of one output.
#pragma once

#include <array>
#include <optional>

#include "core/tensor/dims.h"
#include "core/tensor/dtype.h"

namespace flambeau::inline v1 {

struct Spec {
  Dims sizes;
  DType dtype;
  std::optional<Dims> strides;  // row-major when absent
};

}  // namespace flambeau::inline v1
