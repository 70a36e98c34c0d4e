#include "core/dispatch/printed.h"

#include "core/autograd/transform.h"
#include "core/dispatch/op.h"

namespace flambeau::inline v1::printed {

// By who wants other ops than would run without it; see Note [Observers of ops].
bool watched(TensorSpan tensors) { return active_keys(~bit(Key::profiler), tensors) != 0; }
bool under_dispatch(const Tensor& t) { return active_keys(kPythonDispatch, t) != 0; }

bool in_batch(const Tensor& t) {
  for (const TransformPayload* p = transform_payload(t); p; p = transform_payload(p->value))
    if (p->level->kind == TransformLevel::Kind::vmap) return true;
  return false;
}

}  // namespace flambeau::inline v1::printed
