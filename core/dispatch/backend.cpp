#include "core/dispatch/backend.h"

#include <cstring>
#include <deque>
#include <mutex>
#include <set>

#include "core/autograd/node.h"
#include "core/dispatch/outputs.h"
#include "core/dispatch/registrations.h"
#include "core/random/generator.h"

namespace flambeau::inline v1 {
namespace {

constexpr KeySet kBackend = bit(Key::backend);
constexpr int kLayouts = static_cast<int>(Layout::jagged) + 1;

std::atomic<Handler> handlers[kDeviceTypes][kLayouts];
std::atomic<Fallback> fallbacks[kDeviceTypes];

template <class F>
void for_each_tensor(const Op& op, const Value* args, F&& f) {
  for (size_t i = 0; i < op.nargs; ++i) {
    if (args[i].tag == Value::Tag::tensor) {
      f(i, args[i].tensor());
    } else if (args[i].tag == Value::Tag::tensors) {
      for (const Tensor& t : args[i].tensors())
        if (t.defined()) f(i, t);
    }
  }
}

// ---- where a call belongs

// Note [Mixed devices]
// Tensors of other devices than the CPU have the backend bit, so a call that mixes devices comes
// here, and the CPU's own calls need no check. A 0-dim tensor on the CPU is a number, and goes
// with any device; so do indices. Ops with `non_blocking` move between devices.
bool moves_between_devices(const Op& op) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (std::strcmp(op.args[i].name, "non_blocking") == 0) return true;
  return false;
}

bool goes_with_any(const Argument& argument, const Tensor& t) {
  return t.device().is_cpu() && (t.dim() == 0 || (argument.list && argument.optional_items));
}

// Note [Tensors without memory]: a wrapper subclass has a geometry and no bytes. Its backend bit
// keeps it from kernels when the class does not answer.
bool is_wrapper(const Tensor& t) {
  return !t.impl()->storage() || t.impl()->storage()->device().type != t.device().type;
}

struct Place {
  Device device;  // of the tensors, or the one that is asked for where there are none
  Layout layout = Layout::strided;
  bool found = false;
};

Place place_of(const Op& op, const Value* args) {
  Place place;
  const bool moves = moves_between_devices(op);
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (t.keys() & kBackend) {
      if (is_wrapper(t))
        raise<NotImplementedError>(op.name,
                                   ": a tensor without memory of its own reached the kernel; "
                                   "its __torch_dispatch__ must unwrap it");
      if (t.layout() != Layout::strided) place.layout = t.layout();
    }
    if (goes_with_any(op.args[i], t)) return;
    if (place.found && t.device() != place.device && !moves)
      raise(op.name,
            ": Expected all tensors to be on the same device, but found at least two devices, ",
            place.device.str(), " and ", t.device().str(), "! Move them with .to(device) first.");
    if (!place.found || place.device.is_cpu()) place.device = t.device();
    place.found = true;
  });
  return place;
}

const Device* asked_device(const Op& op, const Value* args) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (args[i].tag == Value::Tag::device) return &args[i].device_;
  return nullptr;
}

// ---- the fall-back

void warn_of(const Op& op, Device device) {
  switch (fallbacks[static_cast<int>(device.type)].load(std::memory_order_relaxed)) {
    case Fallback::silent:
      return;
    case Fallback::refuse:
      raise<NotImplementedError>(op.ns, "::", op.name, ": there is no kernel for device '",
                                 device.str(), "', and falling back on the CPU is switched off");
    case Fallback::warn:
      break;
  }
  static std::mutex mutex;
  static auto* const warned = new std::set<std::pair<const Op*, DeviceType>>;
  {
    const std::lock_guard lock(mutex);
    if (!warned->insert({&op, device.type}).second) return;
  }
  warn(concat(op.ns, "::", op.name, ": there is no kernel for device '", device.str(),
              "', so it runs on the CPU, on copies; this may be slow"));
}

int64_t last_element(const Tensor& t) {
  int64_t last = t.offset();
  for (int64_t d = 0; d < t.dim(); ++d) last += (t.sizes()[d] - 1) * t.strides()[d];
  return last;
}

// The arguments of a call as CPU tensors of the same geometry. Tensors that share memory do so
// again, so that overlap is what it was.
class Staged {
 public:
  Staged(const Op& op, const Value* args) : values_(args, args + op.nargs) {
    for_each_tensor(op, args, [&](size_t, const Tensor& t) { reserve(t); });
    for (Part& part : parts_) fetch(part);
    for (size_t i = 0; i < op.nargs; ++i) {
      Value& v = values_[i];
      const bool mutated = op.args[i].mutated || op.args[i].out;
      if (v.tag == Value::Tag::tensor) {
        v = boxing::box(staged(v.tensor(), mutated));
      } else if (v.tag == Value::Tag::tensors) {
        TensorVec& list = lists_.emplace_back();
        for (const Tensor& t : v.tensors()) list.push_back(t.defined() ? staged(t, mutated) : t);
        v = boxing::box(list);
      } else if (v.tag == Value::Tag::device) {
        v = boxing::box(Device{});
      }
    }
  }

  const Value* values() const { return values_.data(); }

  // Changed arguments go back, and results to `device`.
  void give_back(Results& results, Device device) {
    for (const Pair& pair : pairs_) {
      if (!pair.mutated) continue;
      bump_version(pair.own);
      if (pair.cpu.impl()->storage() == pair.part->cpu &&
          same(pair.cpu.sizes(), pair.own.sizes()) && same(pair.cpu.strides(), pair.own.strides()))
        store(*pair.part);
      else
        overwrite(pair.own, pair.cpu);
    }
    for (Owned& result : results) {
      if (result.is_tensor()) result.tensor() = given_back(std::move(result.tensor()), device);
      if (result.tag() == Value::Tag::tensors)
        for (Tensor& t : result.tensors()) t = given_back(std::move(t), device);
    }
  }

 private:
  // A stretch of a storage on the device, and its copy.
  struct Part {
    Ref<Storage> own, cpu;
    size_t begin = 0, end = 0;
  };
  struct Pair {
    Tensor own, cpu;
    Part* part;
    bool mutated;
  };

  static bool stays(const Tensor& t) { return t.device().is_cpu() || t.is_meta(); }

  Part& part_of(const Tensor& t) {
    for (Part& part : parts_)
      if (part.own == t.impl()->storage()) return part;
    parts_.push_back({t.impl()->storage(), {}, SIZE_MAX, 0});
    return parts_.back();
  }

  void reserve(const Tensor& t) {
    if (stays(t)) return;
    Part& part = part_of(t);
    if (t.numel() == 0) return;
    t.device_bytes();  // raises where they are not all there
    const size_t item = t.itemsize();
    // Any element may begin at a multiple of the largest one.
    part.begin = std::min(part.begin, static_cast<size_t>(t.offset()) * item & ~size_t{15});
    part.end = std::max(part.end, static_cast<size_t>(last_element(t) + 1) * item);
  }

  static void fetch(Part& part) {
    if (part.end <= part.begin) part.begin = part.end = 0;
    const size_t nbytes = part.end - part.begin;
    part.cpu = Storage::allocate(nbytes, Device{});
    const Device from = part.own->device();
    if (nbytes)
      require_device(from.type).copy(part.cpu->data(), Device{},
                                     static_cast<char*>(part.own->data()) + part.begin, from,
                                     nbytes);
  }

  static void store(const Part& part) {
    const Device to = part.own->device();
    if (part.end > part.begin)
      require_device(to.type).copy(static_cast<char*>(part.own->data()) + part.begin, to,
                                   part.cpu->data(), Device{}, part.end - part.begin);
  }

  const Tensor& staged(const Tensor& t, bool mutated) {
    for (Pair& pair : pairs_) {
      if (!pair.own.is(t)) continue;
      pair.mutated |= mutated;
      return pair.cpu;
    }
    if (stays(t)) return t;
    Part& part = part_of(t);
    auto* const impl = new TensorImpl(part.cpu, t.dtype(), Device{});
    Tensor cpu = Tensor::adopt(impl);
    const auto skipped = static_cast<int64_t>(part.begin / t.itemsize());
    impl->set_geometry(t.sizes(), t.strides(), t.numel() ? t.offset() - skipped : 0);
    impl->wrapped_number = t.impl()->wrapped_number;
    impl->inference = t.impl()->inference;
    impl->keys = t.keys() & (kConjugate | kNegative);
    pairs_.push_back({t, std::move(cpu), &part, mutated});
    return pairs_.back().cpu;
  }

  Tensor given_back(Tensor t, Device device) {
    if (!t.defined()) return t;
    for (const Pair& pair : pairs_)
      if (pair.cpu.is(t)) return pair.own;
    return t.device().is_cpu() && !device.is_cpu() ? moved(t, device) : t;
  }

  static Tensor contiguous(const Tensor& t) {
    static const Op& op = *find_op("clone");
    const Value args[] = {boxing::box(t), boxing::box(MemoryFormat::contiguous)};
    Results results;
    redispatch(op, args, results);
    return std::move(results.tensor());
  }

  static Tensor moved(const Tensor& t, Device device) {
    const Tensor from = t.impl()->dense() && !t.is_conj() && !t.is_neg() ? t : contiguous(t);
    const Tensor to = empty_strided(from.sizes(), from.strides(), {from.dtype(), device});
    to.impl()->wrapped_number = t.impl()->wrapped_number;
    if (from.numel())
      require_device(device.type)
          .copy(to.device_bytes(), device, from.bytes(), Device{},
                static_cast<size_t>(from.numel()) * from.itemsize());
    return to;
  }

  // An output that was resized: it is contiguous now.
  static void overwrite(const Tensor& own, const Tensor& cpu) {
    const Tensor from = contiguous(cpu);
    resize(own, cpu.sizes());
    const Dims strides = contiguous_strides(own.sizes());
    if (!same(own.strides(), strides)) own.impl()->set_geometry(own.sizes(), strides, own.offset());
    if (from.numel())
      require_device(own.device().type)
          .copy(own.device_bytes(), own.device(), from.bytes(), Device{},
                static_cast<size_t>(from.numel()) * from.itemsize());
  }

  std::vector<Value> values_;
  std::deque<Part> parts_;
  std::deque<Pair> pairs_;
  std::deque<TensorVec> lists_;
};

void fall_back(const Op& op, const Value* args, Results& results, Device device) {
  const Device* const asked = asked_device(op, args);
  // Moving to and from the CPU is what the table's copy is there for.
  bool moves = asked != nullptr || op.nreturns == 0 || op.returns[0].type != Type::tensor;
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    moves |= t.device() != device && !goes_with_any(op.args[i], t);
  });
  if (!moves) warn_of(op, device);
  const UseGenerator scope(require_device(device.type).generator(device.index));
  Staged staged(op, args);
  redispatch(op, staged.values(), results);
  staged.give_back(results, asked ? resolved(*asked) : device);
}

// ---- kernels of the device

// The arguments with all tensors on the device, and numbers in the dtype of the result.
class OnDevice {
 public:
  OnDevice(const Op& op, const Value* args, Device device, std::optional<DType> result)
      : values_(args, args + op.nargs) {
    static const Op& to_copy = *find_op("_to_copy");
    for (size_t i = 0; i < op.nargs; ++i) {
      Value& v = values_[i];
      if (v.tag != Value::Tag::tensor || v.tensor().device() == device) continue;
      const Tensor& t = v.tensor();
      const bool cast = result && t.impl()->wrapped_number;
      const Value dtype = cast ? boxing::box(*result) : Value();
      const Value move[] = {v, dtype, {}, boxing::box(device), {}, boxing::box(false), {}};
      Results moved;
      redispatch(to_copy, move, moved);
      moved.tensor().impl()->wrapped_number = t.impl()->wrapped_number;
      kept_.push_back(std::move(moved.tensor()));
      v = boxing::box(kept_.back());
    }
  }
  const Value* values() const { return values_.data(); }

 private:
  std::vector<Value> values_;
  std::deque<Tensor> kept_;
};

Tensor made(const OutputSpec& spec, Device device) {
  const TensorOptions options{spec.dtype, device};
  return spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                      : empty(spec.sizes, options);
}

// False where there is no kernel for these arguments.
bool run_kernel(const Op& op, const Value* args, Results& results, Device device) {
  const Op* const twin = op.functional ? find_op(op.functional) : nullptr;
  Kernel kernel = kernel_of(op, device.type);
  if (!kernel && twin && twin->rule == op.rule) kernel = kernel_of(*twin, device.type);
  if (!kernel || !op.rule) return false;
  bool elsewhere = false;
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    const bool number = t.dim() == 0 && !op.args[i].list;
    elsewhere |= t.device() != device && (!number || op.args[i].mutated);
  });
  const Device* const asked = asked_device(op, args);
  if (elsewhere || (asked && resolved(*asked) != device)) return false;
  Specs specs;
  op.rule(op, args, specs);
  std::optional<DType> result;
  if (specs.size > 0 && specs.outputs[0].dtype != DType::boolean) result = specs.outputs[0].dtype;
  const OnDevice own(op, args, device, result);
  TensorVec outs, given;
  for (const OutputSpec& spec : specs.all()) outs.push_back(made(spec, device));
  for (size_t i = 0; i < op.nargs; ++i)
    if (op.args[i].mutated || op.args[i].out) {
      if (args[i].tag != Value::Tag::tensor) return false;
      given.push_back(args[i].tensor());
    }
  const bool own_inplace = outs.empty();
  try {
    kernel(op, own_inplace ? given.data() : outs.data(), own.values());
  } catch (const NoKernel&) {
    return false;
  }
  if (specs.is_list) {
    results.add(std::move(outs));
    return true;
  }
  if (own_inplace) bump_mutated(op, args);
  for (size_t i = 0; i < (own_inplace ? given : outs).size(); ++i) {
    if (!own_inplace && !given.empty()) {
      if (op.tags & tag::inplace)
        give_inplace(op.name, given[i], outs[i]);
      else
        resize_and_give(op.name, given[i], outs[i]);
    }
    results.add(given.empty() ? outs[i] : given[i]);
  }
  return true;
}

// Views, detach and the like: they name a tensor's memory and do not touch it.
bool touches_no_memory(const Op& op) {
  return (op.tags & (tag::view | tag::inplace_view)) ||
         (op.nreturns > 0 && op.returns[0].alias && !op.returns[0].mutated);
}

// Meta has rules and no kernels, and what leads from it to the CPU makes new memory or refuses.
void run_on_meta(const Op& op, const Value* args, Results& results) {
  const Exclude off(kBackend);
  redispatch(op, args, results);
}

// The place where there is work to do: where the tensors are, or the device that is asked for where
// they are on the CPU or on meta.
Place work_place(const Op& op, const Value* args) {
  Place place = place_of(op, args);
  if (const Device* const asked = asked_device(op, args)) {
    const bool elsewhere = place.found && !place.device.is_cpu() && !place.device.is_meta();
    if (!elsewhere || asked->is_meta()) place.device = resolved(*asked);
  }
  return place;
}

void dispatch(const Op& op, const Value* args, Results& results) {
  const Place place = work_place(op, args);
  const int device = static_cast<int>(place.device.type), layout = static_cast<int>(place.layout);
  const Handler handler = handlers[device][layout].load(std::memory_order_acquire);
  if (handler) return handler(op, args, results);
  const bool strided = place.layout == Layout::strided;
  if (strided && (place.device.is_meta() || place.device.is_cpu()))
    return run_on_meta(op, args, results);
  require_device(place.device.type);
  if (strided) return run_on_device(op, args, results);
  raise<NotImplementedError>(op.name, ": not supported for tensors of layout torch.",
                             layout_name(place.layout), " on device '", place.device.str(), "'");
}

[[maybe_unused]] const bool registered = (set_handler(Key::backend, dispatch), true);

}  // namespace

void set_backend_handler(DeviceType device, Layout layout, Handler handler) {
  handlers[static_cast<int>(device)][static_cast<int>(layout)].store(handler,
                                                                     std::memory_order_release);
}

void set_fallback(DeviceType device, Fallback fallback) {
  fallbacks[static_cast<int>(device)].store(fallback, std::memory_order_relaxed);
}

void run_on_device(const Op& op, const Value* args, Results& results) {
  if (touches_no_memory(op)) {
    const Exclude off(kBackend);
    return redispatch(op, args, results);
  }
  const Device device = work_place(op, args).device;
  if (!run_kernel(op, args, results, device)) fall_back(op, args, results, device);
}

}  // namespace flambeau::inline v1
