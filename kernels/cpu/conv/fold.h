// Patches of images as columns, and columns summed to images.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

// (N, C * R * S, L) from (N, C, H, W), or without N; R x S is the kernel, L the number of windows.
void im2col(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan dilation,
            IntSpan padding, IntSpan stride);
void col2im(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan dilation,
            IntSpan padding, IntSpan stride);

}  // namespace flambeau::inline v1::cpu
