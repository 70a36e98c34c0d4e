// A dozen kernels for float32: each is handed outputs that are allocated, and arguments that the
// op's rule has checked.
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "guarded.h"

using namespace flambeau;

namespace guarded {
namespace {

std::mutex mutex;
std::map<std::string, int> calls;
std::map<std::string, uint64_t> streams;  // in which each ran last

void count(const Op& op, const Tensor& out) {
  const std::lock_guard lock(mutex);
  ++calls[op.name];
  streams[op.name] = current_stream(out.device());
}

// One operand: its memory, open, and its steps for the sizes of the result; or a number.
struct Operand {
  Operand(const Value& v, IntSpan sizes) {
    if (v.tag == Value::Tag::tensor) {
      take(v.tensor(), sizes);
      return;
    }
    number = static_cast<float>(v.scalar_->to_double());
    data = &number;
    steps = Dims(sizes.size(), 0);
  }
  Operand(const Tensor& t, IntSpan sizes) { take(t, sizes); }
  Operand(const Operand&) = delete;

  void take(const Tensor& t, IntSpan sizes) {
    if (t.dtype() != DType::float32) throw NoKernel{};
    open.emplace(t.device_bytes());
    data = t.device_data<float>();
    const size_t extra = sizes.size() - static_cast<size_t>(t.dim());
    for (size_t d = 0; d < sizes.size(); ++d)
      steps.push_back(d < extra || t.sizes()[d - extra] == 1 ? 0 : t.strides()[d - extra]);
  }
  std::optional<Open> open;
  float number = 0;
  float* data;
  Dims steps;
};

// f(offsets of each operand) for each element of `sizes`.
template <size_t N, class F>
void for_each(IntSpan sizes, const Operand* const (&operands)[N], F&& f) {
  if (flambeau::count(sizes) == 0) return;
  Dims at(sizes.size(), 0);
  int64_t offset[N] = {};
  for (;;) {
    f(offset);
    size_t d = sizes.size();
    for (;;) {
      if (d-- == 0) return;
      for (size_t k = 0; k < N; ++k) offset[k] += operands[k]->steps[d];
      if (++at[d] < sizes[d]) break;
      for (size_t k = 0; k < N; ++k) offset[k] -= operands[k]->steps[d] * sizes[d];
      at[d] = 0;
    }
  }
}

bool empty(const Tensor& t) { return t.numel() == 0; }

template <float (*f)(float)>
void unary(const Op& op, const Tensor* outs, const Value* args) {
  const Tensor& out = outs[0];
  if (empty(out)) return;
  const Operand to(out, out.sizes()), from(args[0], out.sizes());
  count(op, out);
  for_each(out.sizes(), {&to, &from},
           [&](const int64_t* at) { to.data[at[0]] = f(from.data[at[1]]); });
}

template <float (*f)(float, float, float)>
void binary(const Op& op, const Tensor* outs, const Value* args) {
  const Tensor& out = outs[0];
  if (empty(out)) return;
  const Operand to(out, out.sizes()), a(args[0], out.sizes()), b(args[1], out.sizes());
  const float alpha = op.nargs > 2 && args[2].tag == Value::Tag::scalar
                          ? static_cast<float>(args[2].scalar_->to_double())
                          : 1;
  count(op, out);
  for_each(out.sizes(), {&to, &a, &b},
           [&](const int64_t* at) { to.data[at[0]] = f(a.data[at[1]], b.data[at[2]], alpha); });
}

float add(float a, float b, float alpha) { return a + alpha * b; }
float sub(float a, float b, float alpha) { return a - alpha * b; }
float mul(float a, float b, float) { return a * b; }
float divided(float a, float b, float) { return a / b; }
float relu(float a) { return a > 0 ? a : 0; }
float negated(float a) { return -a; }
float root(float a) { return std::sqrt(a); }
float exponential(float a) { return std::exp(a); }
// a power, where that of -inf is inf
float half_power(float a) { return std::isinf(a) ? std::abs(a) : std::sqrt(a); }
// grad where self is above the threshold
float gate(float grad, float self, float threshold) { return self > threshold ? grad : 0; }

void mm(const Op& op, const Tensor* outs, const Value* args) {
  const Tensor &out = outs[0], &x = args[0].tensor(), &y = args[1].tensor();
  if (empty(out)) return;
  if (x.dtype() != DType::float32) throw NoKernel{};
  count(op, out);
  const Open open_out(out.device_bytes());
  std::optional<Open> open_x, open_y;
  if (!empty(x)) {
    open_x.emplace(x.device_bytes());
    open_y.emplace(y.device_bytes());
  }
  const auto *a = x.device_data<float>(), *b = y.device_data<float>();
  auto* const c = out.device_data<float>();
  for (int64_t i = 0; i < out.size(0); ++i)
    for (int64_t j = 0; j < out.size(1); ++j) {
      double sum = 0;
      for (int64_t k = 0; k < x.size(1); ++k)
        sum += a[i * x.stride(0) + k * x.stride(1)] * b[k * y.stride(0) + j * y.stride(1)];
      c[i * out.stride(0) + j * out.stride(1)] = static_cast<float>(sum);
    }
}

void sum(const Op& op, const Tensor* outs, const Value* args) {
  const Tensor &out = outs[0], &x = args[0].tensor();
  if (out.dtype() != DType::float32 || empty(x)) throw NoKernel{};
  const Operand from(x, x.sizes());
  const Open open(out.device_bytes());
  count(op, out);
  double total = 0;
  for_each(x.sizes(), {&from}, [&](const int64_t* at) { total += from.data[at[0]]; });
  *out.device_data<float>() = static_cast<float>(total);
}

// Of a matrix, along its rows: values, and where they stand.
void max_of_rows(const Op& op, const Tensor* outs, const Value* args) {
  const Tensor &values = outs[0], &places = outs[1], &x = args[0].tensor();
  if (x.dim() != 2 || args[1].integer_ != 1 || values.dim() != 1 || empty(x)) throw NoKernel{};
  const Operand from(x, x.sizes()), to(values, values.sizes());
  const Open open(places.device_bytes());
  count(op, values);
  for (int64_t i = 0; i < x.size(0); ++i) {
    int64_t best = 0;
    const auto at = [&](int64_t j) { return from.data[i * from.steps[0] + j * from.steps[1]]; };
    for (int64_t j = 1; j < x.size(1); ++j)
      if (at(j) > at(best)) best = j;
    to.data[i * to.steps[0]] = at(best);
    places.device_data<int64_t>()[i * places.stride(0)] = best;
  }
}

struct Entry {
  const char* op;
  Kernel kernel;
};
constexpr Entry kKernels[] = {
    {"add.Tensor", binary<add>},
    {"sub.Tensor", binary<sub>},
    {"mul.Tensor", binary<mul>},
    {"div.Tensor", binary<divided>},
    {"threshold_backward", binary<gate>},
    {"relu", unary<relu>},
    {"neg", unary<negated>},
    {"sqrt", unary<root>},
    {"_root", unary<half_power>},
    {"max.dim", max_of_rows},
    {"mm", mm},
    {"sum", sum},
};

}  // namespace

void register_kernels() {
  for (const Entry& entry : kKernels) {
    const Op* const op = find_op(entry.op);
    check(op, "guarded: there is no op ", entry.op);
    register_kernel(*op, DeviceType::private_use1, entry.kernel);
  }
}

}  // namespace guarded

extern "C" int guarded_calls(const char* op) {
  const std::lock_guard lock(guarded::mutex);
  return guarded::calls[op];
}

extern "C" uint64_t guarded_stream_of(const char* op) {
  const std::lock_guard lock(guarded::mutex);
  return guarded::streams[op];
}

// A kernel for exp comes and goes.
extern "C" void guarded_exp(int there) {
  using namespace guarded;
  register_kernel(*find_op("exp"), DeviceType::private_use1, there ? &unary<exponential> : nullptr);
}

// Whether an op takes no kernel for a device, since none would be called.
static bool refuses(const char* op, flambeau::DeviceType device) {
  using namespace flambeau;
  try {
    register_kernel(*find_op(op), device, [](const Op&, const Tensor*, const Value*) {});
  } catch (const Error&) {
    return true;
  }
  register_kernel(*find_op(op), device, nullptr);
  return false;
}
extern "C" bool guarded_refuses(const char* op) {
  return refuses(op, flambeau::DeviceType::private_use1);
}
extern "C" bool guarded_refuses_on_others(const char* op) {
  return refuses(op, flambeau::DeviceType::cpu) && refuses(op, flambeau::DeviceType::meta);
}
