// The table of ops and the one path between a call and a kernel. See docs/call.md.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/dispatch/specs.h"
#include "core/dispatch/thread_state.h"
#include "core/dispatch/value.h"
#include "core/tensor/keys.h"

namespace flambeau {

struct Argument {
  const char* name;
  Type type;
  bool optional = false;
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
};

namespace tag {  // flags of an op
constexpr uint32_t pointwise = 1, view = 2, inplace = 4, out = 8, inplace_view = 16, random = 32,
                   dynamic_shape = 64, composite_implicit = 128, composite_explicit = 256,
                   reduction = 512, core = 1024, data_dependent = 2048,
                   factory = 4096;  // takes requires_grad= in Python
}

struct Op;
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
  void* runtime = nullptr;  // core/python: what was registered at run time for this op
};

// The built-in ops, sorted by name then overload; generated.
std::span<const Op* const> builtin_ops();
// "aten::add.Tensor" or "add.Tensor"; nullptr when there is none. Looks at the built-in ones first,
// then at those registered at run time.
const Op* find_op(std::string_view name);
const Op& register_op(Op op);  // takes over; RuntimeError when the name is taken
std::vector<const Op*> runtime_ops();
size_t runtime_op_count();

// The kernel for a device: what was registered for it, else the record's where it is the CPU;
// nullptr where there is none.
Kernel kernel_of(const Op& op, DeviceType device);
// At run time, also over the record's own; nullptr takes it away.
void register_kernel(const Op& op, DeviceType device, Kernel kernel);

// ---- dispatch

// A layer's body for all ops. It excludes its own key (and for layers below autograd the outer
// ones) and calls `redispatch` as often as it likes.
using Handler = void (*)(const Op& op, const Value* args, Results& results);
void set_handler(Key key, Handler handler);
// The body of the conjugate and negative layers, which are always there.
void resolve_lazy_bits(const Op& op, const Value* args, Results& results);
// The boxed path: gives the call to the outermost layer in `keys`.
[[gnu::noinline]] void slow(const Op& op, KeySet keys, const Value* args, Results& results);
// A kernel, decomposition or rule for one op under one key, registered at run time; it wins over
// the layer's own body.
void set_override(const Op& op, Key key, Handler handler, void* context);
void* override_context(const Op& op, Key key);

inline void redispatch(const Op& op, const Value* args, Results& results) {
  op.call(op, args, results);
}

inline KeySet keys_of(const Tensor& t) { return t.defined() ? t.keys() : 0; }
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
template <class T>
inline KeySet keys_of(const T&) {
  return 0;
}
template <class... A>
inline KeySet active_keys(KeySet mask, const A&... args) {
  return (thread_state.included | (KeySet{0} | ... | keys_of(args))) & ~thread_state.excluded &
         mask;
}

namespace boxing {

template <class T>
struct Give;  // moves a typed result into Results and back
template <>
struct Give<void> {
  static void take(Results&) {}
};
template <>
struct Give<Tensor> {
  static void put(Results& r, Tensor&& t) {
    r.kind = Results::Kind::tensors;
    r.size = 1;
    r.tensors[0] = std::move(t);
  }
  static Tensor take(Results& r) { return std::move(r.tensors[0]); }
};
template <class... T>
struct Give<std::tuple<T...>> {
  static void put(Results& r, std::tuple<T...>&& t) {
    r.kind = Results::Kind::tensors;
    r.size = sizeof...(T);
    put_all(r, t, std::index_sequence_for<T...>());
  }
  static std::tuple<T...> take(Results& r) { return take_all(r, std::index_sequence_for<T...>()); }

 private:
  template <size_t... I>
  static void put_all(Results& r, std::tuple<T...>& t, std::index_sequence<I...>) {
    ((r.tensors[I] = std::move(std::get<I>(t))), ...);
  }
  template <size_t... I>
  static std::tuple<T...> take_all(Results& r, std::index_sequence<I...>) {
    return {std::move(r.tensors[I])...};
  }
};
template <>
struct Give<TensorVec> {
  static void put(Results& r, TensorVec&& t) {
    r.kind = Results::Kind::list;
    r.list = std::move(t);
  }
  static TensorVec take(Results& r) { return std::move(r.list); }
};
template <>
struct Give<int64_t> {
  static void put(Results& r, int64_t v) {
    r.kind = Results::Kind::integer;
    r.scalar = v;
  }
  static int64_t take(Results& r) { return r.scalar.to_int(); }
};
template <>
struct Give<double> {
  static void put(Results& r, double v) {
    r.kind = Results::Kind::floating;
    r.scalar = v;
  }
  static double take(Results& r) { return r.scalar.to_double(); }
};
template <>
struct Give<bool> {
  static void put(Results& r, bool v) {
    r.kind = Results::Kind::boolean;
    r.scalar = v;
  }
  static bool take(Results& r) { return r.scalar.to_bool(); }
};
template <>
struct Give<Scalar> {
  static void put(Results& r, const Scalar& v) {
    r.kind = Results::Kind::scalar;
    r.scalar = v;
  }
  static Scalar take(Results& r) { return r.scalar; }
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

}  // namespace flambeau
