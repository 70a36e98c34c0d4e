#include "core/autograd/formulas.h"

#include "flambeau/ops/clone.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/new_zeros.h"
#include "flambeau/ops/trunc.h"
#include "flambeau/ops/zeros.h"
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

namespace formula {

bool wants_ops(const Tensor& g, const Tensor& t, bool registered) {
  return flambeau::wants_ops({&g, &t}, registered ? 0 : kRegistered);
}

Tensor zeros_like(const Tensor& t) {
  return entry::zeros_like(t, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
}

Tensor zeros_for(const Tensor& g, IntSpan sizes) {
  if (flambeau::wants_ops({&g}))
    return entry::new_zeros(g, sizes, g.dtype(), g.layout(), g.device(), std::nullopt);
  const Tensor zero = entry::zeros({}, g.dtype(), g.layout(), g.device(), std::nullopt);
  return entry::expand(zero, sizes, false);
}

Tensor scaled(const Tensor& t, const Scalar& factor) {
  if (factor.equal(1)) return t;
  return entry::mul_Tensor(t, wrapped_number(conj_of(factor)));
}

Tensor mul_i(const Tensor& t) {
  if (!t.is_complex()) return zeros_like(t);
  return entry::mul_Tensor(t, wrapped_number(Scalar(std::complex<double>(0, 1))));
}

Tensor trunc_divide(const Tensor& a, const Tensor& b) {
  return entry::trunc(entry::div_Tensor(a, b));
}

// With a gradient, of zeros, which floor_divide itself has not.
Tensor floor_divide(const Tensor& a, const Tensor& b) {
  return entry::div_Tensor_mode(a, b, "floor");
}

}  // namespace formula
}  // namespace flambeau::inline v1
