// Exponential moving averages along rows, and their gradient: a loop that no chain of tensor
// operations says well. Written as any C++ extension for PyTorch; see cpp_extension.py.
#include <ATen/Parallel.h>
#include <torch/extension.h>

namespace {

constexpr int64_t kRows = 16;  // for one thread at a time

void check(const torch::Tensor& x, double decay) {
  TORCH_CHECK(x.dim() == 2, "ema: expected x of shape (rows, steps), got ", x.sizes());
  TORCH_CHECK_VALUE(0 <= decay && decay < 1, "ema: decay must be from 0 to less than 1: ", decay);
}

}  // namespace

// y[t] = decay * y[t - 1] + (1 - decay) * x[t], beginning from 0
torch::Tensor forward(torch::Tensor x, double decay) {
  check(x, decay);
  auto y = torch::empty(x.sizes(), x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "ema", [&] {
    const auto in = x.accessor<scalar_t, 2>();
    auto out = y.accessor<scalar_t, 2>();
    const auto keep = static_cast<scalar_t>(decay);
    at::parallel_for(0, x.size(0), kRows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        scalar_t state = 0;
        for (int64_t t = 0; t < in.size(1); ++t)
          out[row][t] = state = keep * state + (1 - keep) * in[row][t];
      }
    });
  });
  return y;
}

// What a step adds to its own average reaches all that come after, decayed.
torch::Tensor backward(torch::Tensor grad, double decay) {
  check(grad, decay);
  auto to_x = torch::empty(grad.sizes(), grad.options());
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "ema_backward", [&] {
    const auto in = grad.accessor<scalar_t, 2>();
    auto out = to_x.accessor<scalar_t, 2>();
    const auto keep = static_cast<scalar_t>(decay);
    at::parallel_for(0, grad.size(0), kRows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        scalar_t state = 0;
        for (int64_t t = in.size(1) - 1; t >= 0; --t) {
          state = keep * state + in[row][t];
          out[row][t] = (1 - keep) * state;
        }
      }
    });
  });
  return to_x;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward, "averages", py::arg("x"), py::arg("decay"));
  m.def("backward", &backward, "gradient of the averages", py::arg("grad"), py::arg("decay"));
}
