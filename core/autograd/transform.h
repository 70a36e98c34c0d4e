// Function transforms: levels, and the tensors that belong to them. See docs/transforms.md.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// Note [Levels]. Each transform that is running (grad, jvp, vmap) is a level on the thread's stack,
// the innermost on top. A tensor that a transform has given to the function it transforms is a
// wrapper that belongs to the level: it has the geometry that the function sees and no memory.
// While there are levels the outer key is on for every call, and the top level answers:
// - jvp and vmap by a rule, which runs with the level off the stack;
// - grad by autograd, which records on the wrappers as on any tensors; below it the inner key takes
//   the wrappers off and calls again with the level off the stack.
// So a call passes one level after the other until none is left.
struct TransformLevel : Counted {
  enum class Kind : uint8_t { grad, jvp, vmap };

  explicit TransformLevel(Kind k) : kind(k) {}

  const Kind kind;
  bool alive =
      false;  // on a stack (ThreadState::level); what outlives it is a constant, or has escaped
  bool grad_mode = true;            // outside of the transform
  int depth = 0;                    // counted from 1, the outermost
  TransformLevel* outer = nullptr;  // borrowed: a level ends before those outside of it
  KeySet excluded = 0;              // what was off where the level began
  void* rule = nullptr;             // of jvp and vmap; core/python
};

// What a wrapper carries.
struct TransformPayload final : Payload {
  Ref<TransformLevel> level;
  Tensor value;
  int64_t batch_dim = 0;  // vmap: of `value`
  Tensor tangent;         // jvp; undefined stands for zero
  Tensor base;            // jvp: of which wrapper this one is a view

  std::unique_ptr<Payload> shared() const override {
    return std::make_unique<TransformPayload>(*this);
  }
};

constexpr KeySet kTransforms = bit(Key::transform_outer) | bit(Key::transform_inner);

TransformLevel* current_level();  // the innermost one of this thread; null when there is none
void enter_level(TransformLevel& level);
void leave_level(TransformLevel& level);

// Whether grad or vmap is running: leaves and their gradients have no place inside of them.
bool in_function_transform();

// Null for tensors that are no wrappers.
inline TransformPayload* transform_payload(const Tensor& t) {
  if (!t.defined() || !(t.keys() & bit(Key::transform_outer))) return nullptr;
  return static_cast<TransformPayload*>(t.impl()->payload.get());
}
// The payload of a wrapper of this level; null for everything else.
inline TransformPayload* payload_at(const TransformLevel& level, const Tensor& t) {
  TransformPayload* p = transform_payload(t);
  return p && p->level.get() == &level ? p : nullptr;
}

Tensor wrap_grad(TransformLevel& level, const Tensor& value);
Tensor wrap_batched(TransformLevel& level, const Tensor& value, int64_t batch_dim);
Tensor wrap_dual(TransformLevel& level, const Tensor& value, const Tensor& tangent,
                 const Tensor& base);
// Brings a wrapper's geometry in line with its value's, after an op that changed it in place.
void refresh_wrapper(const Tensor& wrapper);

// A level off the stack, for its rule: all that is below it counts again.
class WithoutLevel {
 public:
  explicit WithoutLevel(TransformLevel& level);
  ~WithoutLevel();
  WithoutLevel(const WithoutLevel&) = delete;

 private:
  TransformLevel* const top_;
  const ThreadState before_;
};

// The rule of jvp and vmap levels, for all ops: set by core/python.
extern Handler transform_rule;
// Puts the layers in place; a program without transforms never does.
void install_transforms();

}  // namespace flambeau::inline v1
