// softmax, layer_norm and dropout over their recorded ops.

#include "flambeau/kernels/norm.h"

#include "core/autograd/node.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/bernoulli.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/empty_like.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/ones_like.h"
#include "flambeau/ops/to.h"

namespace flambeau::inline v1::native {
namespace {

void check_probability(double p) {
  check<ValueError>(p >= 0 && p <= 1,
                    "dropout: dropout probability has to be between 0 and 1, but got ", p);
}

}  // namespace

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

}  // namespace flambeau::inline v1::native
