// The layer of autocast: ops compute in the dtype that their record says.
#include "core/dispatch/autocast.h"

#include <unordered_map>

#include "core/autograd/arithmetic.h"
#include "core/autograd/node.h"
#include "core/dispatch/registrations.h"

namespace flambeau::inline v1 {
namespace {

const std::unordered_map<const Op*, Autocast>& policies() {
  static const auto* const all = [] {
    auto* made = new std::unordered_map<const Op*, Autocast>;
    for (const AutocastRow& row : autocast_rows()) made->emplace(row.op, row.policy);
    return made;
  }();
  return *all;
}

// Copies of weights in the lower dtype, so that a weight which is used often is cast once: until
// the outermost scope of autocast ends, since weights change between scopes.
struct Copies {
  std::unordered_map<const TensorImpl*, std::pair<Tensor, Tensor>> of;  // the weight, its copy
};
Copies& copies() {
  static thread_local Copies mine;
  return mine;
}

bool eligible(const Tensor& t, DeviceType device) {
  return t.defined() && t.is_floating() && t.dtype() != DType::float64 && t.device().type == device;
}

Tensor cast_for(const Tensor& t, DType dtype, DeviceType device, bool keep) {
  if (!eligible(t, device) || t.dtype() == dtype) return t;
  if (!keep || t.dtype() != DType::float32 || !t.requires_grad() || !t.is_leaf() ||
      !thread_state.surroundings().autocast_cache)
    return arithmetic::cast(t, dtype);
  auto& kept = copies().of;
  const auto found = kept.find(t.impl());
  if (found != kept.end() && found->second.second.dtype() == dtype) return found->second.second;
  Tensor copy = arithmetic::cast(t, dtype);
  kept.insert_or_assign(t.impl(), std::pair(t, copy));
  return copy;
}

DType widest(const Op& op, const Value* args, DType lower, DeviceType device) {
  DType dtype = lower;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) {
    if (eligible(t, device) && t.dtype() != lower && t.dtype() != dtype) dtype = DType::float32;
  });
  return dtype;
}

void call_cast(const Op& op, Autocast policy, DeviceType device, const Value* args,
               Results& results) {
  const DType lower = thread_state.surroundings().autocast_dtype[static_cast<int>(device)];
  const DType dtype = policy == Autocast::lower     ? lower
                      : policy == Autocast::float32 ? DType::float32
                                                    : widest(op, args, lower, device);
  const Exclude off(bit(Key::autocast));
  std::vector<Value> values(args, args + op.nargs);
  std::vector<TensorVec> lists;
  TensorVec held;
  held.reserve(op.nargs);  // values borrow from both
  lists.reserve(op.nargs);
  for (Value& v : values) {
    if (v.tag == Value::Tag::tensor) {
      held.push_back(cast_for(v.tensor(), dtype, device, policy == Autocast::lower));
      v = boxing::box(held.back());
    } else if (v.tag == Value::Tag::tensors) {
      TensorVec& list = lists.emplace_back();
      for (const Tensor& t : v.tensors()) list.push_back(cast_for(t, dtype, device, false));
      v = boxing::box(list);
    }
  }
  values.emplace_back();
  redispatch(op, values.data(), results);
}

// Past this layer, whose parts it sees again.
void call_as_it_is(const Op& op, const Value* args, Results& results) {
  if (op.runtime) {
    const Exclude off(bit(Key::autocast));
    return redispatch(op, args, results);
  }
  // The next entry of this op asks settled(), which leaves autocast out once.
  struct Asked {
    const KeySet before = thread_state.included;
    Asked() { thread_state.included |= kRegistered; }
    ~Asked() { thread_state.included = before; }
  } const asked;
  thread_state.settled_op = &op;
  redispatch(op, args, results);
}

void handle(const Op& op, const Value* args, Results& results) {
  const DeviceType device = device_of_call(op, args);
  const auto found = policies().find(&op);
  const bool on = thread_state.surroundings().autocast_enabled & uint32_t{1}
                                                                     << static_cast<int>(device);
  if (on && found != policies().end()) return call_cast(op, found->second, device, args, results);
  call_as_it_is(op, args, results);
}
[[maybe_unused]] const bool installed = (set_handler(Key::autocast, handle), true);

}  // namespace

void forget_autocast_copies() { copies().of.clear(); }

}  // namespace flambeau::inline v1
