// Steps of optimisers for all parameters of a group at once. Memory that is gone is found before
// the first element is written.

#include "flambeau/kernels/optim.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/autograd/node.h"
#include "core/parallel/parallel.h"
#include "core/tensor/overlap.h"
#include "flambeau/ops/div.h"
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

std::vector<double> read_steps(TensorSpan steps) {
  std::vector<double> counts;
  for (const Tensor& step : steps) counts.push_back(step.item().to_double());
  return counts;
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

// ---- Adam and AdamW

void adam(TensorSpan params, TensorSpan grads, TensorSpan averages, TensorSpan squares,
          TensorSpan largest, TensorSpan steps, AdamStep step, bool amsgrad,
          const Tensor& grad_scale, const Tensor& found_inf) {
  if (!amsgrad) largest = {};
  check_memory(step.decoupled ? "_fused_adamw_" : "_fused_adam_",
               {params, averages, squares, largest}, grads, grad_scale);
  const std::vector<double> counts = read_steps(steps);
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
  check_memory("_fused_adagrad_", {self, state_sums}, grads, grad_scale);
  const std::vector<double> counts = read_steps(state_steps);
  if (skips(found_inf)) return;
  unscale(grads, grad_scale);
  const Lanes w(self, self), g(grads, self), sums(state_sums, self);
  for (size_t i = 0; i < self.size(); ++i) {
    const AdagradStep step = {lr / (1 + (counts[i] - 1) * lr_decay), weight_decay, eps, maximize};
    by_rows(self[i], [&](auto zero, int64_t at, int64_t size) {
      using T = decltype(zero);
      rows<T>().adagrad(w.data<T>(i, at), g.data<T>(i, at), sums.data<T>(i, at), size, step);
    });
  }
  w.written();
  sums.written();
}

}  // namespace flambeau::inline v1::cpu
