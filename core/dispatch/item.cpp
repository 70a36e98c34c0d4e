// Reading values of a tensor, which layers may see.
#include <complex>

#include "core/autograd/transform.h"
#include "core/dispatch/observe.h"
#include "flambeau/ops/_local_scalar_dense.h"

namespace flambeau::inline v1 {

Scalar Tensor::item() const {
  return read_is_seen(*this) ? entry::_local_scalar_dense(*this) : value();
}

bool read_is_seen(const Tensor& t) {
  const KeySet keys = active_keys(kSeesReads, t);
  // A kernel that reads a number is no program: who was told of its op knows enough.
  if (keys == bit(Key::profiler)) return !(observed_op && observed_op->cpu);
  return keys != 0;
}

void note_read(const Tensor& t, const char* what) {
  constexpr KeySet kTold = bit(Key::profiler) | bit(Key::capture);
  if (!active_keys(kTold, t)) return;
  const Exclude off(kTold);  // they may look at it themselves
  const Ref<const Frame> observers(thread_state.profilers.top()),
      captures(thread_state.captures.top());
  for (const Frame* f = observers.get(); f; f = f->below())
    static_cast<const Observer*>(f)->read(t, what);
  for (const Frame* f = captures.get(); f; f = f->below())
    static_cast<const Capture*>(f)->read(t, what);
}

namespace {

// In as many bits as the dtype has, and exactly.
Scalar negative(const Scalar& s, DType dtype) {
  if (s.is_complex()) return Scalar(-s.to_complex());
  if (s.is_floating()) return Scalar(-s.to_double());
  const int rest = 64 - 8 * static_cast<int>(info(dtype).size);
  const uint64_t v = -static_cast<uint64_t>(s.to_int()) << rest;
  if (!info(dtype).is_signed) return Scalar(v >> rest);
  return Scalar(static_cast<int64_t>(v) >> rest);
}

}  // namespace

Scalar Tensor::value() const {
  check(numel() == 1, "a Tensor with ", numel(), " elements cannot be converted to Scalar");
  check(!is_meta(), "Tensor.item() cannot be called on meta tensors");
  Scalar s = Scalar::load(bytes(), dtype());
  if (is_conj()) s = Scalar(std::conj(s.to_complex()));
  return is_neg() ? negative(s, dtype()) : s;
}

}  // namespace flambeau::inline v1
