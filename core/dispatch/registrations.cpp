#include "core/dispatch/registrations.h"

#include <algorithm>
#include <shared_mutex>

#include "core/autograd/node.h"
#include "core/autograd/transform.h"

namespace flambeau::inline v1 {
namespace {

std::shared_mutex& mutex() {
  static auto* const made = new std::shared_mutex;  // ops outlive static destruction
  return *made;
}

struct KeyName {
  std::string_view name;
  Key key;
};
// Layers, by the names that PyTorch has for them.
constexpr KeyName kLayers[] = {
    {"Autograd", Key::autograd},
    {"Autocast", Key::autocast},
    {"Functionalize", Key::functionalize},
    {"Negative", Key::negative},
    {"Conjugate", Key::conjugate},
    {"Python", Key::python_dispatch},
    {"FuncTorchBatched", Key::transform_outer},
    {"FuncTorchVmapMode", Key::transform_outer},
    {"PreDispatch", Key::profiler},
};
struct DeviceName {
  std::string_view name;
  DeviceType type;
};
constexpr DeviceName kDevices[] = {
    {"CPU", DeviceType::cpu},   {"CUDA", DeviceType::cuda},
    {"HIP", DeviceType::hip},   {"XLA", DeviceType::xla},
    {"XPU", DeviceType::xpu},   {"MPS", DeviceType::mps},
    {"Meta", DeviceType::meta}, {"HPU", DeviceType::hpu},
    {"IPU", DeviceType::ipu},   {"VE", DeviceType::ve},
    {"Lazy", DeviceType::lazy}, {"MTIA", DeviceType::mtia},
    {"MAIA", DeviceType::maia}, {"PrivateUse1", DeviceType::private_use1}};

std::optional<int> device_named(std::string_view name) {
  for (const DeviceName& d : kDevices)
    if (d.name == name) return static_cast<int>(d.type);
  return std::nullopt;
}

const Registrations* published(const Op& op) {
  return std::atomic_ref(op.registrations).load(std::memory_order_acquire);
}

// The latest that stands at this layer for this device, or for all; nullptr.
const Registered* at_layer(const Registrations& all, Key key, DeviceType device) {
  const Registered* general = nullptr;
  for (auto e = all.entries.rbegin(); e != all.entries.rend(); ++e) {
    if (e->place.kind != Place::Kind::layer || e->place.key != key) continue;
    if (e->place.device == static_cast<int>(device)) return e->what.get();
    if (e->place.device < 0 && !general) general = e->what.get();
  }
  return general;
}

const Registered* of_kind(const Registrations& all, Place::Kind kind, int device = -1) {
  for (auto e = all.entries.rbegin(); e != all.entries.rend(); ++e)
    if (e->place.kind == kind && e->place.device == device) return e->what.get();
  return nullptr;
}

// The op's own implementation is one body for all devices, which any other such body replaces.
bool has_one_body(const Op& op) { return op.runtime || !op.cpu; }

const Registered* kernel(const Op& op, const Registrations& all, DeviceType device) {
  if (const Registered* r = of_kind(all, Place::Kind::kernel, static_cast<int>(device))) return r;
  if (!has_one_body(op)) return nullptr;
  if (const Registered* r = of_kind(all, Place::Kind::functional_body)) return r;
  if (const Registered* r = of_kind(all, Place::Kind::explicit_body)) return r;
  return of_kind(all, Place::Kind::implicit_body);
}

}  // namespace

std::optional<Place> Place::named(std::string_view name) {
  if (name.empty() || name == "CompositeExplicitAutograd")
    return Place{.kind = Kind::explicit_body};
  if (name == "CompositeImplicitAutograd") return Place{.kind = Kind::implicit_body};
  if (name == "CompositeExplicitAutogradNonFunctional") return Place{.kind = Kind::functional_body};
  if (const auto device = device_named(name)) return Place{.device = *device};
  for (const KeyName& layer : kLayers) {
    if (!name.starts_with(layer.name)) continue;
    const std::string_view rest = name.substr(layer.name.size());
    if (rest.empty()) return Place{Kind::layer, layer.key};
    const bool by_device = layer.key == Key::autograd || layer.key == Key::autocast;
    if (const auto device = device_named(rest); by_device && device)
      return Place{Kind::layer, layer.key, *device};
  }
  return std::nullopt;
}

// Old lists are kept: a call on another thread may just be reading one, and programs register
// seldom. What was taken away is retired, so that the lists keep no function alive.
static void publish(const Op& op, const Registrations* list) {
  std::atomic_ref(op.registrations).store(list, std::memory_order_release);
  if (list) include_everywhere(kRegistered);
}

void add_registration(const Op& op, const Place& place, Ref<const Registered> what) {
  const std::unique_lock lock(mutex());
  const Registrations* before = published(op);
  auto* list = before ? new Registrations(*before) : new Registrations;
  list->entries.push_back({place, std::move(what)});
  publish(op, list);
}

void remove_registration(const Op& op, const Registered* what) {
  {
    const std::unique_lock lock(mutex());
    const Registrations* before = published(op);
    if (!before) return;
    auto* list = new Registrations(*before);
    std::erase_if(list->entries, [&](const auto& e) { return e.what.get() == what; });
    publish(op, list->entries.empty() ? nullptr : list);
  }
  what->retire();  // which may run code of the program
}

Ref<const Registered> registration_at(const Op& op, const Place& place) {
  if (const Registrations* all = published(op))
    for (auto e = all->entries.rbegin(); e != all->entries.rend(); ++e)
      if (e->place == place) return e->what;
  return nullptr;
}

Ref<const Registered> registered_kernel(const Op& op, DeviceType device) {
  const Registrations* all = published(op);
  return Ref<const Registered>(all ? kernel(op, *all, device) : nullptr);
}

const char* dispatch_key_name(DeviceType device) {
  for (const DeviceName& d : kDevices)
    if (d.type == device) return d.name.data();
  return device_type_name(device);
}

bool is_implicit(const Op& op) {
  return (op.tags & tag::composite_implicit) ||
         registration_at(op, {.kind = Place::Kind::implicit_body});
}

KeySet concerned_layers(const Op& op, const Value* args) {
  const Registrations* all = published(op);
  const Registered* parts = all ? of_kind(*all, Place::Kind::implicit_body) : nullptr;
  if (!parts) return kAllKeys;
  const DeviceType device = device_of_call(op, args);
  if (kernel(op, *all, device) != parts) return kAllKeys;
  KeySet layers = kCompositeKeys;
  for (const auto& e : all->entries)
    if (e.place.kind == Place::Kind::layer && at_layer(*all, e.place.key, device))
      layers |= bit(e.place.key);
  // A rule for vmap has no say in other transforms.
  const TransformLevel* level = current_level();
  const bool batched = level && level->kind == TransformLevel::Kind::vmap;
  return batched ? layers : layers & ~bit(Key::transform_outer);
}

void bump_mutated(const Op& op, const Value* args) {
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (op.args[i].mutated) bump_version(t);
  });
}

DeviceType device_of_call(const Op& op, const Value* args) {
  std::optional<DeviceType> found;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) {
    if (!found || *found == DeviceType::cpu) found = t.device().type;
  });
  for (size_t i = 0; i < op.nargs && !found; ++i)
    if (args[i].tag == Value::Tag::device) found = args[i].device_.type;
  return found.value_or(DeviceType::cpu);
}

int64_t elements_of_call(const Op& op, const Value* args) {
  int64_t all = 0;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) { all += t.numel(); });
  return all;
}

bool call_registered(const Op& op, KeySet keys, const Value* args, Results& results) {
  const Registrations* all = published(op);
  if (!all) return false;
  const DeviceType device = device_of_call(op, args);
  KeySet layers = keys & ~(kRegistered | bit(Key::backend));
  // Autograd sees every call that is not below it, also of tensors that want no gradient.
  if (!thread_state.below_autograd && !thread_state.inference_mode &&
      at_layer(*all, Key::autograd, device))
    layers |= kAutograd;
  // Rules for vmap are asked by the level itself, which knows what is batched.
  if (layers && top(layers) == Key::transform_outer) return false;
  Ref<const Registered> found;
  bool body = false;
  if (layers) {
    found = Ref<const Registered>(at_layer(*all, top(layers), device));
  } else {
    found = Ref<const Registered>(kernel(op, *all, device));
    body = found && found.get() == of_kind(*all, Place::Kind::implicit_body);
  }
  if (!found) return false;
  if (layers || body) {
    found->call(op, args, results);
    return true;
  }
  {  // in place of the kernel, so below autograd
    const Exclude off(kAutograd);
    found->call(op, args, results);
  }
  bump_mutated(op, args);
  return true;
}

}  // namespace flambeau::inline v1
