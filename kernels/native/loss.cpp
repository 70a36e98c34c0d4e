// nll_loss and cross_entropy over their recorded ops.

#include "kernels/shape/loss.h"

#include "flambeau/kernels/loss.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/flatten.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/log_softmax.h"
#include "flambeau/ops/logical_not.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/neg.h"
#include "flambeau/ops/nll_loss.h"
#include "flambeau/ops/nll_loss2d_forward.h"
#include "flambeau/ops/nll_loss_forward.h"
#include "flambeau/ops/nll_loss_nd.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/view.h"

namespace flambeau::native {

Tensor nll_loss(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction,
                int64_t ignore_index) {
  return std::get<0>(entry::nll_loss_forward(self, target, weight, reduction, ignore_index));
}

Tensor nll_loss_nd(const Tensor& self, const Tensor& target, const Tensor& weight,
                   int64_t reduction, int64_t ignore_index) {
  const int64_t n = self.dim();
  check<ValueError>(n >= 1, "nll_loss: Expected 1 or more dimensions (got ", n, ")");
  check<ValueError>(n == 1 || (target.dim() > 0 && self.sizes()[0] == target.sizes()[0]),
                    "nll_loss: Expected input batch_size (", n == 1 ? int64_t{1} : self.sizes()[0],
                    ") to match target batch_size (", target.dim() ? target.sizes()[0] : 0, ").");
  if (n <= 2) return entry::nll_loss(self, target, weight, reduction, ignore_index);
  const auto planes = [&](const Tensor& scores, const Tensor& wanted) {
    return std::get<0>(entry::nll_loss2d_forward(scores, wanted, weight, reduction, ignore_index));
  };
  if (n == 4) return planes(self, target);
  // Any number of dimensions behind the classes is one plane.
  const int64_t batch = self.sizes()[0], classes = self.sizes()[1];
  Dims out_shape(self.sizes());
  out_shape.erase(1);
  check<ValueError>(same(target.sizes(), out_shape), "nll_loss: Expected target size ",
                    show(out_shape), ", got ", show(target.sizes()));
  const int64_t inner = count(out_shape) / std::max<int64_t>(batch, 1);
  const int64_t scores_shape[] = {batch, classes, inner, 1}, target_shape[] = {batch, inner, 1};
  const Tensor result =
      planes(entry::reshape(self, scores_shape), entry::reshape(target, target_shape));
  return reduction == shape::kNone ? entry::view(result, out_shape) : result;
}

namespace {

// Targets that are probabilities, or class indices under smoothing.
Tensor soft_cross_entropy(const Tensor& log_p, const Tensor& target, const Tensor& weight,
                          int64_t reduction, double smoothing, int64_t class_dim) {
  const int64_t classes = log_p.sizes()[class_dim];
  Tensor wanted = target;
  if (smoothing > 0)
    wanted =
        entry::add_Scalar(entry::mul_Scalar(target, Scalar(1 - smoothing)),
                          Scalar(smoothing / static_cast<double>(classes)), Scalar(int64_t{1}));
  Tensor terms = entry::mul_Tensor(log_p, wanted);
  if (weight.defined()) {
    Dims shape(log_p.dim(), 1);
    shape[class_dim] = classes;
    terms = entry::mul_Tensor(terms, entry::view(weight, shape));
  }
  if (reduction == shape::kNone) {
    const int64_t dims[] = {class_dim};
    return entry::neg(entry::sum_dim_IntList(terms, IntSpan(dims), false, {}));
  }
  const Tensor total = entry::neg(entry::sum(terms, {}));
  if (reduction == shape::kSum) return total;
  const int64_t batch = std::max<int64_t>(log_p.numel() / std::max<int64_t>(classes, 1), 1);
  return entry::div_Scalar(total, Scalar(batch));
}

Tensor smoothed_cross_entropy(const Tensor& log_p, const Tensor& target, const Tensor& weight,
                              int64_t reduction, int64_t ignore_index, double smoothing,
                              int64_t class_dim) {
  const Tensor nll = entry::nll_loss_nd(log_p, target, weight, reduction, ignore_index);
  const int64_t classes = log_p.sizes()[class_dim], dims[] = {class_dim};
  Tensor terms = log_p;
  if (weight.defined()) {
    Dims shape(log_p.dim(), 1);
    shape[class_dim] = classes;
    terms = entry::mul_Tensor(log_p, entry::view(weight, shape));
  }
  Tensor smooth = entry::neg(entry::sum_dim_IntList(terms, IntSpan(dims), false, {}));
  const Tensor ignored = entry::eq_Scalar(target, Scalar(ignore_index));
  smooth = entry::masked_fill_Scalar(smooth, ignored, Scalar(0.0));
  if (reduction == shape::kSum) {
    smooth = entry::sum(smooth, {});
  } else if (reduction == shape::kMean) {
    const Tensor kept = entry::logical_not(ignored);
    Tensor total;
    if (weight.defined()) {
      const Tensor safe = entry::masked_fill_Scalar(target, ignored, Scalar(int64_t{0}));
      const Tensor own = entry::index_select(weight, 0, entry::flatten_using_ints(safe, 0, -1));
      total = entry::sum(entry::mul_Tensor(own, entry::flatten_using_ints(kept, 0, -1)), {});
    } else {
      total = entry::sum(kept, log_p.dtype());
    }
    smooth = entry::div_Tensor(entry::sum(smooth, {}), total);
  }
  return entry::add_Tensor(
      entry::mul_Scalar(nll, Scalar(1 - smoothing)),
      entry::mul_Scalar(smooth, Scalar(smoothing / static_cast<double>(classes))),
      Scalar(int64_t{1}));
}

}  // namespace

Tensor cross_entropy_loss(const Tensor& self, const Tensor& target, const Tensor& weight,
                          int64_t reduction, int64_t ignore_index, double smoothing) {
  shape::check_reduction("cross_entropy", reduction);
  check(self.dim() > 0,
        "cross_entropy: expected input with a dimension of classes, got a 0-dim tensor");
  const int64_t class_dim = self.dim() == 1 ? 0 : 1;
  const auto log_p = [&] {
    return entry::log_softmax_int(self, class_dim, std::optional<DType>(self.dtype()));
  };
  if (same(self.sizes(), target.sizes())) {
    check(is_floating(target.dtype()),
          "cross_entropy: Expected floating point type for target with "
          "class probabilities, got ",
          dtype_name(target.dtype()));
    check(ignore_index < 0,
          "cross_entropy: ignore_index is not supported for floating point target");
    return soft_cross_entropy(log_p(), target, weight, reduction, smoothing, class_dim);
  }
  check(smoothing >= 0 && smoothing <= 1,
        "cross_entropy: label_smoothing must be between 0.0 and 1.0. "
        "Got: ",
        smoothing);
  if (smoothing > 0)
    return smoothed_cross_entropy(log_p(), target, weight, reduction, ignore_index, smoothing,
                                  class_dim);
  return entry::nll_loss_nd(log_p(), target, weight, reduction, ignore_index);
}

}  // namespace flambeau::native
