// Steps of optimisers for all parameters of a group at once. All that can fail is looked at before
// the first element is written.

#include "flambeau/kernels/optim.h"

#include <cmath>
#include <optional>
#include <vector>

#include "core/autograd/node.h"
#include "core/parallel/parallel.h"
#include "flambeau/ops/div.h"
#include "kernels/cpu/optim/optim_kernels.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::native {
namespace {

constexpr int64_t kGrain = 16 * 1024;

// ---- what is looked at first

void check_parameter(const char* op, const Tensor& p) {
  check(p.defined() && (p.dtype() == DType::float32 || p.dtype() == DType::float64), op,
        ": parameters must be float32 or float64, got ",
        p.defined() ? dtype_name(p.dtype()) : "None");
  check((p.device().is_cpu() || p.is_meta()) && internal_overlap(p) == Overlap::no, op,
        ": parameters must be CPU tensors whose elements do not share memory");
  check_inplace(p, false, op);
  if (!p.is_meta()) p.bytes();  // raises where the memory is gone
}

void check_companion(const char* op, const Tensor& p, const Tensor& t, const char* name) {
  check(t.defined(), op, ": ", name, " of a parameter of shape ", show(p.sizes()), " is None");
  check(same(p.sizes(), t.sizes()) && t.device() == p.device(), op, ": ", name, " of shape ",
        show(t.sizes()), " on ", t.device().str(), " does not fit a parameter of shape ",
        show(p.sizes()), " on ", p.device().str(), ": shape and device must be the same");
  check(is_floating(t.dtype()), op, ": ", name, " must be floating point, got ",
        dtype_name(t.dtype()));
  check_inplace(t, false, op);
  if (!t.is_meta()) t.bytes();
}

struct Companion {
  const char* name;
  TensorSpan list;
};

void check_lists(const char* op, TensorSpan params, std::initializer_list<Companion> companions) {
  for (const Companion& c : companions)
    check(c.list.size() == params.size(), op, ": got ", params.size(), " parameters, but ",
          c.list.size(), " ", c.name, ": the lists must have the same length");
  for (size_t i = 0; i < params.size(); ++i) {
    check_parameter(op, params[i]);
    for (const Companion& c : companions) check_companion(op, params[i], c.list[i], c.name);
  }
}

std::vector<double> read_steps(const char* op, TensorSpan params, TensorSpan steps) {
  check(steps.size() == params.size(), op, ": got ", params.size(), " parameters, but ",
        steps.size(), " state_steps: the lists must have the same length");
  std::vector<double> counts;
  for (const Tensor& step : steps) {
    check(step.defined() && step.numel() == 1, op, ": each of state_steps must have one element");
    counts.push_back(step.is_meta() ? 1 : step.item().to_double());
  }
  return counts;
}

// Whether gradients of which some are infinite are to be left alone.
bool skips(const Tensor& found_inf) {
  return found_inf.defined() && !found_inf.is_meta() && found_inf.item().to_double() == 1;
}
void unscale(TensorSpan grads, const Tensor& grad_scale) {
  if (!grad_scale.defined()) return;
  for (const Tensor& grad : grads) entry::div__Tensor(grad, grad_scale);
}

double rate_of(const char* op, const Tensor& lr) {
  check(lr.numel() == 1, op, ": lr must be a tensor of one element, got shape ", show(lr.sizes()));
  return lr.item().to_double();
}

// ---- memory

// The elements of a tensor in the order of its parameter's: where they lie so, they themselves;
// else a packed copy that is written back.
class Lane {
 public:
  Lane(const Tensor& t, const Tensor& like) : own_(&t) {
    if (t.is_meta()) return;
    const bool fits =
        t.dtype() == like.dtype() && ((t.is_contiguous() && like.is_contiguous()) ||
                                      (t.impl()->dense() && same(t.strides(), like.strides())));
    if (!fits) {
      packed_ = empty_strided(like.sizes(), strides_like(like), like.options());
      cpu::copy(packed_, t);
    }
    data_ = t.numel() ? (fits ? t : packed_).bytes() : nullptr;
  }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(data_);
  }
  void written() const {
    if (packed_.defined()) cpu::copy(*own_, packed_);
    bump_version(*own_);
  }

 private:
  const Tensor* own_;
  Tensor packed_;
  char* data_ = nullptr;
};

class Lanes {
 public:
  Lanes(TensorSpan list, TensorSpan params) {
    lanes_.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) lanes_.emplace_back(list[i], params[i]);
  }
  template <class T>
  T* data(size_t i, int64_t at) const {
    return lanes_.empty() ? nullptr : lanes_[i].data<T>() + at;
  }
  void written() const {
    for (const Lane& lane : lanes_) lane.written();
  }

 private:
  std::vector<Lane> lanes_;
};

template <class T>
const cpu::OptimizerRows<T>& rows() {
  if constexpr (std::is_same_v<T, float>)
    return cpu::optimizer_kernels().f32;
  else
    return cpu::optimizer_kernels().f64;
}

// run(zero of the dtype, first element, how many) over pieces of the parameter.
template <class Run>
void by_rows(const Tensor& p, Run&& run) {
  if (p.is_meta()) return;
  const int64_t n = p.numel();
  if (p.dtype() == DType::float32)
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(float{}, begin, end - begin); });
  else
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(double{}, begin, end - begin); });
}

// ---- Adam and AdamW

void adam(const char* op, TensorSpan params, TensorSpan grads, TensorSpan averages,
          TensorSpan squares, TensorSpan largest, TensorSpan steps, cpu::AdamStep step,
          bool amsgrad, const Tensor& grad_scale, const Tensor& found_inf) {
  if (!amsgrad) largest = {};
  check_lists(op, params, {{"grads", grads}, {"exp_avgs", averages}, {"exp_avg_sqs", squares}});
  if (amsgrad) check_lists(op, params, {{"max_exp_avg_sqs", largest}});
  const std::vector<double> counts = read_steps(op, params, steps);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  const Lanes w(params, params), g(grads, params), m(averages, params), v(squares, params),
      top(largest, params);
  for (size_t i = 0; i < params.size(); ++i) {
    step.correction1 = 1 - std::pow(step.beta1, counts[i]);
    step.correction2_sqrt = std::sqrt(1 - std::pow(step.beta2, counts[i]));
    by_rows(params[i], [&](auto zero, int64_t at, int64_t size) {
      using T = decltype(zero);
      rows<T>().adam(w.data<T>(i, at), g.data<T>(i, at), m.data<T>(i, at), v.data<T>(i, at),
                     top.data<T>(i, at), size, step);
    });
  }
  for (const Lanes* lanes : {&w, &m, &v, &top}) lanes->written();
}

cpu::AdamStep adam_step(double lr, double beta1, double beta2, double weight_decay, double eps,
                        bool maximize, bool decoupled) {
  return {lr, beta1, beta2, weight_decay, eps, 0, 0, maximize, decoupled};
}

}  // namespace

void fused_adam(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                TensorSpan max_exp_avg_sqs, TensorSpan state_steps, double lr, double beta1,
                double beta2, double weight_decay, double eps, bool amsgrad, bool maximize,
                const Tensor& grad_scale, const Tensor& found_inf) {
  adam("_fused_adam_", self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
       adam_step(lr, beta1, beta2, weight_decay, eps, maximize, false), amsgrad, grad_scale,
       found_inf);
}

void fused_adamw(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                 TensorSpan max_exp_avg_sqs, TensorSpan state_steps, double lr, double beta1,
                 double beta2, double weight_decay, double eps, bool amsgrad, bool maximize,
                 const Tensor& grad_scale, const Tensor& found_inf) {
  adam("_fused_adamw_", self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
       adam_step(lr, beta1, beta2, weight_decay, eps, maximize, true), amsgrad, grad_scale,
       found_inf);
}

// ---- SGD

void fused_sgd(TensorSpan self, TensorSpan grads, TensorSpan momentum_buffer_list,
               double weight_decay, double momentum, double lr, double dampening, bool nesterov,
               bool maximize, bool is_first_step, const Tensor& grad_scale,
               const Tensor& found_inf) {
  constexpr const char* op = "_fused_sgd_";
  check_lists(op, self, {{"grads", grads}});
  if (!momentum_buffer_list.empty())
    check_lists(op, self, {{"momentum_buffer_list", momentum_buffer_list}});
  else
    check(momentum == 0, op, ": a momentum of ", momentum, " needs momentum_buffer_list");
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  const cpu::SgdStep step = {lr,       momentum, dampening,    weight_decay,
                             nesterov, maximize, is_first_step};
  const Lanes w(self, self), g(grads, self), buffers(momentum_buffer_list, self);
  for (size_t i = 0; i < self.size(); ++i)
    by_rows(self[i], [&](auto zero, int64_t at, int64_t size) {
      using T = decltype(zero);
      rows<T>().sgd(w.data<T>(i, at), g.data<T>(i, at), buffers.data<T>(i, at), size, step);
    });
  w.written();
  buffers.written();
}

// ---- Adagrad

void fused_adagrad(TensorSpan self, TensorSpan grads, TensorSpan state_sums, TensorSpan state_steps,
                   double lr, double lr_decay, double weight_decay, double eps, bool maximize,
                   const Tensor& grad_scale, const Tensor& found_inf) {
  constexpr const char* op = "_fused_adagrad_";
  check_lists(op, self, {{"grads", grads}, {"state_sums", state_sums}});
  const std::vector<double> counts = read_steps(op, self, state_steps);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  const Lanes w(self, self), g(grads, self), sums(state_sums, self);
  for (size_t i = 0; i < self.size(); ++i) {
    const cpu::AdagradStep step = {lr / (1 + (counts[i] - 1) * lr_decay), weight_decay, eps,
                                   maximize};
    by_rows(self[i], [&](auto zero, int64_t at, int64_t size) {
      using T = decltype(zero);
      rows<T>().adagrad(w.data<T>(i, at), g.data<T>(i, at), sums.data<T>(i, at), size, step);
    });
  }
  w.written();
  sums.written();
}

// ---- the step size as a tensor

void fused_adam_tensor_lr(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs,
                          TensorSpan exp_avg_sqs, TensorSpan max_exp_avg_sqs,
                          TensorSpan state_steps, const Tensor& lr, double beta1, double beta2,
                          double weight_decay, double eps, bool amsgrad, bool maximize,
                          const Tensor& grad_scale, const Tensor& found_inf) {
  fused_adam(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
             rate_of("_fused_adam_", lr), beta1, beta2, weight_decay, eps, amsgrad, maximize,
             grad_scale, found_inf);
}

void fused_adamw_tensor_lr(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs,
                           TensorSpan exp_avg_sqs, TensorSpan max_exp_avg_sqs,
                           TensorSpan state_steps, const Tensor& lr, double beta1, double beta2,
                           double weight_decay, double eps, bool amsgrad, bool maximize,
                           const Tensor& grad_scale, const Tensor& found_inf) {
  fused_adamw(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
              rate_of("_fused_adamw_", lr), beta1, beta2, weight_decay, eps, amsgrad, maximize,
              grad_scale, found_inf);
}

void fused_sgd_tensor_lr(TensorSpan self, TensorSpan grads, TensorSpan momentum_buffer_list,
                         double weight_decay, double momentum, const Tensor& lr, double dampening,
                         bool nesterov, bool maximize, bool is_first_step, const Tensor& grad_scale,
                         const Tensor& found_inf) {
  fused_sgd(self, grads, momentum_buffer_list, weight_decay, momentum, rate_of("_fused_sgd_", lr),
            dampening, nesterov, maximize, is_first_step, grad_scale, found_inf);
}

void fused_adagrad_tensor_lr(TensorSpan self, TensorSpan grads, TensorSpan state_sums,
                             TensorSpan state_steps, const Tensor& lr, double lr_decay,
                             double weight_decay, double eps, bool maximize,
                             const Tensor& grad_scale, const Tensor& found_inf) {
  fused_adagrad(self, grads, state_sums, state_steps, rate_of("_fused_adagrad_", lr), lr_decay,
                weight_decay, eps, maximize, grad_scale, found_inf);
}

}  // namespace flambeau::inline v1::native
