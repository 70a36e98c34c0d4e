#pragma once

#include <mutex>

#include "core/autograd/node.h"

namespace flambeau::inline v1 {

// The end of the tape: adds what arrives to a leaf's gradient. A leaf has at most one at a time,
// which lives as long as something refers to it.
struct AccumulateGrad final : Node {
  explicit AccumulateGrad(const Tensor& leaf);
  ~AccumulateGrad() override;
  const char* name() const override { return "AccumulateGrad"; }
  void apply(const Tensor* grads, Tensor* out) override;

  const Tensor variable;

 private:
  void accumulate(const Tensor& grad);
  std::mutex mutex_;  // one addition at a time
};

// Gradient layout: a dense tensor's gradient has its strides, another's is contiguous.
bool obeys_layout(const Tensor& grad, const Tensor& variable);

// Adds `grad` to `into`, in place when nobody else can see `into`.
void accumulate_into(Tensor& into, Tensor grad);

// The leaf's AccumulateGrad, made when there is none; null when it does not require grad.
Ref<Node> accumulator_of(const Tensor& leaf);

}  // namespace flambeau::inline v1
