// What forward and backward of recurrent layers share.
#pragma once

#include <span>

#include "core/parallel/isa.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/rnn/geometry.h"
#include "kernels/cpu/rnn/rnn_kernels.h"

namespace flambeau::inline v1::cpu {

const RnnKernels& rnn_kernels();

template <class T>
const RnnLoops<T>& rnn_loops() {
  if constexpr (sizeof(T) == 8)
    return rnn_kernels().f64;
  else
    return rnn_kernels().f32;
}

// The tensors of a call, in the order of the schemas. Of a direction: weights of input and state,
// their biases, and a projection.
constexpr size_t kWeights = 5;
struct RnnTensors {
  Tensor input, hx, cx;
  Tensor weights[2][kWeights];
};

inline DType rnn_dtype(DType stored) {
  return stored == DType::float64 ? DType::float64 : DType::float32;
}

// All contiguous, as numbers that are computed with.
RnnTensors rnn_packed(const RnnTensors& given);

RnnGeometry rnn_geometry(const RnnTensors& tensors, IntSpan batch_sizes, int64_t mode, bool keeps);
RnnGeometry rnn_cell_geometry(const RnnTensors& tensors, int64_t mode, bool keeps);

template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() && t.numel() > 0 ? t.data<T>() : nullptr;
}

// What is kept is of bytes: nobody is to look into it, nor to differentiate it.
template <class T>
T* kept_numbers(const Tensor& reserve) {
  return reserve.numel() > 0 ? reinterpret_cast<T*>(reserve.bytes()) : nullptr;
}

// Output, states and what is kept; `output` is undefined of a cell, whose output is its state.
struct RnnResults {
  Tensor output, hy, cy, reserve;
};
void rnn_forward(const RnnGeometry& g, const RnnTensors& given, const RnnResults& results);

// Gradients of the results, and in the order of RnnTensors those that are made; undefined ones are
// not wanted.
struct RnnGradients {
  Tensor output, hy, cy;
};
void rnn_backward(const RnnGeometry& g, const RnnGradients& grads, const RnnTensors& given,
                  const Tensor& output, const Tensor& reserve, const RnnTensors& made);

}  // namespace flambeau::inline v1::cpu
