#include "core/dispatch/op.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "core/dispatch/backend.h"
#include "core/dispatch/observe.h"
#include "core/dispatch/registrations.h"

namespace flambeau::inline v1 {

namespace {

constexpr int kKeys = static_cast<int>(Key::count);
struct Handlers {
  Handler of[kKeys] = {};

  constexpr Handlers() {
    of[static_cast<int>(Key::capture)] = call_capture;
    of[static_cast<int>(Key::profiler)] = call_observed;
    of[static_cast<int>(Key::conjugate)] = resolve_lazy_bits;
    of[static_cast<int>(Key::negative)] = resolve_lazy_bits;
  }
};
constinit Handlers handlers;

using FullName = std::array<std::string_view, 3>;  // namespace, name, overload
FullName name_of(const Op& op) { return {op.ns, op.name, op.overload}; }

// Ops that were defined at run time. Readers are many and writers rare.
struct Registry {
  std::shared_mutex mutex;
  std::deque<Op> ops;  // never shrinks: somebody may hold on to one that was removed
  std::map<FullName, const Op*> by_name;  // those that are there
  std::atomic<size_t> changes{0};         // how often ops came or went

  const Op* named(const FullName& name) const {
    const auto it = by_name.find(name);
    return it == by_name.end() ? nullptr : it->second;
  }
};
Registry& registry() {
  static Registry* const r = new Registry;  // never destroyed: ops outlive static destruction
  return *r;
}

int compare(const Op& op, std::string_view name, std::string_view overload) {
  const int c = std::string_view(op.name).compare(name);
  return c ? c : std::string_view(op.overload).compare(overload);
}

}  // namespace

const Op* find_op(std::string_view full) {
  std::string_view ns = "aten", name = full;
  if (const size_t colon = full.find("::"); colon != std::string_view::npos) {
    ns = full.substr(0, colon);
    name = full.substr(colon + 2);
  }
  std::string_view overload;
  if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
    overload = name.substr(dot + 1);
    name = name.substr(0, dot);
  }
  if (overload == "default") overload = "";
  const std::span<const Op* const> table = builtin_ops();
  const auto it = std::lower_bound(table.begin(), table.end(), 0, [&](const Op* op, int) {
    return compare(*op, name, overload) < 0;
  });
  if (it != table.end() && compare(**it, name, overload) == 0 && ns == (*it)->ns) return *it;
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  return r.named({ns, name, overload});
}

const Op& register_op(Op op) {
  std::string full = concat(op.ns, "::", op.name);
  if (*op.overload) full += concat(".", op.overload);
  check(!find_op(full), "Tried to register an operator (", full,
        ") that exists already: give it another name or namespace");
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  r.changes.fetch_add(1, std::memory_order_release);
  const Op& added = r.ops.emplace_back(op);
  r.by_name[name_of(added)] = &added;  // its texts live as long as the op
  return added;
}

size_t runtime_op_changes() { return registry().changes.load(std::memory_order_acquire); }

std::vector<const Op*> runtime_ops() {
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  std::vector<const Op*> out;
  for (const Op& op : r.ops)
    if (r.named(name_of(op)) == &op) out.push_back(&op);
  return out;
}

void remove_op(const Op& op) {
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  if (r.named(name_of(op)) == &op) r.by_name.erase(name_of(op));
  r.changes.fetch_add(1, std::memory_order_release);
}

OpFacts& facts_of(const Op& op) {
  const std::atomic_ref place(op.facts);
  OpFacts* there = place.load(std::memory_order_acquire);
  if (there) return *there;
  auto made = std::make_unique<OpFacts>();
  const Op* const twin = op.functional ? find_op(op.functional) : nullptr;
  if (twin && twin->rule == op.rule) made->twin = twin;
  for (size_t i = 0; i < op.nargs; ++i)
    made->between_devices |= std::strcmp(op.args[i].name, "non_blocking") == 0;
  if (place.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel))
    return *made.release();
  return *there;  // another thread was first
}

Kernel kernel_of(const Op& op, DeviceType device) {
  const OpFacts* const facts = std::atomic_ref(op.facts).load(std::memory_order_acquire);
  if (facts)
    if (const Kernel kernel =
            facts->kernels[static_cast<int>(device)].load(std::memory_order_acquire))
      return kernel;
  return device == DeviceType::cpu ? op.cpu : nullptr;
}

void register_kernel(const Op& op, DeviceType device, Kernel kernel) {
  check(op.rule || !kernel, op.name,
        ": an op without a rule has no kernels: register those of the ops that it is made of");
  const bool outside = device != DeviceType::cpu && device != DeviceType::meta;
  check(outside || !kernel, op.name, ": a kernel for device type '", device_type_name(device),
        "' would not be called: on the CPU the record's own runs, on meta its rule alone");
  check(!kernel || !touches_no_memory(op), op.name,
        ": a view touches no memory, so it needs no kernel, and one would not be called");
  facts_of(op).kernels[static_cast<int>(device)].store(kernel, std::memory_order_release);
}

Device device_of(const OutputSpec& spec, const Value* args) {
  if (spec.like < 0) return spec.device;
  const Value& v = args[spec.like];
  return v.tag == Value::Tag::tensors ? v.tensors()[0].device() : v.tensor().device();
}

void set_handler(Key key, Handler handler) { handlers.of[static_cast<int>(key)] = handler; }

KeySet active_keys(const Op& op, const Value* args) {
  KeySet keys = thread_state.included | detail::everywhere.load(std::memory_order_relaxed);
  for (size_t i = 0; i < op.nargs; ++i) {
    if (args[i].tag == Value::Tag::tensor) keys |= keys_of(args[i].tensor());
    if (args[i].tag == Value::Tag::tensors) keys |= keys_of(args[i].tensors());
  }
  return keys & ~thread_state.excluded & op.mask;
}

KeySet settled(const Op& op, KeySet keys) {
  if (observed_op == &op) keys &= ~bit(Key::profiler);  // they were told of it
  if (thread_state.settled_op == &op) {
    thread_state.settled_op = nullptr;
    return keys & ~kRegistered & ~bit(Key::autocast);
  }
  return (keys & kRegistered) && !has_registrations(op) ? keys & ~kRegistered : keys;
}

void slow(const Op& op, KeySet keys, const Value* args, Results& results) {
  if (keys & kRegistered) {
    if (call_registered(op, keys, args, results)) return;
    keys &= ~kRegistered;
    // Typed entries record for autograd and hold the body.
    if (keys < 2 * kAutograd && (!keys || (keys & kAutograd))) {
      thread_state.settled_op = &op;
      return redispatch(op, args, results);
    }
  }
  const Key key = top(keys);
  if (const Handler handler = handlers.of[static_cast<int>(key)]) return handler(op, args, results);
  // A layer without a body (its module is not loaded) lets the call through.
  const Exclude off(bit(key));
  redispatch(op, args, results);
}

}  // namespace flambeau::inline v1
