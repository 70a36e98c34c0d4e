// Convolution over three dimensions, and its gradients, as passes over the slices of volumes.
#pragma once

#include "core/tensor/tensor.h"
#include "kernels/cpu/conv/conv2d.h"

namespace flambeau::inline v1::cpu {

struct Conv3dShape {
  Conv2dShape slice;  // of n volumes
  int64_t d, t;       // slices of the input; of a filter
  int64_t stride_d = 1, pad_d = 0, dil_d = 1;
  int64_t out_d;
};

// The tensors are volumes of any strides. `bias` may be null.
void conv3d(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& filters,
            const void* bias, const Tensor& y);
void conv3d_grad_input(ConvType type, const Conv3dShape& shape, const Tensor& dy,
                       const Tensor& filters, const void* bias, const Tensor& dx);
void conv3d_grad_filters(ConvType type, const Conv3dShape& shape, const Tensor& x, const Tensor& dy,
                         const Tensor& gradient);

}  // namespace flambeau::inline v1::cpu
