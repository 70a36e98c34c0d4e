#include "kernels/cpu/rnn/rnn.h"

#include <cstring>

#include "core/parallel/parallel.h"
#include "flambeau/kernels/rnn.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const RnnKernels rnn_kernels;
}  // namespace baseline
namespace avx2 {
extern const RnnKernels rnn_kernels;
}  // namespace avx2
namespace avx512 {
extern const RnnKernels rnn_kernels;
}  // namespace avx512

const RnnKernels& rnn_kernels() {
  static const RnnKernels& chosen =
      of_isa(baseline::rnn_kernels, avx2::rnn_kernels, avx512::rnn_kernels);
  return chosen;
}

RnnTensors rnn_packed(const RnnTensors& given) {
  const DType dtype = rnn_dtype(given.input.dtype());
  RnnTensors made{packed(given.input, dtype), packed(given.hx, dtype), packed(given.cx, dtype), {}};
  for (size_t d = 0; d < 2; ++d)
    for (size_t w = 0; w < kWeights; ++w) made.weights[d][w] = packed(given.weights[d][w], dtype);
  return made;
}

namespace {

RnnGeometry geometry_of(const RnnTensors& t, int64_t mode, bool keeps) {
  RnnGeometry g{};
  g.kind = static_cast<RnnKind>(mode);
  g.inputs = t.weights[0][0].sizes()[1];
  g.state = t.weights[0][1].sizes()[1];
  g.projected = t.weights[0][4].defined();
  g.units = g.projected ? t.weights[0][4].sizes()[1] : g.state;
  g.directions = t.weights[1][0].defined() ? 2 : 1;
  g.keeps = keeps;
  return g;
}

template <class T>
class Forward {
 public:
  Forward(const RnnGeometry& geometry, const RnnTensors& tensors, const RnnResults& results)
      : g(geometry), t(tensors), r(results), loops(rnn_loops<T>()) {
    const TensorOptions options{t.input.dtype(), t.input.device()};
    output = r.output.defined() ? r.output.data<T>() : r.hy.data<T>();
    output_stride = g.directions * g.state;
    tasks = g.row_tasks(sizeof(T));
    task_rows = (g.batch + tasks - 1) / std::max<int64_t>(tasks, 1);
    chunk = std::max<int64_t>(262144 / std::max<int64_t>(g.batch * g.columns(), 1),
                              64 / std::max<int64_t>(g.batch, 1));
    chunk = std::clamp<int64_t>(chunk, 1, std::max<int64_t>(g.steps, 1));
    if (g.plain()) {
      stride = output_stride;
    } else if (g.keeps) {
      stride = g.kept_columns();
    } else {
      stride = g.columns();
      room = make({g.directions, chunk * g.batch, stride}, options);
    }
    if (g.projected && !g.keeps) raw_room = make({g.directions, g.batch, g.units}, options);
    for (int64_t d = 0; d < g.directions; ++d) prepare(d, options);
  }

  void run() {
    for (int64_t i = 0; i < g.steps; i += chunk) {
      const int64_t end = std::min(i + chunk, g.steps);
      for (int64_t d = 0; d < g.directions; ++d) multiply_input(d, i, end);
      if (g.by_units(tasks)) {
        for (int64_t j = i; j < end; ++j) step_by_units(g.step(0, j));
        continue;
      }
      parallel_tasks(g.directions * tasks, [&](int64_t task) {
        const int64_t d = task / tasks, row = task % tasks * task_rows;
        for (int64_t j = i; j < end; ++j) {
          const int64_t step = g.step(d, j);
          const int64_t last = std::min(row + task_rows, g.active(step));
          if (row >= last) continue;
          multiply_state(d, step, row, last, 0, g.hidden_columns());
          bend(d, step, row, last, 0, g.units);
          if (g.projected) project(d, step, row, last, 0, g.state);
        }
      });
    }
  }

 private:
  static Tensor make(std::initializer_list<int64_t> sizes, const TensorOptions& options) {
    return empty(IntSpan(sizes.begin(), sizes.size()), options);
  }

  void prepare(int64_t d, const TensorOptions& options) {
    const Tensor* const w = t.weights[d];
    if (w[2].defined()) {
      bias[d] = make({g.columns()}, options);
      T* const to = bias[d].data<T>();
      const T *of_input = w[2].data<T>(), *of_state = w[3].data<T>();
      const int64_t joint = g.kind == RnnKind::gru ? 2 * g.units : g.columns();
      for (int64_t j = 0; j < joint; ++j) to[j] = of_input[j] + of_state[j];
      for (int64_t j = joint; j < g.hidden_columns(); ++j) {
        to[j] = of_state[j];
        to[j + g.units] = of_input[j];
      }
    }
    if (g.steps > 1) {
      panels[d] = make({panel_size(g.state, g.hidden_columns())}, options);
      pack(panels[d], w[1], g.state, g.hidden_columns());
    }
    if (g.projected) {
      projection[d] = make({panel_size(g.units, g.state)}, options);
      pack(projection[d], w[4], g.units, g.state);
    }
  }

  int64_t panel_size(int64_t k, int64_t n) const {
    return k * ((n + loops.panel - 1) / loops.panel * loops.panel);
  }
  // The panels of w^T.
  void pack(const Tensor& to, const Tensor& w, int64_t k, int64_t n) const {
    T* const out = to.data<T>();
    const T* const from = data_or_null<T>(w);
    const int64_t grain =
        loops.panel * std::max<int64_t>(1, 32768 / std::max<int64_t>(1, k * loops.panel));
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      loops.pack(out + begin * k, from + begin * k, k, end - begin, 1, k);
    });
  }

  // Row 0 of a step of a direction.
  T* gates(int64_t d, int64_t step) const {
    if (g.plain()) return output + g.first(step) * stride + d * g.state;
    if (g.keeps) return kept_numbers<T>(r.reserve) + (d * g.rows() + g.first(step)) * stride;
    return room.data<T>() + (d * chunk * g.batch + g.first(step) - room_first[d]) * stride;
  }
  T* state(int64_t d) const { return r.hy.data<T>() + d * g.batch * g.state; }
  T* raw(int64_t d, int64_t step) const {
    if (!g.keeps) return raw_room.data<T>() + d * g.batch * g.units;
    return gates(d, step) + g.columns() + g.units;
  }
  int64_t raw_stride() const { return g.keeps ? stride : g.units; }

  // What the input gives to the gates of steps i to end in the order of a direction.
  void multiply_input(int64_t d, int64_t i, int64_t end) {
    const int64_t low = d == 0 ? i : g.steps - end, high = d == 0 ? end : g.steps - i;
    const int64_t row = g.first(low), rows = g.offset[static_cast<size_t>(high)] - row;
    room_first[d] = row;
    if (rows == 0) return;
    const T* const x = data_or_null<T>(t.input);
    const T* const w = data_or_null<T>(t.weights[d][0]);
    for (const GateRun& run : g.runs())
      gemm(kGemm<T>, rows, run.count, g.inputs, 1, {x + row * g.inputs, g.inputs, 1},
           {w + run.weight_row * g.inputs, 1, g.inputs}, 0,
           {gates(d, low) + run.column, stride, 1});
    if (g.kind != RnnKind::gru) return;
    T* const apart = gates(d, low) + 2 * g.units;
    for (int64_t n = 0; n < rows; ++n)
      std::memset(apart + n * stride, 0, static_cast<size_t>(g.units) * sizeof(T));
  }

  void multiply_state(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin,
                      int64_t end) const {
    T* const to = gates(d, step) + row * stride + begin;
    if (g.steps == 1) {
      const T* const hx = t.hx.data<T>() + (d * g.batch + row) * g.state;
      const T* const w = t.weights[d][1].data<T>() + begin * g.state;
      return gemm(kGemm<T>, last - row, end - begin, g.state, 1, {hx, g.state, 1}, {w, 1, g.state},
                  1, {to, stride, 1});
    }
    loops.product(to, stride, state(d) + row * g.state, g.state,
                  panels[d].template data<T>() + begin * g.state, last - row, g.state, end - begin,
                  true);
  }

  void bend(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin, int64_t end) const {
    RnnStep<T> s{};
    s.rows = last - row;
    s.units = g.units;
    s.begin = begin;
    s.end = end;
    s.gates = gates(d, step) + row * stride;
    s.gates_stride = stride;
    s.bias = data_or_null<T>(bias[d]);
    s.keep = g.keeps;
    if (g.kind == RnnKind::lstm) {
      s.c = r.cy.data<T>() + (d * g.batch + row) * g.units;
      if (g.keeps) s.kept = s.gates + g.columns();
      s.kept_stride = stride;
    }
    if (g.projected) {
      s.h = raw(d, step) + (g.keeps ? row * stride : row * g.units);
      s.h_stride = raw_stride();
    } else {
      s.h = state(d) + row * g.state;
      s.h_stride = g.state;
      s.out = output + (g.first(step) + row) * output_stride + d * g.state;
      s.out_stride = output_stride;
    }
    loops.step[static_cast<size_t>(g.kind)](s);
  }

  void project(int64_t d, int64_t step, int64_t row, int64_t last, int64_t begin,
               int64_t end) const {
    T* const h = state(d) + row * g.state;
    loops.product(h + begin, g.state, raw(d, step) + row * raw_stride(), raw_stride(),
                  projection[d].template data<T>() + begin * g.units, last - row, g.units,
                  end - begin, false);
    T* const to = output + (g.first(step) + row) * output_stride + d * g.state;
    for (int64_t n = 0; n < last - row; ++n)
      std::memcpy(to + n * output_stride + begin, h + n * g.state + begin,
                  static_cast<size_t>(end - begin) * sizeof(T));
  }

  void step_by_units(int64_t step) const {
    const int64_t rows = g.active(step);
    const auto shared = [&](int64_t n, auto&& f) {
      const int64_t panels_each = (n / loops.panel + 7) / 8;
      parallel_for(n, std::max<int64_t>(1, panels_each) * loops.panel, f);
    };
    shared(g.hidden_columns(),
           [&](int64_t begin, int64_t end) { multiply_state(0, step, 0, rows, begin, end); });
    shared(g.units, [&](int64_t begin, int64_t end) { bend(0, step, 0, rows, begin, end); });
    if (g.projected)
      shared(g.state, [&](int64_t begin, int64_t end) { project(0, step, 0, rows, begin, end); });
  }

  const RnnGeometry& g;
  const RnnTensors& t;
  const RnnResults& r;
  const RnnLoops<T>& loops;
  T* output;
  int64_t output_stride, stride, tasks, task_rows, chunk;
  int64_t room_first[2] = {};
  Tensor room, raw_room, bias[2], panels[2], projection[2];
};

}  // namespace

void rnn_forward(const RnnGeometry& g, const RnnTensors& given, const RnnResults& results) {
  const RnnTensors t = rnn_packed(given);
  const DType dtype = t.input.dtype();
  RnnResults made = results;
  if (results.output.defined()) made.output = place_for(results.output, dtype);
  made.hy = place_for(results.hy, dtype);
  // The states are advanced where they lie. Of a plain cell its place is the gate's.
  if (results.output.defined() || g.kind == RnnKind::gru) copy(made.hy, t.hx);
  if (g.kind == RnnKind::lstm) {
    made.cy = place_for(results.cy, dtype);
    copy(made.cy, t.cx);
  }
  if (g.batch > 0 && g.rows() > 0) {
    if (dtype == DType::float64)
      Forward<double>(g, t, made).run();
    else
      Forward<float>(g, t, made).run();
  }
  if (results.output.defined()) deliver(results.output, made.output);
  deliver(results.hy, made.hy);
  if (g.kind == RnnKind::lstm) deliver(results.cy, made.cy);
}

RnnGeometry rnn_geometry(const RnnTensors& t, IntSpan batch_sizes, int64_t mode, bool keeps) {
  RnnGeometry g = geometry_of(t, mode, keeps);
  g.batch = t.hx.sizes()[1];
  g.steps = batch_sizes.empty() ? t.input.sizes()[0] : static_cast<int64_t>(batch_sizes.size());
  g.offset.push_back(0);
  for (int64_t i = 0; i < g.steps; ++i)
    g.offset.push_back(g.offset.back() +
                       (batch_sizes.empty() ? g.batch : batch_sizes[static_cast<size_t>(i)]));
  return g;
}

RnnGeometry rnn_cell_geometry(const RnnTensors& t, int64_t mode, bool keeps) {
  RnnGeometry g = geometry_of(t, mode, keeps);
  g.batch = t.hx.sizes()[0];
  g.steps = 1;
  g.offset = {0, g.batch};
  return g;
}

void _rnn_layer(const Tensor& output, const Tensor& hy, const Tensor& cy, const Tensor& reserve,
                const Tensor& input, const Tensor& hx, const Tensor& cx, const Tensor& w_ih,
                const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh, const Tensor& w_hr,
                const Tensor& w_ih_reverse, const Tensor& w_hh_reverse, const Tensor& b_ih_reverse,
                const Tensor& b_hh_reverse, const Tensor& w_hr_reverse, IntSpan batch_sizes,
                int64_t mode, bool train) {
  const RnnTensors t{input,
                     hx,
                     cx,
                     {{w_ih, w_hh, b_ih, b_hh, w_hr},
                      {w_ih_reverse, w_hh_reverse, b_ih_reverse, b_hh_reverse, w_hr_reverse}}};
  rnn_forward(rnn_geometry(t, batch_sizes, mode, train), t, {output, hy, cy, reserve});
}

void _rnn_cell(const Tensor& hy, const Tensor& cy, const Tensor& reserve, const Tensor& input,
               const Tensor& hx, const Tensor& cx, const Tensor& w_ih, const Tensor& w_hh,
               const Tensor& b_ih, const Tensor& b_hh, int64_t mode, bool train) {
  const RnnTensors t{input, hx, cx, {{w_ih, w_hh, b_ih, b_hh, Tensor()}, {}}};
  rnn_forward(rnn_cell_geometry(t, mode, train), t, {Tensor(), hy, cy, reserve});
}

}  // namespace flambeau::inline v1::cpu
