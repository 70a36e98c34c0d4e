// The table of ops and the one path between a call and a kernel. See docs/call.md.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/dispatch/results.h"
#include "core/dispatch/specs.h"
#include "core/dispatch/thread_state.h"
#include "core/dispatch/value.h"
#include "core/tensor/keys.h"

namespace flambeau::inline v1 {

struct Argument {
  const char* name;
  Type type;
  bool optional = false;
  bool optional_items = false;  // Tensor?[]
  bool list = false;
  int8_t list_size = 0;  // int[2]: one int stands for two
  bool keyword_only = false;
  bool out = false;        // an out= argument
  bool mutated = false;    // (a!)
  char alias = 0;          // the alias set, 'a'...; '*' in lists
  bool number_ok = false;  // a Python number may stand for this tensor
  bool has_default = false;
  Value default_value = {};
};

struct Return {
  Type type;
  bool list = false;
  bool mutated = false;
  char alias = 0;
  const char* name = "";  // of a named tuple's field
  bool optional = false;
};

namespace tag {  // flags of an op
constexpr uint32_t pointwise = 1, view = 2, inplace = 4, out = 8, inplace_view = 16, random = 32,
                   dynamic_shape = 64, composite_implicit = 128, composite_explicit = 256,
                   reduction = 512, core = 1024, data_dependent = 2048,
                   factory = 4096,  // takes requires_grad= in Python
    raises_on_values = 8192;        // an element may make it raise
}

struct Op;
struct OpFacts;
class Registrations;
using Boxed = void (*)(const Op& op, const Value* args, Results& results);
// Checks the arguments and says what the outputs are; touches no memory.
using Rule = void (*)(const Op& op, const Value* args, Specs& specs);
// Fills outputs that were allocated as the rule says, and checks nothing. Of in-place ops of their
// own, `outs` are the mutated arguments.
using Kernel = void (*)(const Op& op, const Tensor* outs, const Value* args);

struct Op {
  const char* ns;        // "aten"
  const char* name;      // "add", "add_"
  const char* overload;  // "Tensor", "" is the default one
  const char* schema;    // the whole line
  const Argument* args;
  uint8_t nargs;
  const Return* returns;
  uint8_t nreturns;
  KeySet mask;  // keys that concern this op
  uint32_t tags;
  Boxed call;                        // the typed entry, boxed: takes all keys into account
  const char* functional = nullptr;  // "add.Tensor": the functional twin of an in-place or out op
  // Below all layers; null for composites, whose parts have them. A derived form (`add_`) shares
  // those of its functional form, whose arguments come first in its own.
  Rule rule = nullptr;
  Kernel cpu = nullptr;
  void* runtime = nullptr;  // core/python: of an op that was defined at run time
  mutable const Registrations* registrations = nullptr;  // at run time; see registrations.h
  mutable OpFacts* facts = nullptr;                      // read it through facts_of
};

// What kernels of other devices ask of an op at each call: found out once, and kept.
struct OpFacts {
  const Op* twin = nullptr;      // the functional form, where it has the same rule
  bool between_devices = false;  // by `non_blocking`
  std::atomic<Kernel> kernels[kDeviceTypes] = {};  // those that were registered
};
OpFacts& facts_of(const Op& op);

// The built-in ops, sorted by name then overload; generated.
std::span<const Op* const> builtin_ops();
// "aten::add.Tensor" or "add.Tensor"; nullptr when there is none. Looks at the built-in ones first,
// then at those registered at run time.
const Op* find_op(std::string_view name);
const Op& register_op(Op op);  // takes over; RuntimeError when the name is taken
std::vector<const Op*> runtime_ops();
void remove_op(const Op& op);  // one of runtime_ops(): its name is free again
size_t runtime_op_changes();   // how often one was registered or removed

// The kernel for a device: what was registered for it, else the record's where it is the CPU;
// nullptr where there is none.
Kernel kernel_of(const Op& op, DeviceType device);
// At run time. Refused where no call would come to it; nullptr takes it away.
void register_kernel(const Op& op, DeviceType device, Kernel kernel);

// ---- dispatch

// A layer's body for all ops. It excludes its own key (and for layers below autograd the outer
// ones) and calls `redispatch` as often as it likes.
using Handler = void (*)(const Op& op, const Value* args, Results& results);
void set_handler(Key key, Handler handler);
// The body of the conjugate and negative layers, which are always there.
void resolve_lazy_bits(const Op& op, const Value* args, Results& results);
// The boxed path: gives the call to the outermost layer in `keys`, or to what was registered for
// this op there.
[[gnu::noinline]] void slow(const Op& op, KeySet keys, const Value* args, Results& results);
inline void redispatch(const Op& op, const Value* args, Results& results) {
  op.call(op, args, results);
}

[[gnu::always_inline]] inline KeySet keys_of(const Tensor& t) { return t.defined() ? t.keys() : 0; }
inline KeySet keys_of(TensorSpan list) {
  KeySet keys = 0;
  for (const Tensor& t : list) keys |= keys_of(t);
  return keys;
}
// A device that is asked for: the CPU alone needs no layer.
inline KeySet keys_of(Device device) { return device.is_cpu() ? 0 : bit(Key::backend); }
inline KeySet keys_of(const std::optional<Device>& device) {
  return device && !device->is_cpu() ? bit(Key::backend) : 0;
}
// A layout likewise.
inline KeySet keys_of(Layout layout) { return layout == Layout::strided ? 0 : bit(Key::backend); }
inline KeySet keys_of(const std::optional<Layout>& layout) { return layout ? keys_of(*layout) : 0; }
template <class T>
inline KeySet keys_of(const T&) {
  return 0;
}
KeySet active_keys(const Op& op, const Value* args);
// Without the bit of registrations, where this op has none or slow() found none that applies.
[[gnu::cold, gnu::noinline]] KeySet settled(const Op& op, KeySet keys);
template <class... A>
[[gnu::always_inline]] inline KeySet active_keys(KeySet mask, const A&... args) {
  return (thread_state.included | detail::everywhere.load(std::memory_order_relaxed) |
          (KeySet{0} | ... | keys_of(args))) &
         ~thread_state.excluded & mask;
}

namespace boxing {

Scalar number(const Results& r, size_t i);  // Error where it is none

template <class T>
struct Take;  // one result of this type
template <>
struct Take<Tensor> {
  static Tensor from(Results& r, size_t i) { return std::move(r.tensor(i)); }
};
template <>
struct Take<TensorVec> {
  static TensorVec from(Results& r, size_t i) {
    check(i < r.size() && r[i].tag() == Value::Tag::tensors,
          "expected a list of Tensors as result of a layer");
    return std::move(r[i].tensors());
  }
};
template <class T>
  requires(std::is_same_v<T, int64_t> || std::is_same_v<T, double> || std::is_same_v<T, bool> ||
           std::is_same_v<T, Scalar>)
struct Take<T> {
  static T from(Results& r, size_t i) {
    const Scalar s = number(r, i);
    if constexpr (std::is_same_v<T, int64_t>)
      return s.to_int();
    else if constexpr (std::is_same_v<T, double>)
      return s.to_double();
    else if constexpr (std::is_same_v<T, bool>)
      return s.to_bool();
    else
      return s;
  }
};
template <class T>
struct Take {
  static T from(Results& r, size_t i) {
    check(i < r.size(), "a layer gave ", r.size(), " results, which is too few");
    return T(Unbox<T>::get(r[i].view()));
  }
};
template <class T>
struct Take<std::vector<T>> {
  static std::vector<T> from(Results& r, size_t i) {
    const auto list = Take<std::span<const T>>::from(r, i);
    return {list.begin(), list.end()};
  }
};
template <>
struct Take<std::string> {
  static std::string from(Results& r, size_t i) {
    return std::string(Take<std::string_view>::from(r, i));
  }
};

// Moves what a typed entry gives into Results and back.
template <class T>
struct Give {
  [[gnu::always_inline]] static void put(Results& r, T&& v) { r.add(std::move(v)); }
  static T take(Results& r) { return Take<T>::from(r, 0); }
};
template <>
struct Give<void> {
  static void take(Results&) {}
};
template <class... T>
struct Give<std::tuple<T...>> {
  static void put(Results& r, std::tuple<T...>&& t) {
    std::apply([&](T&... v) { (r.add(std::move(v)), ...); }, t);
  }
  static std::tuple<T...> take(Results& r) { return take_all(r, std::index_sequence_for<T...>()); }

 private:
  template <size_t... I>
  static std::tuple<T...> take_all(Results& r, std::index_sequence<I...>) {
    return {Take<T>::from(r, I)...};
  }
};

// The boxed form of a typed entry: `Boxer<&ops::add_Tensor>::call`.
template <auto Fn>
struct Boxer;
template <class R, class... A, R (*Fn)(A...)>
struct Boxer<Fn> {
  static void call(const Op&, const Value* args, Results& results) {
    run(args, results, std::index_sequence_for<A...>());
  }

 private:
  template <size_t... I>
  static void run(const Value* args, Results& results, std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>)
      Fn(Unbox<A>::get(args[I])...);
    else
      Give<R>::put(results, Fn(Unbox<A>::get(args[I])...));
  }
};

}  // namespace boxing

// What a typed entry does when a key is set: boxes, and takes the slow path.
template <class R, class... A>
[[gnu::noinline]] R call_slow(const Op& op, KeySet keys, const A&... args) {
  const Value values[] = {boxing::box(args)..., Value()};
  Results results;
  slow(op, keys, values, results);
  return boxing::Give<R>::take(results);
}

}  // namespace flambeau::inline v1
