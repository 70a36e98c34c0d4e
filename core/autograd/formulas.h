// What generated gradients use: small adapters, and in namespace formula what formulas name.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <tuple>

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
  // The profiler's layer looks on; see Note [Observers of ops].
  constexpr KeySet kSilent = kAutograd | kConjugate | kNegative | kDefer | bit(Key::profiler);
  return GradMode::enabled() || (keys & ~(kSilent | resolved) & ~thread_state.excluded);
}

// One fused loop over the operands; undefined ones count as a zero of the others' dtype.
Tensor gradient_of(const PointwiseKernel& kernel, DType input,
                   std::initializer_list<const Tensor*> operands,
                   std::initializer_list<Scalar> params);

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

// What printed gradients call beside ops; all of it over ops, so that it can be differentiated
// again.
namespace formula {

bool wants_ops(const Tensor& g, const Tensor& t, bool registered);
Tensor zeros_like(const Tensor& t);
// What a gradient g is added to. No memory stands behind it where nobody looks: what is written
// there makes a copy anyway.
Tensor zeros_for(const Tensor& g, IntSpan sizes);
// A gradient times the conjugate of a number.
Tensor scaled(const Tensor& t, const Scalar& factor);
Tensor mul_i(const Tensor& t);
Tensor trunc_divide(const Tensor& a, const Tensor& b);
Tensor floor_divide(const Tensor& a, const Tensor& b);

}  // namespace formula
}  // namespace flambeau::inline v1
