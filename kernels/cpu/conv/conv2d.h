// Two-dimensional convolution on the CPU and its gradients, as implicit matrix products.
#pragma once

#include <cstdint>

#include "kernels/cpu/matmul/gemm/gemm.h"

namespace flambeau::inline v1::cpu {

// 16-bit types are summed in f32.
enum class ConvType : uint8_t { f32, f64, bf16, f16 };

// How images and gradients of images lie in memory, without gaps.
enum class ConvLayout : uint8_t { nchw, nhwc };

struct Conv2dShape {
  int64_t n, c, h, w;  // input
  int64_t k, r, s;     // filters, of c / groups x r x s
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dil_h = 1, dil_w = 1, groups = 1;
  // Rows and columns of the output; 0: as many as there are windows. A transposed convolution's
  // input may have fewer.
  int64_t most_h = 0, most_w = 0;

  int64_t out_h() const {
    return most_h ? most_h : (h + 2 * pad_h - dil_h * (r - 1) - 1) / stride_h + 1;
  }
  int64_t out_w() const {
    return most_w ? most_w : (w + 2 * pad_w - dil_w * (s - 1) - 1) / stride_w + 1;
  }
};

// The filters k x c / groups x r x s, with strides in elements.
struct ConvFilters {
  const void* data = nullptr;
  int64_t k_stride = 0, c_stride = 0, r_stride = 0, s_stride = 0;
};
struct MutableConvFilters {
  void* data = nullptr;
  int64_t k_stride = 0, c_stride = 0, r_stride = 0, s_stride = 0;
};

// The layouts of what is read and of what is written.
struct ConvLayouts {
  ConvLayout src, dst;
};

// y = activation(x * filters + bias); bias (k elements) may be null. Sizes must be valid: groups
// divides c and k, the output has at least one row and column.
//
// All results have the same bits for any number of threads.
void conv2d(ConvType type, ConvLayouts layouts, const Conv2dShape& shape, const void* x,
            const ConvFilters& filters, const void* bias, void* y,
            Activation activation = Activation::none);

// dx, given dy; plus a bias of c elements that may be null: a transposed convolution.
void conv2d_grad_input(ConvType type, ConvLayouts layouts, const Conv2dShape& shape, const void* dy,
                       const ConvFilters& filters, const void* bias, void* dx);

// Whether x or dy in planes should be turned to nhwc first; see Note [Borders].
bool conv2d_turns(ConvType type, const Conv2dShape& shape);
bool conv2d_grad_input_turns(ConvType type, const Conv2dShape& shape);

// Whether planes are better turned to nhwc, and results back: groups of few channels.
bool conv2d_prefers_nhwc(ConvType type, const Conv2dShape& shape, bool grad_input);

// The gradient of the filters, given x and dy of at least one image.
void conv2d_grad_filters(ConvType type, ConvLayout layout, const Conv2dShape& shape, const void* x,
                         const void* dy, const MutableConvFilters& gradient);

// The same of what a source reads.
struct PatchSource;
void conv2d_grad_filters(ConvType type, ConvLayout layout, const Conv2dShape& shape,
                         const PatchSource& source, const void* dy,
                         const MutableConvFilters& gradient);

// Whether it is better taken from planes, however images lie: few products of many pixels, or
// groups, whose patches would be copied in short runs.
bool conv2d_grad_filters_prefers_nchw(ConvType type, const Conv2dShape& shape);

// The gradient of the bias: the sum of dy over images and pixels.
void conv2d_grad_bias(ConvType type, ConvLayout layout, const Conv2dShape& shape, const void* dy,
                      void* gradient);

}  // namespace flambeau::inline v1::cpu
