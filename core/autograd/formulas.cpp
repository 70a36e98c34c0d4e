#include "core/autograd/formulas.h"

#include "flambeau/ops/clone.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/zeros_like.h"

namespace flambeau::inline v1 {

namespace {

constexpr KeySet kLazy = kConjugate | kNegative;

// The loop runs below the layers that resolve lazy bits.
[[gnu::noinline]] Tensor gradient_of_lazy(const PointwiseKernel& kernel, DType compute,
                                          std::initializer_list<const Tensor*> operands,
                                          std::initializer_list<Scalar> params) {
  TensorVec plain;
  std::vector<const Tensor*> pointers;
  plain.reserve(operands.size());
  for (const Tensor* t : operands) {
    plain.push_back(t->keys() & kLazy ? entry::clone(*t, std::nullopt) : *t);
    pointers.push_back(&plain.back());
  }
  return pointwise_grad(kernel, compute, compute, pointers, {params.begin(), params.size()});
}

}  // namespace

Tensor gradient_of(const PointwiseKernel& kernel, DType input,
                   std::initializer_list<const Tensor*> operands,
                   std::initializer_list<Scalar> params) {
  // The gradient that arrives has the dtype in which the forward computed; where the result was
  // real and an operand is complex, the formula is complex.
  DType compute = input;
  bool first = true, complex = false;
  KeySet keys = 0;
  for (const Tensor* t : operands) {
    keys |= t->keys();
    complex = complex || t->is_complex();
    if (t->dtype() == DType::boolean || t->impl()->wrapped_number) continue;
    compute = first ? t->dtype() : promote(compute, t->dtype());
    first = false;
  }
  if (complex) compute = to_complex(compute);
  if (!is_differentiable(compute)) compute = input;
  if (keys & kLazy) [[unlikely]]
    return gradient_of_lazy(kernel, compute, operands, params);
  return pointwise_grad(kernel, compute, compute, {operands.begin(), operands.size()},
                        {params.begin(), params.size()});
}

Tensor meta_of(const Tensor& t) {
  Tensor m = empty_strided(t.sizes(), t.strides(), {t.dtype(), Device{DeviceType::meta}});
  return m;
}

std::vector<Dims> sizes_of(TensorSpan list) {
  std::vector<Dims> out;
  for (const Tensor& t : list) out.emplace_back(t.sizes());
  return out;
}

std::vector<DType> dtype_of(TensorSpan list) {
  std::vector<DType> out;
  for (const Tensor& t : list) out.push_back(t.dtype());
  return out;
}

Tensor conj_if_complex(const Tensor& t) { return t.is_complex() ? entry::conj(t) : t; }

void ZeroGradient::apply(const Tensor* grads, Tensor* out) {
  if (needs(0)) out[0] = entry::zeros_like(grads[0], {}, {}, {}, {}, {});
}

Ref<ZeroGradient> zero_gradient_node(const char* label, const Tensor& self) {
  if (!needs_grad(self)) return {};
  auto node = Ref<ZeroGradient>::adopt(new ZeroGradient(label));
  begin_node(*node);
  collect_edges(*node, self);
  return node;
}

}  // namespace flambeau::inline v1
