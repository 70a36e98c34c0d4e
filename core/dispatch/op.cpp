#include "core/dispatch/op.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace flambeau {

thread_local constinit ThreadState thread_state [[gnu::tls_model("initial-exec")]];
std::atomic<DType> detail::default_dtype{DType::float32};

namespace {

constexpr int kKeys = static_cast<int>(Key::count);
struct Handlers {
  Handler of[kKeys] = {};

  constexpr Handlers() {
    of[static_cast<int>(Key::conjugate)] = resolve_lazy_bits;
    of[static_cast<int>(Key::negative)] = resolve_lazy_bits;
  }
};
constinit Handlers handlers;

// What was registered at run time. Readers are many and writers rare; the flag spares a program
// that registers nothing the lock.
struct Registry {
  std::shared_mutex mutex;
  std::deque<Op> ops;
  std::atomic<size_t> count{0};  // of `ops`
  std::map<std::pair<const Op*, Key>, std::pair<Handler, void*>> overrides;
  std::atomic<bool> any_override{false};
  std::map<std::pair<const Op*, DeviceType>, Kernel> kernels;
  std::atomic<bool> any_kernel{false};
};
Registry& registry() {
  static Registry* const r = new Registry;  // never destroyed: ops outlive static destruction
  return *r;
}

int compare(const Op& op, std::string_view name, std::string_view overload) {
  const int c = std::string_view(op.name).compare(name);
  return c ? c : std::string_view(op.overload).compare(overload);
}

Handler override_of(const Op& op, Key key) {
  Registry& r = registry();
  if (!r.any_override.load(std::memory_order_acquire)) return nullptr;
  std::shared_lock lock(r.mutex);
  const auto it = r.overrides.find({&op, key});
  return it == r.overrides.end() ? nullptr : it->second.first;
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
  for (const Op& op : r.ops)
    if (ns == op.ns && compare(op, name, overload) == 0) return &op;
  return nullptr;
}

const Op& register_op(Op op) {
  std::string full = concat(op.ns, "::", op.name);
  if (*op.overload) full += concat(".", op.overload);
  check(!find_op(full), "Tried to register an operator (", full,
        ") that exists already: give it another name or namespace");
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  r.count.store(r.ops.size() + 1, std::memory_order_release);
  return r.ops.emplace_back(op);
}

size_t runtime_op_count() { return registry().count.load(std::memory_order_acquire); }

std::vector<const Op*> runtime_ops() {
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  std::vector<const Op*> out;
  for (const Op& op : r.ops) out.push_back(&op);
  return out;
}

Kernel kernel_of(const Op& op, DeviceType device) {
  Registry& r = registry();
  if (r.any_kernel.load(std::memory_order_acquire)) {
    std::shared_lock lock(r.mutex);
    const auto it = r.kernels.find({&op, device});
    if (it != r.kernels.end()) return it->second;
  }
  return device == DeviceType::cpu ? op.cpu : nullptr;
}

void register_kernel(const Op& op, DeviceType device, Kernel kernel) {
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  if (kernel)
    r.kernels[{&op, device}] = kernel;
  else
    r.kernels.erase({&op, device});
  r.any_kernel.store(!r.kernels.empty(), std::memory_order_release);
}

Device device_of(const OutputSpec& spec, const Value* args) {
  if (spec.like < 0) return spec.device;
  const Value& v = args[spec.like];
  return v.tag == Value::Tag::tensors ? v.tensors()[0].device() : v.tensor().device();
}

void set_handler(Key key, Handler handler) { handlers.of[static_cast<int>(key)] = handler; }

void set_override(const Op& op, Key key, Handler handler, void* context) {
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  r.overrides[{&op, key}] = {handler, context};
  r.any_override.store(true, std::memory_order_release);
}

void* override_context(const Op& op, Key key) {
  Registry& r = registry();
  std::shared_lock lock(r.mutex);
  const auto it = r.overrides.find({&op, key});
  return it == r.overrides.end() ? nullptr : it->second.second;
}

void slow(const Op& op, KeySet keys, const Value* args, Results& results) {
  const Key key = top(keys);
  Handler handler = override_of(op, key);
  if (!handler) handler = handlers.of[static_cast<int>(key)];
  if (handler) return handler(op, args, results);
  // A layer without a body (its module is not loaded) lets the call through.
  const Exclude off(bit(key));
  redispatch(op, args, results);
}

}  // namespace flambeau
