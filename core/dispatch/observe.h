// The two layers that look on: observers of what a program calls, outermost; and captures of what
// would run, inside __torch_dispatch__.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// An entry of thread_state.profilers. Sees each op that the program calls, and not its parts.
class Observer : public Frame {
 public:
  // What begin() gives, end() gets; `results` is nullptr when the op, or an observer, raised. Each
  // whose begin() returned gets its end().
  virtual std::unique_ptr<Counted> begin(const Op& op, const Value* args) const = 0;
  virtual void end(Counted* context, const Op& op, const Value* args, Results* results) const = 0;
  virtual void read(const Tensor&, const char* /*what*/) const {}  // see note_read
};

// An entry of thread_state.captures: answers for an op in place of what is inside, or after it by
// calling redispatch(). Captures below it on the stack, and backends, are what is inside.
class Capture : public Frame {
 public:
  virtual void call(const Op& op, const Value* args, Results& results) const = 0;
  virtual void read(const Tensor&, const char* /*what*/) const {}  // see note_read
};

void push_observer(Ref<Observer> observer);
void pop_observer();  // Error when there is none
void push_capture(Ref<Capture> capture);
void pop_capture();

// Note [Reads]: a program that reads one element runs the op `_local_scalar_dense`, which passes
// all layers; item(), bool(), int(), float(), complex() and indexing do. What hands out all
// elements or their memory (`what`: "tolist", "numpy", "data_ptr", ...) calls note_read first.
// Nothing else in core/python may look at elements.
bool read_is_seen(const Tensor& t);  // whether reading one element has to be that op
void note_read(const Tensor& t, const char* what);

// The bodies of the two layers.
void call_observed(const Op& op, const Value* args, Results& results);
void call_capture(const Op& op, const Value* args, Results& results);

}  // namespace flambeau::inline v1
