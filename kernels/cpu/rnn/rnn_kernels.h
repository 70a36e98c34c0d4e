// Steps of recurrent networks, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// One step of `rows` rows, for the units from `begin` to `end` of each. The first of several gates
// is that of unit 0; the next is `units` further. A state has `units` elements in a row.
template <class T>
struct RnnStep {
  int64_t rows, units, begin, end;
  T* gates;  // before their functions, without biases; after them where `keep`
  int64_t gates_stride;
  const T* bias;  // as gates; may be null
  bool keep;
  T* h;  // the hidden state, which is overwritten
  int64_t h_stride;
  T* c;     // of LSTM: the cell state, which is overwritten
  T* kept;  // a copy of the new cell state; may be null
  T* out;   // a copy of the new hidden state; may be null
  int64_t kept_stride, out_stride;
};

// The same backwards: from the gradient of the hidden state to those of the gates.
template <class T>
struct RnnStepBack {
  int64_t rows, units, begin, end;
  const T* gates;
  int64_t gates_stride;
  const T* c;       // of LSTM: the cell state; in rows like gates
  const T* before;  // the state before: the cell state of LSTM, the hidden one of GRU
  int64_t before_stride;
  const T* grad_out;  // added to dh; may be null
  int64_t grad_out_stride;
  T* dh;  // of GRU: becomes the part of the state before that passes by the gates
  int64_t dh_stride;
  T* dc;
  T* dgates;
  int64_t dgates_stride;
};

template <class T>
struct RnnLoops {
  int64_t panel;  // columns of a panel
  // B, of k rows and n columns, as panels: all rows of the first columns, then of the next.
  void (*pack)(T* panels, const T* b, int64_t k, int64_t n, int64_t k_stride, int64_t n_stride);
  // c = A B, or c += A B. The sum of an element runs over k in order.
  void (*product)(T* c, int64_t c_stride, const T* a, int64_t a_stride, const T* panels,
                  int64_t rows, int64_t k, int64_t n, bool add);
  // By kind: relu, tanh, LSTM, GRU.
  void (*step[4])(const RnnStep<T>& s);
  void (*step_back[4])(const RnnStepBack<T>& s);
  // sums[j] = the sum of column j: in stretches, so that many rows stay exact enough.
  void (*column_sums)(T* sums, const T* x, int64_t stride, int64_t rows, int64_t n);
};

struct RnnKernels {
  RnnLoops<float> f32;
  RnnLoops<double> f64;
};

}  // namespace flambeau::inline v1::cpu
