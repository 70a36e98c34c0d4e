// What generated gradients use: small adapters here, C++ formulas in namespace formula.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <tuple>

#include "core/autograd/formulas_index.h"
#include "core/autograd/formulas_reduce.h"
#include "core/autograd/node.h"
#include "core/dispatch/op.h"
#include "core/dispatch/value.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1 {

inline bool any_defined(const Tensor* grads, size_t n) {
  for (size_t i = 0; i < n; ++i)
    if (grads[i].defined()) return true;
  return false;
}

// Whether a gradient is to be computed by ops instead of one loop: it is recorded itself, or a
// layer other than those that the loop resolves wants to see what runs. Where the loop is an op
// itself, whose own registrations are asked, `resolved` has kRegistered: the bit is on once
// anything in the process has a registration.
inline bool wants_ops(std::initializer_list<const Tensor*> operands, KeySet resolved = 0) {
  KeySet keys = thread_state.included | detail::everywhere.load(std::memory_order_relaxed);
  for (const Tensor* t : operands) keys |= keys_of(*t);
  constexpr KeySet kSilent = kAutograd | kConjugate | kNegative | kDefer;
  return GradMode::enabled() || (keys & ~(kSilent | resolved) & ~thread_state.excluded);
}

// One fused loop over the operands; undefined ones count as a zero of the others' dtype.
Tensor gradient_of(const PointwiseKernel& kernel, DType input,
                   std::initializer_list<const Tensor*> operands,
                   std::initializer_list<Scalar> params);

// A tensor of the same geometry without memory behind it.
Tensor meta_of(const Tensor& t);
std::vector<Dims> sizes_of(TensorSpan list);
std::vector<DType> dtype_of(TensorSpan list);
Tensor conj_if_complex(const Tensor& t);
inline Scalar conj_of(const Scalar& s) {
  return s.is_complex() ? Scalar(std::conj(s.to_complex())) : s;
}

inline std::string keep_string(std::string_view s) { return std::string(s); }
inline std::optional<std::string> keep_string(const std::optional<std::string_view>& s) {
  return s ? std::optional<std::string>(*s) : std::nullopt;
}
inline Dims keep_list(IntSpan s) { return Dims(s); }
inline std::optional<Dims> keep_list(const std::optional<IntSpan>& s) {
  return s ? std::optional<Dims>(*s) : std::nullopt;
}
inline std::optional<IntSpan> optional_span(const std::optional<Dims>& s) {
  return s ? std::optional<IntSpan>(*s) : std::nullopt;
}

// Gradients of all inputs at once; places whose gradient nobody wants stay empty.
template <class Made>
void assign_needed(const Node& node, Tensor* out, Made&& made) {
  std::apply(
      [&](auto&&... t) {
        size_t i = 0;
        ((node.needs(i) ? void(out[i] = std::move(t)) : void(), ++i), ...);
      },
      std::forward<Made>(made));
}
inline void spread(Tensor* out, TensorVec&& list) {
  for (size_t i = 0; i < list.size(); ++i) out[i] = std::move(list[i]);
}

// The history of a tensor that was overwritten by something that does not depend on it.
struct ZeroGradient final : Node {
  explicit ZeroGradient(const char* label) : label_(label) {}
  const char* name() const override { return label_; }
  void apply(const Tensor* grads, Tensor* out) override;

 private:
  const char* label_;
};
Ref<ZeroGradient> zero_gradient_node(const char* label, const Tensor& self);

// The bodies of gradients that are more than one expression; each over ops, so that they can be
// differentiated again.
namespace formula {

using flambeau::sum_to;

Tensor zeros_like(const Tensor& t);
// What a gradient g is added to. No memory stands behind it where nobody looks: what is written
// there makes a copy anyway.
Tensor zeros_for(const Tensor& g, IntSpan sizes, const TensorOptions& options);
inline Tensor zeros_for(const Tensor& g, IntSpan sizes) { return zeros_for(g, sizes, g.options()); }
// A gradient times the conjugate of a number.
Tensor scaled(const Tensor& t, const Scalar& factor);
inline Tensor conj(const Tensor& t) { return conj_if_complex(t); }
Tensor mul_i(const Tensor& t);
Tensor trunc_divide(const Tensor& a, const Tensor& b);
[[noreturn]] Tensor trigamma_backward(const Tensor& g);
// Valid as long as the node that keeps `sizes` is.
inline std::optional<IntSpan> optional_sizes(const Dims& sizes) {
  return sizes.empty() ? std::nullopt : std::optional<IntSpan>(sizes);
}
Tensor sgn_backward(const Tensor& g, const Tensor& self, const Tensor& result);
Tensor pow_backward(const Tensor& g, const Tensor& self, const Scalar& exponent);
Tensor pow_of_scalar_backward(const Tensor& g, const Scalar& self, const Tensor& exponent,
                              const Tensor& result);
Tensor clamp_backward(const Tensor& g, const Tensor& self, const std::optional<Scalar>& min,
                      const std::optional<Scalar>& max);
Tensor unsqueeze_to(const Tensor& g, IntSpan sizes);
Tensor unsqueeze_dim_to(const Tensor& g, IntSpan sizes, int64_t dim);
Tensor unsqueeze_dims_to(const Tensor& g, IntSpan sizes, IntSpan dims);
Tensor squeeze_back(const Tensor& g, IntSpan sizes, int64_t dim);
Tensor permute_backward(const Tensor& g, IntSpan dims);
Tensor as_strided_backward(const Tensor& g, const Tensor& geometry, int64_t base_offset,
                           IntSpan size, IntSpan stride, std::optional<int64_t> offset);
Tensor slice_backward(const Tensor& g, IntSpan sizes, int64_t dim, std::optional<int64_t> start,
                      std::optional<int64_t> end, int64_t step);
Tensor split_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options, int64_t split_size,
                      int64_t dim);
Tensor split_with_sizes_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options,
                                 IntSpan split_sizes, int64_t dim);
Tensor unbind_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options, int64_t dim);
Tensor view_as_real_backward(const Tensor& g);
Tensor view_as_complex_backward(const Tensor& g);
Tensor copy_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options);

}  // namespace formula
}  // namespace flambeau::inline v1
