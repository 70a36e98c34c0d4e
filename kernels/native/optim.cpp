// Steps of optimisers for all parameters of a group at once. Memory that is gone is found before
// the first element is written.

#include "flambeau/kernels/optim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "core/autograd/node.h"
#include "core/parallel/parallel.h"
#include "core/tensor/overlap.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/fill.h"
#include "flambeau/ops/mul.h"
#include "kernels/cpu/optim/optim_kernels.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;

// ---- what is read first

struct Place {
  const Storage* storage;
  size_t begin, end;  // bytes
  const Tensor* tensor;
  int64_t param;  // of which it is a part, as it is updated
  enum class Use : uint8_t { written, param, grad } use;
};

// What is read may be what is written, element by element: a parameter that is its own gradient.
bool may_meet(const Place& p, const Place& q, MemOverlap overlap) {
  using Use = Place::Use;
  if (p.use != Use::grad && q.use != Use::grad)
    return overlap != MemOverlap::full && overlap != MemOverlap::partial;
  if (p.use == Use::grad && q.use == Use::grad) return true;
  if (overlap != MemOverlap::full) return overlap != MemOverlap::partial;
  return p.param == q.param && (p.use == Use::param || q.use == Use::param);
}

// Those that may meet stand side by side, so that many parts of one memory cost little.
void check_separate(const char* op, std::vector<Place>& places) {
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.storage != b.storage ? a.storage < b.storage : a.begin < b.begin;
  });
  for (auto p = places.begin(); p != places.end(); ++p)
    for (auto q = p + 1; q != places.end() && q->storage == p->storage && q->begin < p->end; ++q) {
      if (p->use == Place::Use::grad && q->use == Place::Use::grad) continue;
      if (may_meet(*p, *q, memory_overlap(*p->tensor, *q->tensor))) continue;
      if (p->use == Place::Use::grad || q->use == Place::Use::grad) raise_shared(op);
      raise(op, ": tensors of shapes ", show(p->tensor->sizes()), " and ", show(q->tensor->sizes()),
            " share memory, and both are written: give each parameter once, and each state memory "
            "of its own");
    }
}

// Raises before anything is written: where memory is gone, and where it would be written twice.
// With a scale the gradients are written too.
void check_memory(const char* op, std::initializer_list<TensorSpan> written, TensorSpan grads,
                  const Tensor& grad_scale) {
  std::vector<Place> places;
  places.reserve((written.size() + 1) * grads.size());
  const auto see = [&](TensorSpan list, Place::Use use) {
    for (size_t i = 0; i < list.size(); ++i) {
      const Tensor& t = list[i];
      t.bytes();
      const size_t begin = static_cast<size_t>(t.offset()) * t.itemsize();
      places.push_back({t.impl()->storage().get(), begin,
                        begin + span_bytes(t.sizes(), t.strides(), t.itemsize()), &t,
                        static_cast<int64_t>(i), use});
    }
  };
  for (const TensorSpan list : written)
    see(list, list.data() == written.begin()->data() ? Place::Use::param : Place::Use::written);
  see(grads, grad_scale.defined() ? Place::Use::written : Place::Use::grad);
  check_separate(op, places);
}

std::vector<double> read_numbers(TensorSpan tensors) {
  std::vector<double> numbers;
  for (const Tensor& t : tensors) numbers.push_back(t.item().to_double());
  return numbers;
}

// Whether gradients of which some are infinite are to be left alone.
bool skips(const Tensor& found_inf) {
  return found_inf.defined() && found_inf.item().to_double() == 1;
}
void unscale(TensorSpan grads, const Tensor& grad_scale) {
  if (!grad_scale.defined()) return;
  for (const Tensor& grad : grads) entry::div__Tensor(grad, grad_scale);
}

// ---- memory

// The elements of a tensor in the order of its parameter's: where they lie so, they themselves;
// else a packed copy that is written back.
class Lane {
 public:
  Lane(const Tensor& t, const Tensor& like) : own_(&t) {
    const bool fits =
        t.dtype() == like.dtype() && ((t.is_contiguous() && like.is_contiguous()) ||
                                      (t.impl()->dense() && same(t.strides(), like.strides())));
    if (!fits) {
      packed_ = empty_strided(like.sizes(), strides_like(like), like.options());
      copy(packed_, t);
    }
    data_ = t.numel() ? (fits ? t : packed_).bytes() : nullptr;
  }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(data_);
  }
  void written() const {
    if (packed_.defined()) copy(*own_, packed_);
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
const OptimizerRows<T>& rows() {
  if constexpr (std::is_same_v<T, float>)
    return optimizer_kernels().f32;
  else
    return optimizer_kernels().f64;
}

// run(zero of the dtype, first element, how many) over pieces of the parameter.
template <class Run>
void by_rows(const Tensor& p, Run&& run) {
  const int64_t n = p.numel();
  if (p.dtype() == DType::float32)
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(float{}, begin, end - begin); });
  else
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(double{}, begin, end - begin); });
}

// Steps all parameters: of(i) is the step of the i-th one, and loop(rows) what takes it. The lists
// of states are in the loop's order; one of them may be empty.
template <class Of, class LoopOf>
void step_all(TensorSpan params, TensorSpan grads, std::initializer_list<TensorSpan> states,
              Of&& of, LoopOf&& loop) {
  const Lanes w(params, params), g(grads, params);
  std::vector<Lanes> kept;
  kept.reserve(states.size());
  for (const TensorSpan list : states) kept.emplace_back(list, params);
  for (size_t i = 0; i < params.size(); ++i) {
    const auto step = of(i);
    by_rows(params[i], [&](auto zero, int64_t at, int64_t size) {
      using T = decltype(zero);
      std::array<T*, 3> state{};
      for (size_t k = 0; k < kept.size(); ++k) state[k] = kept[k].data<T>(i, at);
      loop(rows<T>())(w.data<T>(i, at), g.data<T>(i, at), state.data(), size, step);
    });
  }
  w.written();
  for (const Lanes& lanes : kept) lanes.written();
}

void write(const Tensor& t, double value) { entry::fill__Scalar(t, Scalar(value)); }

// ---- Adam and AdamW

void adam(TensorSpan params, TensorSpan grads, TensorSpan averages, TensorSpan squares,
          TensorSpan largest, TensorSpan steps, AdamStep step, bool amsgrad,
          const Tensor& grad_scale, const Tensor& found_inf) {
  if (!amsgrad) largest = {};
  check_memory(step.decoupled ? "_fused_adamw_" : "_fused_adam_",
               {params, averages, squares, largest}, grads, grad_scale);
  const std::vector<double> counts = read_numbers(steps);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  step_all(
      params, grads, {averages, squares, largest},
      [&](size_t i) {
        step.correction1 = 1 - std::pow(step.beta1, counts[i]);
        step.correction2_sqrt = std::sqrt(1 - std::pow(step.beta2, counts[i]));
        return step;
      },
      [](const auto& rows) { return rows.adam; });
}

AdamStep adam_step(double lr, double beta1, double beta2, double weight_decay, double eps,
                   bool maximize, bool decoupled) {
  return {lr, beta1, beta2, weight_decay, eps, 0, 0, maximize, decoupled};
}

}  // namespace

void fused_adam(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                TensorSpan max_exp_avg_sqs, TensorSpan state_steps, double lr, double beta1,
                double beta2, double weight_decay, double eps, bool amsgrad, bool maximize,
                const Tensor& grad_scale, const Tensor& found_inf) {
  adam(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
       adam_step(lr, beta1, beta2, weight_decay, eps, maximize, false), amsgrad, grad_scale,
       found_inf);
}

void fused_adamw(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                 TensorSpan max_exp_avg_sqs, TensorSpan state_steps, double lr, double beta1,
                 double beta2, double weight_decay, double eps, bool amsgrad, bool maximize,
                 const Tensor& grad_scale, const Tensor& found_inf) {
  adam(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
       adam_step(lr, beta1, beta2, weight_decay, eps, maximize, true), amsgrad, grad_scale,
       found_inf);
}

// ---- SGD

void fused_sgd(TensorSpan self, TensorSpan grads, TensorSpan momentum_buffer_list,
               double weight_decay, double momentum, double lr, double dampening, bool nesterov,
               bool maximize, bool is_first_step, const Tensor& grad_scale,
               const Tensor& found_inf) {
  check_memory("_fused_sgd_", {self, momentum_buffer_list}, grads, grad_scale);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  const SgdStep step = {lr, momentum, dampening, weight_decay, nesterov, maximize, is_first_step};
  step_all(
      self, grads, {momentum_buffer_list}, [&](size_t) { return step; },
      [](const auto& rows) { return rows.sgd; });
}

// ---- Adagrad and Adadelta

void fused_adagrad(TensorSpan self, TensorSpan grads, TensorSpan state_sums, TensorSpan state_steps,
                   double lr, double lr_decay, double weight_decay, double eps, bool maximize,
                   const Tensor& grad_scale, const Tensor& found_inf) {
  check_memory("_fused_adagrad_", {self, state_sums}, grads, grad_scale);
  const std::vector<double> counts = read_numbers(state_steps);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  step_all(
      self, grads, {state_sums},
      [&](size_t i) {
        return AdagradStep{lr / (1 + (counts[i] - 1) * lr_decay), weight_decay, eps, maximize};
      },
      [](const auto& rows) { return rows.adagrad; });
}

void fused_adadelta(TensorSpan self, TensorSpan grads, TensorSpan square_avgs,
                    TensorSpan acc_deltas, double lr, double rho, double weight_decay, double eps,
                    bool maximize) {
  check_memory("_fused_adadelta_", {self, square_avgs, acc_deltas}, grads, Tensor());
  const AdadeltaStep step = {lr, rho, weight_decay, eps, maximize};
  step_all(
      self, grads, {square_avgs, acc_deltas}, [&](size_t) { return step; },
      [](const auto& rows) { return rows.adadelta; });
}

// ---- Adamax

void fused_adamax(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_infs,
                  TensorSpan state_steps, double lr, double beta1, double beta2,
                  double weight_decay, double eps, bool maximize) {
  check_memory("_fused_adamax_", {self, exp_avgs, exp_infs}, grads, Tensor());
  const std::vector<double> counts = read_numbers(state_steps);
  step_all(
      self, grads, {exp_avgs, exp_infs},
      [&](size_t i) {
        const double size = lr / (1 - std::pow(beta1, counts[i]));
        return AdamaxStep{size, beta1, beta2, weight_decay, eps, maximize};
      },
      [](const auto& rows) { return rows.adamax; });
}

// ---- ASGD

void fused_asgd(TensorSpan self, TensorSpan grads, TensorSpan axs, TensorSpan mus, TensorSpan etas,
                TensorSpan state_steps, double lambd, double lr, double t0, double alpha,
                double weight_decay, bool maximize) {
  check_memory("_fused_asgd_", {self, axs, mus, etas}, grads, Tensor());
  const std::vector<double> counts = read_numbers(state_steps);
  const std::vector<double> mu = read_numbers(mus), eta = read_numbers(etas);
  step_all(
      self, grads, {axs},
      [&](size_t i) { return AsgdStep{1 - lambd * eta[i], eta[i], mu[i], weight_decay, maximize}; },
      [](const auto& rows) { return rows.asgd; });
  for (size_t i = 0; i < self.size(); ++i) {
    write(etas[i], lr / std::pow(1 + lambd * lr * counts[i], alpha));
    write(mus[i], 1 / std::max(1.0, counts[i] - t0));
  }
}

// ---- NAdam and RAdam

void fused_nadam(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                 TensorSpan mu_products, TensorSpan state_steps, double lr, double beta1,
                 double beta2, double weight_decay, double momentum_decay, double eps,
                 bool decoupled_weight_decay, bool maximize) {
  check_memory("_fused_nadam_", {self, exp_avgs, exp_avg_sqs, mu_products}, grads, Tensor());
  const std::vector<double> counts = read_numbers(state_steps);
  const auto momentum = [&](double count) {
    return beta1 * (1 - 0.5 * std::pow(0.96, count * momentum_decay));
  };
  for (size_t i = 0; i < self.size(); ++i)
    entry::mul__Scalar(mu_products[i], Scalar(momentum(counts[i])));
  const std::vector<double> products = read_numbers(mu_products);
  step_all(
      self, grads, {exp_avgs, exp_avg_sqs},
      [&](size_t i) {
        const double now = momentum(counts[i]), next = momentum(counts[i] + 1);
        return NadamStep{lr,
                         beta1,
                         beta2,
                         weight_decay,
                         eps,
                         1 - std::pow(beta2, counts[i]),
                         lr * (1 - now) / (1 - products[i]),
                         lr * next / (1 - products[i] * next),
                         maximize,
                         decoupled_weight_decay};
      },
      [](const auto& rows) { return rows.nadam; });
}

void fused_radam(TensorSpan self, TensorSpan grads, TensorSpan exp_avgs, TensorSpan exp_avg_sqs,
                 TensorSpan state_steps, double lr, double beta1, double beta2, double weight_decay,
                 double eps, bool decoupled_weight_decay, bool maximize) {
  check_memory("_fused_radam_", {self, exp_avgs, exp_avg_sqs}, grads, Tensor());
  const std::vector<double> counts = read_numbers(state_steps);
  const double most = 2 / (1 - beta2) - 1;  // degrees of freedom of the mean square, in the end
  step_all(
      self, grads, {exp_avgs, exp_avg_sqs},
      [&](size_t i) {
        const double t = counts[i], correction2 = 1 - std::pow(beta2, t);
        const double rho = most - 2 * t * std::pow(beta2, t) / correction2;
        double rectified = 0;
        if (rho > 5)
          rectified = std::sqrt(correction2) *
                      std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho));
        return RadamStep{lr,           beta1,    beta2,
                         weight_decay, eps,      1 - std::pow(beta1, t),
                         rectified,    maximize, decoupled_weight_decay};
      },
      [](const auto& rows) { return rows.radam; });
}

// ---- RMSprop and Rprop

void fused_rmsprop(TensorSpan self, TensorSpan grads, TensorSpan square_avgs, TensorSpan grad_avgs,
                   TensorSpan momentum_buffer_list, double lr, double alpha, double eps,
                   double weight_decay, double momentum, bool centered, bool maximize) {
  if (!centered) grad_avgs = {};
  if (!(momentum > 0)) momentum_buffer_list = {};
  check_memory("_fused_rmsprop_", {self, square_avgs, grad_avgs, momentum_buffer_list}, grads,
               Tensor());
  const RmspropStep step = {lr, alpha, eps, weight_decay, momentum, maximize};
  step_all(
      self, grads, {square_avgs, grad_avgs, momentum_buffer_list}, [&](size_t) { return step; },
      [](const auto& rows) { return rows.rmsprop; });
}

void fused_rprop(TensorSpan self, TensorSpan grads, TensorSpan prevs, TensorSpan step_sizes,
                 double step_size_min, double step_size_max, double etaminus, double etaplus,
                 bool maximize) {
  check_memory("_fused_rprop_", {self, prevs, step_sizes}, grads, Tensor());
  const RpropStep step = {step_size_min, step_size_max, etaminus, etaplus, maximize};
  step_all(
      self, grads, {prevs, step_sizes}, [&](size_t) { return step; },
      [](const auto& rows) { return rows.rprop; });
}

}  // namespace flambeau::inline v1::cpu
