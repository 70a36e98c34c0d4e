// What a program registers for ops at run time: kernels, rules and gradients that stand before
// those of the core, under the names of PyTorch's dispatch keys.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// Where a registration stands: at a layer, or in place of the kernel.
struct Place {
  enum class Kind : uint8_t {
    layer,            // `key`
    kernel,           // of `device`
    explicit_body,    // of all devices without a kernel of their own
    functional_body,  // the same, for ops that write to no argument
    implicit_body,    // of all devices and for autograd: the op is the sum of its parts
  };
  Kind kind = Kind::kernel;
  Key key = Key::backend;
  int device = -1;  // a DeviceType; -1: all

  bool operator==(const Place&) const = default;
  // "AutogradCPU", "Meta", "CompositeImplicitAutograd", "FuncTorchBatched", ...
  static std::optional<Place> named(std::string_view name);
};

// What runs: made by who registers.
class Registered : public Counted {
 public:
  virtual void call(const Op& op, const Value* args, Results& results) const = 0;
  // It was taken away and lets go of what it holds: calls that just found it look again.
  virtual void retire() const {}
  virtual void* python() const {
    return nullptr;
  }  // core/python: its function, or null; a new reference
};

// Of one op; the latest of a place counts, and those before come back when it is taken away.
class Registrations {
 public:
  struct Entry {
    Place place;
    Ref<const Registered> what;
  };
  std::vector<Entry> entries;  // the latest last
};

inline bool has_registrations(const Op& op) {
  return std::atomic_ref(op.registrations).load(std::memory_order_acquire) != nullptr;
}
void add_registration(const Op& op, const Place& place, Ref<const Registered> what);
void remove_registration(const Op& op, const Registered* what);
// The registration that counts exactly there; nullptr when there is none.
Ref<const Registered> registration_at(const Op& op, const Place& place);

// Runs what is registered for this call, at the outermost layer of `keys` or further out; false
// when that is nothing.
bool call_registered(const Op& op, KeySet keys, const Value* args, Results& results);
// What is registered in place of the kernel for tensors of `device`; nullptr when that is nothing.
Ref<const Registered> registered_kernel(const Op& op, DeviceType device);

// The layers that see this call of an op that was defined at run time: while the body that counts
// is the sum of its parts, only those that see built-in ones, and those with a registration.
KeySet concerned_layers(const Op& op, const Value* args);
// After a kernel has run: the versions of all that the call has written to.
void bump_mutated(const Op& op, const Value* args);

const char* dispatch_key_name(DeviceType device);  // "CPU"
// Whether the op is the sum of its parts, by its record or by what was registered.
bool is_implicit(const Op& op);

// f(i, t) for each tensor that a call has in its argument i, those in lists included.
template <class F>
void for_each_tensor(const Op& op, const Value* args, F&& f) {
  for (size_t i = 0; i < op.nargs; ++i) {
    if (args[i].tag == Value::Tag::tensor) {
      if (args[i].tensor().defined()) f(i, args[i].tensor());
    } else if (args[i].tag == Value::Tag::tensors) {
      for (const Tensor& t : args[i].tensors())
        if (t.defined()) f(i, t);
    }
  }
}

// The device that a call runs on: of its tensors, of its device argument, or the CPU.
DeviceType device_of_call(const Op& op, const Value* args);
// How many elements the tensors of a call have, those in lists included.
int64_t elements_of_call(const Op& op, const Value* args);
// Below this many, giving up Python's lock costs more than it can gain.
constexpr int64_t kReleaseAbove = 64 * 1024;

}  // namespace flambeau::inline v1
