#include "core/dispatch/backend.h"

#include <deque>
#include <mutex>
#include <set>

#include "core/autograd/node.h"
#include "core/dispatch/outputs.h"
#include "core/dispatch/registrations.h"
#include "core/random/generator.h"
#include "core/tensor/overlap.h"

namespace flambeau::inline v1 {
namespace {

constexpr KeySet kBackend = bit(Key::backend);
constexpr int kLayouts = static_cast<int>(Layout::jagged) + 1;

std::atomic<Handler> handlers[kDeviceTypes][kLayouts];
std::atomic<Fallback> fallbacks[kDeviceTypes];

// ---- where a call belongs

// Note [Mixed devices]
// Tensors of other devices than the CPU have the backend bit, so a call that mixes devices comes
// here, and the CPU's own calls need no check. A 0-dim tensor on the CPU is a number, and goes
// with any device; so do indices. Ops with `non_blocking` move between devices.
bool goes_with_any(const Argument& argument, const Tensor& t) {
  return t.device().is_cpu() && (t.dim() == 0 || (argument.list && argument.optional_items));
}

// Note [Tensors without memory]: a wrapper subclass has a geometry and no bytes. Its backend bit
// keeps it from kernels when the class does not answer. One of another layout has a payload for the
// handler of that layout; a transform's wrapper has one that is nobody else's.
bool is_wrapper(const Tensor& t) {
  if (t.layout() != Layout::strided)
    return !t.impl()->payload || (t.keys() & bit(Key::transform_outer));
  return !t.impl()->storage() || t.impl()->storage()->device().type != t.device().type;
}

struct Place {
  Device device;  // of the tensors, or the one that is asked for where there are none
  Layout layout = Layout::strided;
  bool found = false;
};

[[noreturn]] void raise_mixed(const Op& op, Device a, Device b) {
  raise(op.name,
        ": Expected all tensors to be on the same device, but found at least two devices, ",
        a.str(), " and ", b.str(), "! Move them with .to(device) first.");
}

Place place_of(const Op& op, const Value* args) {
  Place place;
  const bool moves = facts_of(op).between_devices;
  const Tensor* first = nullptr;
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (t.keys() & kBackend) {
      if (is_wrapper(t))
        raise<NotImplementedError>(op.name,
                                   ": a tensor without memory of its own reached the kernel; "
                                   "its __torch_dispatch__ must unwrap it");
      if (t.layout() != Layout::strided) {
        check(place.layout == Layout::strided || place.layout == t.layout(), op.name,
              ": Expected tensors of one layout beside strided ones, but found torch.",
              layout_name(place.layout), " and torch.", layout_name(t.layout()),
              ": convert one of them");
        place.layout = t.layout();
      }
    }
    if (!first) first = &t;
    if (goes_with_any(op.args[i], t)) return;
    if (place.found && t.device() != place.device && !moves)
      raise_mixed(op, place.device, t.device());
    if (!place.found || place.device.is_cpu()) place.device = t.device();
    place.found = true;
  });
  // A structured op puts its results where its first tensor is.
  if (place.found && op.rule && !(op.tags & tag::pointwise) && !moves &&
      first->device() != place.device)
    raise_mixed(op, first->device(), place.device);
  return place;
}

// The argument that is a device, or a layout; null where none is asked for.
const Value* asked(const Op& op, const Value* args, Value::Tag tag) {
  const Value* const end = args + op.nargs;
  const Value* const v = std::find_if(args, end, [tag](const Value& a) { return a.tag == tag; });
  return v == end ? nullptr : v;
}
const Device* asked_device(const Op& op, const Value* args) {
  const Value* const v = asked(op, args, Value::Tag::device);
  return v ? &v->device_ : nullptr;
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

// Those of a dense tensor into one of the same geometry, wherever they are.
void copy_elements(const Tensor& to, const Tensor& from) {
  if (from.numel() == 0) return;
  const auto address = [](const Tensor& t) {
    return t.device().is_cpu() ? t.bytes() : t.device_bytes();
  };
  copy_bytes(address(to), to.device(), address(from), from.device(),
             static_cast<size_t>(from.numel()) * from.itemsize());
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
      copy_bytes(part.cpu->data(), Device{}, static_cast<char*>(part.own->data()) + part.begin,
                 from, nbytes);
  }

  static void store(const Part& part) {
    const Device to = part.own->device();
    if (part.end > part.begin)
      copy_bytes(static_cast<char*>(part.own->data()) + part.begin, to, part.cpu->data(), Device{},
                 part.end - part.begin);
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
    copy_elements(to, from);
    return to;
  }

  // An output that was resized: it is contiguous now.
  static void overwrite(const Tensor& own, const Tensor& cpu) {
    const Tensor from = contiguous(cpu);
    resize(own, cpu.sizes());
    const Dims strides = contiguous_strides(own.sizes());
    if (!same(own.strides(), strides)) own.impl()->set_geometry(own.sizes(), strides, own.offset());
    copy_elements(own, from);
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

// The arguments with all tensors on the device, and a Python number that the rule saw as a tensor
// (`x + 1`) as that number.
class OnDevice {
 public:
  OnDevice(const Op& op, const Value* args, Device device) : values_(args, args + op.nargs) {
    static const Op& to_copy = *find_op("_to_copy");
    for (size_t i = 0; i < op.nargs; ++i) {
      Value& v = values_[i];
      if (v.tag != Value::Tag::tensor || v.tensor().device() == device) continue;
      if (v.tensor().impl()->wrapped_number) {
        v = boxing::box(numbers_.emplace_back(v.tensor().value()));
        continue;
      }
      const Value move[] = {v, {}, {}, boxing::box(device), {}, boxing::box(false), {}};
      Results moved;
      redispatch(to_copy, move, moved);
      v = boxing::box(kept_.emplace_back(std::move(moved.tensor())));
    }
  }
  const Value* values() const { return values_.data(); }

 private:
  std::vector<Value> values_;
  std::deque<Tensor> kept_;
  std::deque<Scalar> numbers_;
};

Tensor made(const OutputSpec& spec, Device device) {
  const TensorOptions options{spec.dtype, device};
  return spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                      : empty(spec.sizes, options);
}

// Whether a fresh output would have just this geometry and dtype.
bool is_as_made(const Tensor& t, const OutputSpec& spec) {
  return t.dtype() == spec.dtype && same(t.sizes(), spec.sizes) &&
         same(t.strides(), spec.strides ? *spec.strides : contiguous_strides(spec.sizes));
}

// Whether a kernel that writes `target` might read there what it has written. One that goes
// element by element does not where an argument is the target, element for element, and refuses
// those that are shifted or would have to grow, as on the CPU.
bool reads(const Op& op, const Value* args, const Tensor& target, IntSpan sizes) {
  const bool pointwise = op.tags & tag::pointwise;
  bool found = false;
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (op.args[i].out) return;
    if (pointwise) {
      check_not_shifted(op.name, target, t);
      if (t.is(target)) check_shape(op.name, target, sizes);
    }
    const bool in_place =
        pointwise && same(target.sizes(), sizes) && memory_overlap(t, target) == MemOverlap::full;
    found |= may_change(t, target, sizes) && !in_place;
  });
  return found;
}

// What the kernel of `add_` or `add.out` writes: what the caller gave, where it is as the rule
// would make it and not read meanwhile, or else something fresh. Whatever could be refused is
// refused here, before the first is changed.
TensorVec targets(const Op& op, const Value* args, std::span<const Tensor* const> given,
                  std::span<const OutputSpec> specs, Device device) {
  if (op.tags & tag::inplace) {
    for (size_t i = 0; i < given.size(); ++i) {
      check_self(op.name, *given[i], specs[i]);
      check_written_once(op.name, *given[i]);
    }
  } else {
    check_outs(op.name, given, std::vector<Wanted>(specs.begin(), specs.end()));
  }
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (!op.args[i].out && t.numel() && !t.device().is_cpu()) t.device_bytes();  // all is there
  });
  std::vector<bool> is_read;
  for (size_t i = 0; i < given.size(); ++i)
    is_read.push_back(reads(op, args, *given[i], specs[i].sizes));
  TensorVec outs;
  for (size_t i = 0; i < given.size(); ++i) {
    const bool free = !is_read[i];
    if (free && !(op.tags & tag::inplace)) resize_out(*given[i], specs[i].sizes, op.name);
    outs.push_back(free && is_as_made(*given[i], specs[i]) ? *given[i] : made(specs[i], device));
  }
  return outs;
}

// False where there is no kernel for these arguments.
bool run_kernel(const Op& op, const Value* args, Results& results, Device device) {
  const Op* const twin = facts_of(op).twin;
  Kernel kernel = kernel_of(op, device.type);
  if (!kernel && twin) kernel = kernel_of(*twin, device.type);
  if (!kernel || !op.rule) return false;
  bool elsewhere = false;
  std::vector<const Tensor*> given;
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    const bool written = op.args[i].mutated || op.args[i].out;
    const bool number = t.dim() == 0 && !op.args[i].list;
    elsewhere |= t.device() != device && (!number || written);
    elsewhere |= written && op.args[i].list;
    if (written) given.push_back(&t);
  });
  const Device* const asked = asked_device(op, args);
  if (elsewhere || (asked && resolved(*asked) != device)) return false;
  Specs specs;
  op.rule(op, args, specs);
  const std::span<const OutputSpec> wanted = specs.all();
  TensorVec outs;
  if (wanted.empty()) {
    for (const Tensor* t : given) outs.push_back(*t);
  } else if (given.empty()) {
    for (const OutputSpec& spec : wanted) outs.push_back(made(spec, device));
  } else if (given.size() == wanted.size()) {
    outs = targets(op, args, given, wanted, device);
  } else {
    return false;
  }
  try {
    kernel(op, outs.data(), OnDevice(op, args, device).values());
  } catch (const NoKernel&) {
    return false;
  }
  if (specs.is_list) {
    results.add(std::move(outs));
    return true;
  }
  for (size_t i = 0; i < outs.size(); ++i) {
    if (given.empty()) {
      results.add(outs[i]);
      continue;
    }
    if (outs[i].is(*given[i]))
      bump_version(outs[i]);
    else if (op.tags & tag::inplace)
      give_inplace(op.name, *given[i], outs[i]);
    else
      resize_and_give(op.name, *given[i], outs[i]);
    results.add(*given[i]);
  }
  return true;
}

// ---- what moves bytes and changes none

bool is_plain(const Tensor& t) {
  return t.layout() == Layout::strided && !t.is_meta() && !is_wrapper(t) && t.impl()->dense() &&
         !t.is_conj() && !t.is_neg();
}

bool copy_into(const Tensor& to, const Tensor& from) {
  if (!is_plain(to) || !is_plain(from) || to.dtype() != from.dtype() ||
      !same(to.sizes(), from.sizes()) || !same(to.strides(), from.strides()) ||
      memory_overlap(to, from) != MemOverlap::none)
    return false;
  copy_elements(to, from);
  return true;
}

// Copies and clones of dense tensors are what the table's copy is there for. False of others.
bool copy_whole(const Op& op, const Value* args, Results& results) {
  static const Op *const copy = find_op("copy_"), *const clone = find_op("clone"),
                         *const to_copy = find_op("_to_copy");
  if (&op != copy && &op != clone && &op != to_copy) return false;
  Specs specs;
  op.rule(op, args, specs);
  const Tensor& self = args[0].tensor();
  if (&op == copy) {
    if (!copy_into(self, args[1].tensor())) return false;
    bump_version(self);
    results.add(self);
    return true;
  }
  const Device* const asked = asked_device(op, args);
  if (!is_plain(self) || !is_as_made(self, specs.outputs[0])) return false;
  const Tensor to = made(specs.outputs[0], asked ? resolved(*asked) : self.device());
  if (!copy_into(to, self)) return false;
  results.add(to);
  return true;
}

// Meta has rules and no kernels, and what leads from it to the CPU makes new memory or refuses.
void run_on_meta(const Op& op, const Value* args, Results& results) {
  const Exclude off(kBackend);
  redispatch(op, args, results);
}

// The place where there is work to do: where the tensors are, or the device that is asked for where
// they are on the CPU or on meta; their layout, or the one that is asked for of strided ones.
Place work_place(const Op& op, const Value* args) {
  Place place = place_of(op, args);
  if (const Device* const asked = asked_device(op, args)) {
    const bool elsewhere = place.found && !place.device.is_cpu() && !place.device.is_meta();
    if (!elsewhere || asked->is_meta()) place.device = resolved(*asked);
  }
  const Value* const layout = asked(op, args, Value::Tag::layout);
  if (place.layout == Layout::strided && layout) place.layout = layout->layout_;
  return place;
}

// A handler that passes on a call without having unwrapped every tensor of its layout, those in
// lists too, is handed it again. That ends here, before the stack does.
struct Round {
  static inline thread_local int number = 0;
  Round() { ++number; }
  ~Round() { --number; }
};

void dispatch(const Op& op, const Value* args, Results& results) {
  const Place place = work_place(op, args);
  const int device = static_cast<int>(place.device.type), layout = static_cast<int>(place.layout);
  const Handler handler = handlers[device][layout].load(std::memory_order_acquire);
  if (handler) {
    const Round round;
    if (round.number <= 200) return handler(op, args, results);
    raise<RecursionError>(op.name, ": the handler for layout torch.", layout_name(place.layout),
                          " on device '", place.device.str(),
                          "' asked itself 200 times: it has to "
                          "unwrap its tensors, those in lists too, or to exclude Key::backend");
  }
  const bool strided = place.layout == Layout::strided;
  if (strided && (place.device.is_meta() || place.device.is_cpu()))
    return run_on_meta(op, args, results);
  require_device(place.device.type);
  if (strided) return run_on_device(op, args, results);
  raise<NotImplementedError>(op.name, ": layout torch.", layout_name(place.layout),
                             " is not supported on device '", place.device.str(),
                             "': no handler is registered for it");
}

[[maybe_unused]] const bool registered = (set_handler(Key::backend, dispatch), true);

}  // namespace

void set_backend_handler(DeviceType device, Layout layout, Handler handler) {
  handlers[static_cast<int>(device)][static_cast<int>(layout)].store(handler,
                                                                     std::memory_order_release);
}

Tensor with_payload(std::unique_ptr<Payload> payload, IntSpan sizes, TensorOptions options) {
  check(payload && options.layout != Layout::strided,
        "with_payload: a strided tensor has memory, and one of another layout a payload");
  auto* const impl = new TensorImpl(Storage::allocate(0, Device{DeviceType::meta}), options.dtype,
                                    resolved(options.device));
  Tensor t = Tensor::adopt(impl);
  impl->begin_contiguous(sizes);
  impl->set_layout(options.layout);
  impl->payload = std::move(payload);
  impl->inference = thread_state.inference_mode;
  impl->keys |= kBackend;
  return t;
}

void set_fallback(DeviceType device, Fallback fallback) {
  fallbacks[static_cast<int>(device)].store(fallback, std::memory_order_relaxed);
}

bool touches_no_memory(const Op& op) {
  return (op.tags & (tag::view | tag::inplace_view)) ||
         (op.nreturns > 0 && op.returns[0].alias && !op.returns[0].mutated);
}

void run_on_device(const Op& op, const Value* args, Results& results) {
  if (touches_no_memory(op)) {
    const Exclude off(kBackend);
    return redispatch(op, args, results);
  }
  const Device device = work_place(op, args).device;
  if (!run_kernel(op, args, results, device) && !copy_whole(op, args, results))
    fall_back(op, args, results, device);
}

}  // namespace flambeau::inline v1
