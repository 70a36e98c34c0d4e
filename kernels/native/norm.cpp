// softmax, layer_norm and dropout over their recorded ops.

#include "flambeau/kernels/norm.h"

#include "core/autograd/node.h"
#include "flambeau/kernels/factories.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/_log_softmax.h"
#include "flambeau/ops/_softmax.h"
#include "flambeau/ops/bernoulli.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/empty_like.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/native_layer_norm.h"
#include "flambeau/ops/ones_like.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/zeros.h"

namespace flambeau::native {
namespace {

Tensor as_dtype(const Tensor& t, std::optional<DType> dtype) {
  return dtype && *dtype != t.dtype() ? entry::to_dtype(t, *dtype, false, false, {}) : t;
}

void check_probability(double p) {
  check<ValueError>(p >= 0 && p <= 1,
                    "dropout: dropout probability has to be between 0 and 1, but got ", p);
}

}  // namespace

Tensor softmax(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  return entry::_softmax(as_dtype(self, dtype), dim, false);
}

Tensor log_softmax(const Tensor& self, int64_t dim, std::optional<DType> dtype) {
  return entry::_log_softmax(as_dtype(self, dtype), dim, false);
}

Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps, bool) {
  return std::get<0>(entry::native_layer_norm(input, normalized_shape, weight, bias, eps));
}

Tensor dropout(const Tensor& input, double p, bool train) {
  check_probability(p);
  if (p == 0 || !train || input.numel() == 0) return input;
  if (p == 1)
    return entry::mul_Tensor(input, entry::zeros({}, input.dtype(), {}, input.device(), {}));
  const Tensor noise = entry::empty_like(input, {}, {}, {}, {}, {});
  entry::bernoulli__float(noise, 1 - p, nullptr);
  entry::div__Scalar(noise, Scalar(1 - p));
  return entry::mul_Tensor(input, noise);
}

void dropout_(const Tensor& self, double p, bool train) {
  check_probability(p);
  if (p == 0 || !train || self.numel() == 0) return;
  if (p == 1) {
    entry::mul__Tensor(self, entry::zeros({}, self.dtype(), {}, self.device(), {}));
    return;
  }
  const Tensor noise = entry::empty_like(self, {}, {}, {}, {}, {});
  entry::bernoulli__float(noise, 1 - p, nullptr);
  entry::div__Scalar(noise, Scalar(1 - p));
  entry::mul__Tensor(self, noise);
}

std::tuple<Tensor, Tensor> native_dropout(const Tensor& input, double p,
                                          std::optional<bool> train) {
  check_probability(p);
  if (input.numel() == 0) return {input, entry::empty_like(input, DType::boolean, {}, {}, {}, {})};
  if (!train.value_or(true))
    return {entry::clone(input, {}), entry::ones_like(input, DType::boolean, {}, {}, {}, {})};
  const Tensor mask = entry::empty_like(input, {}, {}, {}, {}, {});
  entry::bernoulli__float(mask, 1 - p, nullptr);
  const double scale = p == 1 ? 0 : 1 / (1 - p);
  return {entry::mul_Scalar(entry::mul_Tensor(input, mask), Scalar(scale)),
          entry::to_dtype(mask, DType::boolean, false, false, {})};
}

}  // namespace flambeau::native
