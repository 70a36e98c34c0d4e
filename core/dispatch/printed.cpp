#include "core/dispatch/printed.h"

#include "core/dispatch/op.h"

namespace flambeau::inline v1::printed {

bool watched(TensorSpan tensors) { return active_keys(~KeySet{0}, tensors) != 0; }
bool under_dispatch(const Tensor& t) { return active_keys(kPythonDispatch, t) != 0; }

}  // namespace flambeau::inline v1::printed
