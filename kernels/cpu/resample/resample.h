// Images of other sizes, and values of images between their pixels.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

enum class Resampling : uint8_t {
  nearest,
  nearest_exact,
  linear,
  cubic,
  linear_aa,  // the filter grows with the step, so that no element is passed over
  cubic_aa,
  lanczos_aa
};
// One scale for each of the last dimensions, where they are not those of the sizes.
using Scales = std::initializer_list<std::optional<double>>;

void upsample(const Tensor& out, const Tensor& in, Resampling how, bool align_corners,
              Scales scales);
void upsample_backward(const Tensor& out, const Tensor& grad, Resampling how, bool align_corners,
                       Scales scales);

// Values of images or volumes at the places of a grid; the numbers are ATen's.
void grid_sampler(const Tensor& out, const Tensor& input, const Tensor& grid, int64_t interpolation,
                  int64_t padding, bool align_corners);
// The gradients that are not wanted are 0.
void grid_sampler_backward(const Tensor& grad_input, const Tensor& grad_grid,
                           const Tensor& grad_output, const Tensor& input, const Tensor& grid,
                           int64_t interpolation, int64_t padding, bool align_corners,
                           std::span<const bool> wanted);
void grid_sampler_double_backward(const Tensor& of_grad, const Tensor& of_input,
                                  const Tensor& of_grid, const Tensor& to_input,
                                  const Tensor& to_grid, const Tensor& grad_output,
                                  const Tensor& input, const Tensor& grid, int64_t interpolation,
                                  int64_t padding, bool align_corners);

}  // namespace flambeau::inline v1::cpu
