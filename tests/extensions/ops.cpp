// What extensions written for PyTorch use, each once: lists and options, accessors, dispatch over
// dtypes, ops that are registered from C++, errors, memory of one's own.
#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/extension.h>
#include <torch/library.h>

#include <iostream>
#include <vector>

// ---- ops as calls, methods and operators

torch::Tensor gate(torch::Tensor x, torch::Tensor w, const std::optional<torch::Tensor>& bias) {
  auto z = torch::addmm(bias ? *bias : torch::zeros({1}, x.options()), x, w.t());
  auto parts = z.chunk(2, /*dim=*/1);
  auto [largest, where] = parts[1].max(/*dim=*/1, /*keepdim=*/true);
  auto out = 1 - torch::sigmoid(parts[0]) * parts[1].tanh() / 2.0 + (parts[0] > 0).type_as(x);
  out += largest.sum({0, 1}) - largest.sum();
  return torch::cat({out, -parts[1].slice(1, 0, 1)}, -1).contiguous();
}

std::vector<at::Tensor> made(int64_t n, at::ScalarType dtype, at::Device device) {
  const auto options = torch::TensorOptions().dtype(dtype).device(device);
  auto leaf = torch::ones({n, 2}, options.requires_grad(true));
  return {leaf,
          torch::full({2}, 7, torch::kLong),
          torch::tensor({1.5, 2.5}, torch::kDouble),
          torch::arange(6, torch::dtype(torch::kInt)).view({2, 3}).permute({1, 0}),
          torch::empty_like(leaf.detach(), torch::kFloat16),
          torch::tensor({1, 2})};
}

std::string about(const torch::Tensor& x) {
  std::ostringstream text;
  text << x.sizes() << ' ' << x.strides() << ' ' << x.scalar_type() << ' ' << x.device() << ' '
       << x.numel() << ' ' << x.element_size() << ' ' << x.is_contiguous() << x.is_cuda()
       << (x.dtype() == torch::kFloat32) << x.requires_grad() << (x.sizes() == x.sizes().vec());
  return text.str();
}

// ---- elements

template <class T>
void weigh(const at::TensorAccessor<T, 2>& in, const at::TensorAccessor<T, 1>& out) {
  for (int64_t i = 0; i < in.size(0); ++i) {
    out[i] = T(0.0f);
    for (int64_t j = 0; j < in.size(1); ++j) out[i] += in[i][j] * static_cast<T>(float(j));
  }
}
at::Tensor weighed(const at::Tensor& x) {
  auto out = at::empty({x.size(0)}, x.options());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "weighed", [&] {
    weigh<scalar_t>(x.accessor<scalar_t, 2>(), out.accessor<scalar_t, 1>());
  });
  return out;
}

at::Tensor counted(at::Tensor x) {
  auto out = at::zeros({1}, at::kLong);
  AT_DISPATCH_ALL_TYPES(x.scalar_type(), "counted", ([&] {
                          const scalar_t* p = x.data_ptr<scalar_t>();
                          for (int64_t i = 0; i < x.numel(); ++i)
                            out.data_ptr<int64_t>()[0] += p[i] != scalar_t(0);
                        }));
  return out;
}

at::Tensor over_own_memory(int64_t n, py::function freed) {
  auto* values = new float[static_cast<size_t>(n)];
  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(i);
  return at::from_blob(
      values, {n},
      [freed](void* p) {
        delete[] static_cast<float*>(p);
        const py::gil_scoped_acquire lock;
        freed();
      },
      at::kFloat);
}

// ---- autograd

at::Tensor gradient_of_square(const at::Tensor& x) {
  auto leaf = x.detach().clone().set_requires_grad(true);
  {
    torch::NoGradGuard off;
    TORCH_CHECK(!(leaf * 2).requires_grad());
  }
  (leaf * leaf).sum().backward();
  return leaf.grad();
}

// x * y ** power, and how often backward ran
struct Scaled : torch::autograd::Function<Scaled> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, at::Tensor x,
                                                at::Tensor y, int64_t power, at::Tensor calls) {
    auto out = x * y.pow(power);
    ctx->save_for_backward({x, y, out});
    ctx->saved_data["power"] = power;
    ctx->saved_data["calls"] = calls;
    auto places = out.argmax();
    ctx->mark_non_differentiable({places});
    return {out, places};
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto power = ctx->saved_data["power"].toInt();
    ctx->saved_data["calls"].toTensor().add_(1);
    auto to_x = ctx->needs_input_grad(0) ? grads[0] * saved[1].pow(power) : at::Tensor();
    return {to_x, grads[0] * saved[2] * power / saved[1], at::Tensor(), at::Tensor()};
  }
};
struct Same : torch::autograd::Function<Same> {
  static at::Tensor forward(torch::autograd::AutogradContext*, at::Tensor x) { return x; }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list grads) {
    return {grads[0] * 10};
  }
};

// ---- ops with a schema

at::Tensor muladd(const at::Tensor& a, const at::Tensor& b, double c) {
  TORCH_CHECK(a.sizes() == b.sizes(), "muladd: sizes ", a.sizes(), " and ", b.sizes());
  TORCH_CHECK_TYPE(a.dtype() == at::kFloat && b.dtype() == at::kFloat, "muladd takes floats");
  TORCH_INTERNAL_ASSERT(a.device().type() == at::DeviceType::CPU);
  const at::Tensor a_whole = a.contiguous(), b_whole = b.contiguous();
  at::Tensor out = torch::empty(a_whole.sizes(), a_whole.options());
  const float *pa = a_whole.data_ptr<float>(), *pb = b_whole.data_ptr<float>();
  float* po = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) po[i] = pa[i] * pb[i] + static_cast<float>(c);
  return out;
}
void add_into(const at::Tensor& a, at::Tensor& out) { out.add_(a); }
std::tuple<at::Tensor, std::vector<at::Tensor>> many(at::TensorList xs, at::IntArrayRef sizes,
                                                     std::optional<int64_t> n, std::string how,
                                                     const std::optional<at::Tensor>& extra) {
  TORCH_CHECK_VALUE(how == "sum", "many: how is 'sum', got ", how);
  auto total = at::zeros(sizes);
  for (const auto& x : xs) total = total + x.sum() * n.value_or(1);
  return {extra ? total + *extra : total, xs.vec()};
}

TORCH_LIBRARY(flambeau_tests, m) {
  m.def("muladd(Tensor a, Tensor b, float c) -> Tensor");
  m.def("add_into(Tensor a, Tensor(a!) out) -> ()");
  m.def(
      "many(Tensor[] xs, int[] sizes, *, int? n=None, str how='sum', Tensor? extra=None) -> "
      "(Tensor, Tensor[])");
  m.def("scaled",
        [](const at::Tensor& x, int64_t n, bool up) -> at::Tensor { return up ? x * n : x / n; });
}
TORCH_LIBRARY_IMPL(flambeau_tests, CPU, m) {
  m.impl("muladd", &muladd);
  m.impl("add_into", TORCH_FN(add_into));
  m.impl("many", &many);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("gate", &gate, py::arg("x"), py::arg("w"), py::arg("bias") = py::none());
  m.def("made", &made);
  m.def("about", &about);
  m.def("weighed", &weighed);
  m.def("counted", &counted);
  m.def("over_own_memory", &over_own_memory);
  m.def("gradient_of_square", &gradient_of_square);
  m.def("scaled", [](at::Tensor x, at::Tensor y, int64_t power, at::Tensor calls) {
    return Scaled::apply(x, y, power, calls);
  });
  m.def("same", [](at::Tensor x) { return Same::apply(x); });
  m.def("first", [](at::TensorList xs, at::IntArrayRef which) { return xs[which[0]]; });
  m.def("number", [](const at::Scalar& s) { return s; });
  m.def("index", [](const torch::Tensor& x, int64_t i) { return x[i]; });
}
