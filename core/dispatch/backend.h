// What happens below all layers to tensors that are not plain ones on the CPU. See docs/devices.md.
#pragma once

#include "core/dispatch/op.h"
#include "core/tensor/device_table.h"

namespace flambeau::inline v1 {

// The body for all ops on tensors of one kind of device and one layout. It is called when all
// tensors are on one device (0-dim ones may be on the CPU), or the op moves between devices; some
// may be strided; all are where the layout is asked for (`zeros(layout=)`, `_to_copy(layout=)`).
void set_backend_handler(DeviceType device, Layout layout, Handler handler);

// A tensor of another layout. It has a shape and no memory: the handler of its device and layout
// works on the payload, with which all handles on the tensor are made.
Tensor with_payload(std::unique_ptr<Payload> payload, IntSpan sizes, TensorOptions options);

// The body that strided tensors of registered devices have. Views are views; else the op's rule,
// outputs from the device's table, and the kernel that was registered for the device; where there
// is none, the fall-back: arguments are copied to the CPU, the op runs there, and what it gave or
// changed is copied back.
void run_on_device(const Op& op, const Value* args, Results& results);

// Views, detach and the like: they name a tensor's memory and do not touch it.
bool touches_no_memory(const Op& op);

// A kernel that does not take these arguments (a dtype, strides) throws this; the fall-back runs.
struct NoKernel {};

// What the fall-back says: a warning once for each op, nothing, or that it may not be.
enum class Fallback : uint8_t { warn, silent, refuse };
void set_fallback(DeviceType device, Fallback fallback);

}  // namespace flambeau::inline v1
