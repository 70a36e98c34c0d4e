// Backpropagation through time: the gates' gradients of all steps first, one step after the other,
// then the gradients of weights and input as products over all steps at once.
#include <cstring>

#include "core/parallel/parallel.h"
#include "flambeau/kernels/rnn.h"
#include "kernels/cpu/rnn/rnn.h"

namespace flambeau::inline v1::cpu {
namespace {

template <class T>
class Backward {
 public:
  // `made` has places for what is wanted, and always for the states.
  Backward(const RnnGeometry& geometry, const RnnGradients& gradients, const RnnTensors& tensors,
           const Tensor& outputs, const Tensor& reserve, const RnnTensors& results)
      : g(geometry), t(tensors), made(results), loops(rnn_loops<T>()) {
    options = {t.input.dtype(), t.input.device()};
    grad_output = data_or_null<T>(gradients.output);
    output = data_or_null<T>(outputs);
    kept = kept_numbers<T>(reserve);
    kept_stride = g.kept_columns();
    output_stride = g.directions * g.state;
    columns = g.columns();
    tasks = g.row_tasks(sizeof(T));
    task_rows = (g.batch + tasks - 1) / std::max<int64_t>(tasks, 1);
    gates = make({g.directions, g.rows(), columns});
    if (g.projected) {
      projected = make({g.directions, g.rows(), g.state});
      raw = make({g.directions, g.batch, g.units});
    }
    for (int64_t d = 0; d < g.directions; ++d) {
      if (g.steps > 1) pack(&panels[d], t.weights[d][1], g.hidden_columns(), g.state);
      if (g.projected) pack(&projection[d], t.weights[d][4], g.state, g.units);
    }
  }

  void run() {
    if (g.by_units(tasks)) {
      for (int64_t i = g.steps; i-- > 0;) step_by_units(i);
    } else {
      parallel_tasks(g.directions * tasks, [&](int64_t task) {
        const int64_t d = task / tasks, row = task % tasks * task_rows;
        for (int64_t i = g.steps; i-- > 0;) {
          const int64_t step = g.step(d, i);
          const int64_t last = std::min(row + task_rows, g.active(step));
          if (row >= last) continue;
          if (g.projected) unproject(d, step, row, last, 0, g.units);
          bend(d, i, row, last, 0, g.units);
          multiply(d, step, row, last, 0, g.state);
        }
      });
    }
    for (int64_t d = 0; d < g.directions; ++d) finish(d);
  }

 private:
  Tensor make(std::initializer_list<int64_t> sizes) const {
    return empty(IntSpan(sizes.begin(), sizes.size()), options);
  }

  // The panels of w, which has k rows and n columns.
  void pack(Tensor* to, const Tensor& w, int64_t k, int64_t n) const {
    *to = make({k * ((n + loops.panel - 1) / loops.panel * loops.panel)});
    T* const out = to->template data<T>();
    const T* const from = w.data<T>();
    const int64_t panels_each = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, k * loops.panel));
    parallel_for(n, loops.panel * panels_each, [&](int64_t begin, int64_t end) {
      loops.pack(out + begin * k, from + begin, k, end - begin, n, 1);
    });
  }

  T* gate(int64_t d, int64_t row) const { return gates.data<T>() + (d * g.rows() + row) * columns; }
  T* dh(int64_t d) const { return made.hx.data<T>() + d * g.batch * g.state; }
  const T* kept_row(int64_t d, int64_t row) const {
    return kept + (d * g.rows() + row) * kept_stride;
  }

  void unproject(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin,
                 int64_t end) const {
    const int64_t at = g.first(step) + row;
    T* const whole = projected.data<T>() + (d * g.rows() + at) * g.state;
    if (begin == 0) add_grad_output(whole, d, at, row, last - row);
    loops.product(raw.data<T>() + (d * g.batch + row) * g.units + begin, g.units, whole, g.state,
                  projection[d].template data<T>() + begin * g.state, last - row, g.state,
                  end - begin, false);
  }
  void add_grad_output(T* to, int64_t d, int64_t at, int64_t row, int64_t rows) const {
    const T* const h = dh(d) + row * g.state;
    for (int64_t n = 0; n < rows; ++n) {
      const T* const more =
          grad_output ? grad_output + (at + n) * output_stride + d * g.state : nullptr;
      for (int64_t j = 0; j < g.state; ++j)
        to[n * g.state + j] = h[n * g.state + j] + (more ? more[j] : T(0));
    }
  }

  // The gates' gradients of the rows of the i-th step: the state before is that of the step before
  // where the row had one, else the initial state.
  void bend(int64_t d, int64_t i, int64_t row, int64_t last, int64_t begin, int64_t end) const {
    const int64_t step = g.step(d, i), before = i > 0 ? g.step(d, i - 1) : 0;
    const int64_t had = i > 0 ? std::min(last, g.active(before)) : 0;
    if (row < had) bend_rows(d, step, row, had, begin, end, before);
    if (had < last) bend_rows(d, step, std::max(row, had), last, begin, end, -1);
  }
  void bend_rows(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin, int64_t end,
                 int64_t before) const {
    const int64_t at = g.first(step) + row;
    const int64_t from = before < 0 ? 0 : g.first(before) + row;
    RnnStepBack<T> s{};
    s.rows = last - row;
    s.units = g.units;
    s.begin = begin;
    s.end = end;
    if (g.plain()) {
      s.gates = output + at * output_stride + d * g.state;
      s.gates_stride = output_stride;
    } else {
      s.gates = kept_row(d, at);
      s.gates_stride = kept_stride;
    }
    if (g.kind == RnnKind::lstm) {
      s.c = s.gates + columns;
      s.dc = made.cx.data<T>() + (d * g.batch + row) * g.units;
      s.before =
          before < 0 ? t.cx.data<T>() + (d * g.batch + row) * g.units : kept_row(d, from) + columns;
      s.before_stride = before < 0 ? g.units : kept_stride;
    } else if (g.kind == RnnKind::gru) {
      s.before = before < 0 ? t.hx.data<T>() + (d * g.batch + row) * g.state
                            : output + from * output_stride + d * g.state;
      s.before_stride = before < 0 ? g.state : output_stride;
    }
    if (g.projected) {
      s.dh = raw.data<T>() + (d * g.batch + row) * g.units;
      s.dh_stride = g.units;
    } else {
      s.dh = dh(d) + row * g.state;
      s.dh_stride = g.state;
      if (grad_output) s.grad_out = grad_output + at * output_stride + d * g.state;
      s.grad_out_stride = output_stride;
    }
    s.dgates = gate(d, at);
    s.dgates_stride = columns;
    loops.step_back[static_cast<size_t>(g.kind)](s);
  }

  // The gradient of the state before.
  void multiply(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin,
                int64_t end) const {
    const T* const from = gate(d, g.first(step) + row);
    T* const to = dh(d) + row * g.state + begin;
    const bool add = g.kind == RnnKind::gru;
    const int64_t k = g.hidden_columns();
    if (g.steps == 1)
      return gemm(kGemm<T>, last - row, end - begin, k, 1, {from, columns, 1},
                  {t.weights[d][1].data<T>() + begin, g.state, 1}, add ? 1 : 0, {to, g.state, 1});
    loops.product(to, g.state, from, columns, panels[d].template data<T>() + begin * k, last - row,
                  k, end - begin, add);
  }

  void step_by_units(int64_t i) const {
    const int64_t step = g.step(0, i), rows = g.active(step);
    const auto shared = [&](int64_t n, auto&& f) {
      const int64_t panels_each = (n / loops.panel + 7) / 8;
      parallel_for(n, std::max<int64_t>(1, panels_each) * loops.panel, f);
    };
    if (g.projected) unproject(0, step, 0, rows, 0, g.units);
    shared(g.units, [&](int64_t begin, int64_t end) { bend(0, i, 0, rows, begin, end); });
    shared(g.state, [&](int64_t begin, int64_t end) { multiply(0, step, 0, rows, begin, end); });
  }

  // ---- over all steps

  void finish(int64_t d) const {
    const int64_t n = g.rows();
    const T* const x = data_or_null<T>(t.input);
    const T* const from = gate(d, 0);
    const Tensor* const w = made.weights[d];
    for (const GateRun& run : g.runs()) {
      if (made.input.defined())
        gemm(kGemm<T>, n, g.inputs, run.count, 1, {from + run.column, columns, 1},
             {t.weights[d][0].data<T>() + run.weight_row * g.inputs, g.inputs, 1},
             d == 0 && run.column == 0 ? 0 : 1, {made.input.data<T>(), g.inputs, 1});
      if (w[0].defined())
        gemm(kGemm<T>, run.count, g.inputs, n, 1, {from + run.column, 1, columns}, {x, g.inputs, 1},
             0, {w[0].data<T>() + run.weight_row * g.inputs, g.inputs, 1});
      if (w[2].defined()) sums(w[2].data<T>() + run.weight_row, from + run.column, run.count);
    }
    if (w[1].defined()) state_weight(d, w[1].data<T>());
    if (w[3].defined()) {
      if (w[2].defined() && g.kind != RnnKind::gru)
        copy(w[3], w[2]);
      else
        sums(w[3].data<T>(), from, g.hidden_columns());
    }
    if (w[4].defined())
      gemm(kGemm<T>, g.state, g.units, n, 1, {projected.data<T>() + d * n * g.state, 1, g.state},
           {kept_row(d, 0) + columns + g.units, kept_stride, 1}, 0, {w[4].data<T>(), g.units, 1});
  }

  void sums(T* to, const T* from, int64_t count) const {
    const int64_t grain = std::max<int64_t>(64, 65536 / std::max<int64_t>(1, g.rows()) / 64 * 64);
    parallel_for(count, grain, [&](int64_t begin, int64_t end) {
      loops.column_sums(to + begin, from + begin, columns, g.rows(), end - begin);
    });
  }

  void state_weight(int64_t d, T* to) const {
    const int64_t n = g.rows(), m = g.hidden_columns();
    const auto add = [&](int64_t row, const T* states, int64_t stride, int64_t rows, bool first) {
      gemm(kGemm<T>, m, g.state, rows, 1, {gate(d, row), 1, columns}, {states, stride, 1},
           first ? 0 : 1, {to, g.state, 1});
    };
    const T* const hx = t.hx.data<T>() + d * g.batch * g.state;
    if (!g.ragged()) {
      const int64_t start = d == 0 ? 0 : n - g.batch;  // the rows that begin with the initial state
      add(start, hx, g.state, g.batch, true);
      if (g.steps > 1)
        add(d == 0 ? g.batch : 0, output + (d == 0 ? 0 : g.batch * output_stride) + d * g.state,
            output_stride, n - g.batch, false);
      return;
    }
    const Tensor states = make({n, g.state});
    T* const into = states.data<T>();
    const auto bytes = static_cast<size_t>(g.state) * sizeof(T);
    for (int64_t i = 0; i < g.steps; ++i) {
      const int64_t step = g.step(d, i), before = i > 0 ? g.step(d, i - 1) : 0;
      const int64_t had = i > 0 ? g.active(before) : 0;
      for (int64_t row = 0; row < g.active(step); ++row) {
        const T* const from = row < had
                                  ? output + (g.first(before) + row) * output_stride + d * g.state
                                  : hx + row * g.state;
        std::memcpy(into + (g.first(step) + row) * g.state, from, bytes);
      }
    }
    add(0, into, g.state, n, true);
  }

  const RnnGeometry& g;
  const RnnTensors& t;
  const RnnTensors& made;
  const RnnLoops<T>& loops;
  TensorOptions options;
  const T *grad_output, *output, *kept;
  int64_t kept_stride, output_stride, columns, tasks, task_rows;
  Tensor gates, projected, raw, panels[2], projection[2];
};

// Where the gradient of a state is advanced, from that of the state at the end.
Tensor advanced(const Tensor& out, const Tensor& state, const Tensor& grad, DType dtype) {
  const Tensor place = out.defined()
                           ? place_for(out, dtype)
                           : dense(state.sizes(), dtype, state.device(), MemoryFormat::contiguous);
  if (grad.defined())
    copy(place, grad);
  else
    fill(place, 0);
  return place;
}

Tensor wanted(const Tensor& t, bool mask) { return mask ? t : Tensor(); }

}  // namespace

void rnn_backward(const RnnGeometry& g, const RnnGradients& grads, const RnnTensors& given,
                  const Tensor& output, const Tensor& reserve, const RnnTensors& out) {
  const RnnTensors t = rnn_packed(given);
  const DType dtype = t.input.dtype();
  const RnnGradients own{packed(grads.output, dtype), Tensor(), Tensor()};
  RnnTensors made{};
  made.hx = advanced(out.hx, given.hx, grads.hy, dtype);
  if (g.kind == RnnKind::lstm) made.cx = advanced(out.cx, given.cx, grads.cy, dtype);
  if (out.input.defined()) made.input = place_for(out.input, dtype);
  const bool nothing = g.batch == 0 || g.rows() == 0;
  if (nothing && made.input.defined()) fill(made.input, 0);
  for (size_t d = 0; d < 2; ++d)
    for (size_t w = 0; w < kWeights; ++w) {
      if (!out.weights[d][w].defined()) continue;
      made.weights[d][w] = place_for(out.weights[d][w], dtype);
      if (nothing) fill(made.weights[d][w], 0);
    }
  const Tensor outputs = packed(output, dtype), held = packed(reserve, DType::uint8);
  if (nothing) {
  } else if (dtype == DType::float64) {
    Backward<double>(g, own, t, outputs, held, made).run();
  } else {
    Backward<float>(g, own, t, outputs, held, made).run();
  }
  if (out.hx.defined()) deliver(out.hx, made.hx);
  if (out.cx.defined()) deliver(out.cx, made.cx);
  if (out.input.defined()) deliver(out.input, made.input);
  for (size_t d = 0; d < 2; ++d)
    for (size_t w = 0; w < kWeights; ++w)
      if (out.weights[d][w].defined()) deliver(out.weights[d][w], made.weights[d][w]);
}

void _rnn_layer_backward(const Tensor& d_input, const Tensor& d_hx, const Tensor& d_cx,
                         const Tensor& d_weights, const Tensor& d_weights_reverse,
                         const Tensor& grad_output, const Tensor& grad_hy, const Tensor& grad_cy,
                         const Tensor& input, const Tensor& hx, const Tensor& cx,
                         const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                         const Tensor& b_hh, const Tensor& w_hr, const Tensor& w_ih_reverse,
                         const Tensor& w_hh_reverse, const Tensor& b_ih_reverse,
                         const Tensor& b_hh_reverse, const Tensor& w_hr_reverse,
                         const Tensor& output, const Tensor& reserve, IntSpan batch_sizes,
                         int64_t mode, std::span<const bool> output_mask) {
  const RnnTensors t{input,
                     hx,
                     cx,
                     {{w_ih, w_hh, b_ih, b_hh, w_hr},
                      {w_ih_reverse, w_hh_reverse, b_ih_reverse, b_hh_reverse, w_hr_reverse}}};
  RnnTensors made{wanted(d_input, output_mask[0]),
                  wanted(d_hx, output_mask[1]),
                  wanted(d_cx, output_mask[2]),
                  {}};
  // The weights of a direction lie one after the other.
  const Tensor flat[] = {wanted(d_weights, output_mask[3]),
                         wanted(d_weights_reverse, output_mask[4])};
  Tensor places[2];
  for (size_t d = 0; d < 2; ++d) {
    if (!flat[d].defined()) continue;
    places[d] = place_for(flat[d], rnn_dtype(input.dtype()));
    int64_t offset = places[d].offset();
    for (size_t w = 0; w < kWeights; ++w) {
      if (!t.weights[d][w].defined()) continue;
      const IntSpan sizes = t.weights[d][w].sizes();
      made.weights[d][w] = Tensor::alias(places[d], sizes, contiguous_strides(sizes), offset);
      offset += count(sizes);
    }
  }
  rnn_backward(rnn_geometry(t, batch_sizes, mode, true), {grad_output, grad_hy, grad_cy}, t, output,
               reserve, made);
  for (size_t d = 0; d < 2; ++d)
    if (flat[d].defined()) deliver(flat[d], places[d]);
}

void _rnn_cell_backward(const Tensor& d_input, const Tensor& d_hx, const Tensor& d_cx,
                        const Tensor& d_w_ih, const Tensor& d_w_hh, const Tensor& d_bias,
                        const Tensor& grad_hy, const Tensor& grad_cy, const Tensor& input,
                        const Tensor& hx, const Tensor& cx, const Tensor& w_ih, const Tensor& w_hh,
                        const Tensor& b_ih, const Tensor& b_hh, const Tensor& hy,
                        const Tensor& reserve, int64_t mode, std::span<const bool> output_mask) {
  const RnnTensors t{input, hx, cx, {{w_ih, w_hh, b_ih, b_hh, Tensor()}, {}}};
  RnnTensors made{wanted(d_input, output_mask[0]),
                  wanted(d_hx, output_mask[1]),
                  wanted(d_cx, output_mask[2]),
                  {{wanted(d_w_ih, output_mask[3]), wanted(d_w_hh, output_mask[4])}, {}}};
  Tensor biases;
  if (output_mask[5]) {  // that of the input's and of the state's
    biases = place_for(d_bias, rnn_dtype(input.dtype()));
    const int64_t n = d_bias.sizes()[1], sizes[] = {n}, strides[] = {1};
    for (size_t i = 0; i < 2; ++i)
      made.weights[0][2 + i] =
          Tensor::alias(biases, sizes, strides, biases.offset() + static_cast<int64_t>(i) * n);
  }
  rnn_backward(rnn_cell_geometry(t, mode, true), {Tensor(), grad_hy, grad_cy}, t, hy, reserve,
               made);
  if (output_mask[5]) deliver(d_bias, biases);
}

}  // namespace flambeau::inline v1::cpu
