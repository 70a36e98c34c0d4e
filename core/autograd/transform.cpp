#include "core/autograd/transform.h"

#include <deque>

#include "core/autograd/node.h"
#include "core/dispatch/registrations.h"

namespace flambeau::inline v1 {

Handler transform_rule = nullptr;

namespace {

constexpr KeySet kOuter = bit(Key::transform_outer), kInner = bit(Key::transform_inner);

TransformLevel* top_level() {
  return const_cast<TransformLevel*>(static_cast<const TransformLevel*>(thread_state.level));
}

// The thread holds its top level.
void hold_top(TransformLevel* level) {
  const auto before = Ref<const Counted>::adopt(
      std::exchange(thread_state.level, Ref<const Counted>(level).forget()));
}

void set_top(TransformLevel* level) {
  hold_top(level);
  if (level)
    thread_state.included |= kOuter;
  else
    thread_state.included &= ~kOuter;
}

}  // namespace

TransformLevel* current_level() { return top_level(); }

bool in_function_transform() {
  for (const TransformLevel* level = top_level(); level; level = level->outer)
    if (level->kind != TransformLevel::Kind::jvp) return true;
  return false;
}

void enter_level(TransformLevel& level) {
  check(!level.alive, "transform: this level is running already");
  level.alive = true;
  level.grad_mode = thread_state.grad_mode;
  level.excluded = thread_state.excluded;
  level.outer = top_level();
  level.depth = top_level() ? top_level()->depth + 1 : 1;
  level.retain();
  thread_state.excluded &= ~kTransforms;
  set_top(&level);
}

void leave_level(TransformLevel& level) {
  check(top_level() == &level,
        "transform: levels end in the reverse of the order in which they begin");
  thread_state.excluded = (thread_state.excluded & ~kTransforms) | (level.excluded & kTransforms);
  set_top(level.outer);
  level.alive = false;
  level.release();
}

WithoutLevel::WithoutLevel(TransformLevel& level) : top_(top_level()), before_(thread_state) {
  set_top(level.outer);
  thread_state.included &= ~kInner;
  thread_state.excluded &= ~(below(Key::transform_outer) | kOuter);
  thread_state.below_autograd = false;
  // no_grad around grad(f) holds for all levels but grad's own; inside f it holds for all.
  if (level.kind == TransformLevel::Kind::grad && !level.grad_mode) thread_state.grad_mode = false;
  thread_state.refresh();
}

WithoutLevel::~WithoutLevel() {
  hold_top(top_);
  thread_state.included = before_.included;
  thread_state.excluded = before_.excluded;
  thread_state.below_autograd = before_.below_autograd;
  thread_state.grad_mode = before_.grad_mode;
}

// ---- wrappers

namespace {

struct Geometry {
  Dims sizes, strides;
};

Geometry geometry_of(const Tensor& value, const TransformPayload& p) {
  Geometry g{Dims(value.sizes()), Dims(value.strides())};
  if (p.level->kind != TransformLevel::Kind::vmap) return g;
  Geometry out;
  for (int64_t d = 0; d < value.dim(); ++d) {
    if (d == p.batch_dim) continue;
    out.sizes.push_back(g.sizes[d]);
    out.strides.push_back(g.strides[d]);
  }
  return out;
}

Tensor wrap(std::unique_ptr<TransformPayload> p) {
  const Tensor& value = p->value;
  auto* impl =
      new TensorImpl(Storage::allocate(0, Device{DeviceType::meta}), value.dtype(), value.device());
  Tensor t = Tensor::adopt(impl);
  const Geometry g = geometry_of(value, *p);
  impl->set_geometry(g.sizes, g.strides, value.offset());
  // No kernel may see it, see Note [Tensors without memory].
  impl->keys |= kOuter | kInner | bit(Key::backend);
  impl->set_layout(value.layout());
  if (!value.impl()->inference) impl->share_version(*value.impl());
  impl->payload = std::move(p);
  return t;
}

std::unique_ptr<TransformPayload> payload(TransformLevel& level, const Tensor& value) {
  auto p = std::make_unique<TransformPayload>();
  p->level = Ref<TransformLevel>(&level);
  p->value = value;
  return p;
}

}  // namespace

Tensor wrap_grad(TransformLevel& level, const Tensor& value) {
  return value.defined() ? wrap(payload(level, value)) : value;
}

Tensor wrap_batched(TransformLevel& level, const Tensor& value, int64_t batch_dim) {
  auto p = payload(level, value);
  p->batch_dim = wrap_dim(batch_dim, value.dim(), "vmap");
  return wrap(std::move(p));
}

Tensor wrap_dual(TransformLevel& level, const Tensor& value, const Tensor& tangent,
                 const Tensor& base) {
  auto p = payload(level, value);
  p->tangent = tangent;
  p->base = base;
  Tensor t = wrap(std::move(p));
  // Backward through a dual tensor is backward through its value.
  if (needs_grad(value)) set_gradient_edge(t, gradient_edge(value));
  return t;
}

void refresh_wrapper(const Tensor& wrapper) {
  const TransformPayload* p = transform_payload(wrapper);
  if (!p) return;
  const Geometry g = geometry_of(p->value, *p);
  wrapper.impl()->set_geometry(g.sizes, g.strides, p->value.offset());
}

// ---- calls

namespace {

// The arguments of a call with each tensor replaced.
class Replaced {
 public:
  template <class F>
  Replaced(const Op& op, const Value* args, F&& f) : values_(args, args + op.nargs) {
    for (size_t i = 0; i < values_.size(); ++i) {
      Value& v = values_[i];
      if (v.tag == Value::Tag::tensor) {
        v = boxing::box(held_.emplace_back(f(v.tensor(), op.args[i])));
      } else if (v.tag == Value::Tag::tensors) {
        TensorVec& list = lists_.emplace_back();
        for (const Tensor& t : v.tensors()) list.push_back(f(t, op.args[i]));
        v = boxing::box(list);
      }
    }
  }
  const Value* values() const { return values_.data(); }

 private:
  std::vector<Value> values_;
  std::deque<Tensor> held_;
  std::deque<TensorVec> lists_;
};

// A wrapper whose transform has ended is the constant that it wraps.
const Tensor& living(const Tensor& t) {
  const TransformPayload* p = transform_payload(t);
  if (!p || p->level->alive) return t;
  check(p->level->kind != TransformLevel::Kind::vmap,
        "vmap: a tensor has escaped from inside a function being vmapped: it cannot be used once "
        "vmap has ended. Return it from the function instead");
  return living(p->value);
}

bool has_ended(const Tensor& t) {
  const TransformPayload* p = transform_payload(t);
  return p && !p->level->alive;
}

bool any_ended(const Op& op, const Value* args) {
  bool any = false;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) { any |= has_ended(t); });
  return any;
}

std::string full_name(const Op& op) {
  return concat(op.ns, "::", op.name, *op.overload ? "." : "", op.overload);
}

// The outer key at a grad level: autograd runs on tensors of this level and no others.
void record(TransformLevel& level, const Op& op, const Value* args, Results& results) {
  const Replaced wrapped(op, args, [&](const Tensor& t, const Argument& a) {
    if (!t.defined() || payload_at(level, t)) return t;
    check(!a.mutated,
          "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call "
          "in-place operation (",
          full_name(op),
          ") that would mutate a captured Tensor. This is not supported; please rewrite the "
          "function being transformed to explicitly accept the mutated Tensor(s) as inputs.");
    return t.impl()->wrapped_number ? t : wrap_grad(level, t);
  });
  const KeySet included = thread_state.included;
  struct Restore {
    KeySet included;
    ~Restore() { thread_state.included = included; }
  } const restore{included};
  const Exclude off(kOuter);
  thread_state.included |= kInner;
  redispatch(op, wrapped.values(), results);
}

void handle_outer(const Op& op, const Value* args, Results& results) {
  if (any_ended(op, args)) {
    const Replaced alive(op, args, [](const Tensor& t, const Argument&) { return living(t); });
    return redispatch(op, alive.values(), results);
  }
  TransformLevel* level = top_level();
  check(level, op.name,
        ": a tensor that belongs to a function transform reached code outside of it");
  if (level->kind == TransformLevel::Kind::grad) return record(*level, op, args, results);
  check<NotImplementedError>(transform_rule, op.name, ": jvp and vmap need Python");
  transform_rule(op, args, results);
}

// What an op writes to is what it gives back.
const Tensor* written(const Op& op, int result, const Value* args) {
  if (result >= op.nreturns || !op.returns[result].mutated) return nullptr;
  for (size_t i = 0; i < op.nargs; ++i)
    if (op.args[i].mutated && op.args[i].alias == op.returns[result].alias &&
        args[i].tag == Value::Tag::tensor)
      return &args[i].tensor();
  return nullptr;
}

void refresh_written(const Op& op, const Value* args) {
  for (size_t i = 0; i < op.nargs; ++i) {
    if (!op.args[i].mutated || args[i].tag != Value::Tag::tensor) continue;
    const Tensor& t = args[i].tensor();
    const TransformPayload* p = transform_payload(t);
    if (!p) continue;
    if (op.tags & tag::inplace_view)
      take_geometry(t, p->value);
    else if (!same(t.sizes(), p->value.sizes()))
      refresh_wrapper(t);
  }
}

// The inner key, below autograd: the same call one level further out.
void handle_inner(const Op& op, const Value* args, Results& results) {
  TransformLevel* level = top_level();
  if (!level || level->kind != TransformLevel::Kind::grad) {
    const Exclude off(kInner);
    return redispatch(op, args, results);
  }
  {
    const Replaced bare(op, args, [&](const Tensor& t, const Argument&) {
      const TransformPayload* p = payload_at(*level, t);
      return p ? p->value : t;
    });
    const WithoutLevel without(*level);
    redispatch(op, bare.values(), results);
  }
  refresh_written(op, args);
  const bool view = (op.tags & tag::view) && args[0].tag == Value::Tag::tensor;
  const auto wrap = [&](Tensor& t, Creation creation) {
    t = wrap_grad(*level, t);
    if (view && payload_at(*level, args[0].tensor())) t = as_view(args[0].tensor(), t, creation);
  };
  for (size_t i = 0; i < results.size(); ++i) {
    if (const Tensor* self = written(op, static_cast<int>(i), args))
      results[i] = Owned(*self);
    else if (results[i].is_tensor())
      wrap(results[i].tensor(), Creation::plain);
    else if (results[i].tag() == Value::Tag::tensors)
      for (Tensor& t : results[i].tensors()) wrap(t, Creation::multi_output);
  }
}

struct Install {
  Install() {
    set_handler(Key::transform_outer, handle_outer);
    set_handler(Key::transform_inner, handle_inner);
  }
};

}  // namespace

void install_transforms() { static const Install once; }

}  // namespace flambeau::inline v1
