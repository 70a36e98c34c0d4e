// The two layers that look on: observers of what a program calls, outermost; and captures of what
// would run, inside __torch_dispatch__.
#pragma once

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// An entry of thread_state.profilers. Sees each op that the program calls, and not its parts.
//
// Note [Observers of ops]: one that records a program to run it again wants gradients as ops too,
// where they would be one loop. One that measures wants to see what runs without it, parts of ops
// included. The key of this layer is on for both, and means no more than that calls are told of;
// for the first kind, the thread includes kRegistered besides, which asks for ops.
class Observer : public Frame {
 public:
  virtual bool measures() const { return false; }
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
// One that sees the calls of all threads, those included that have begun; nullptr takes it away.
void observe_all_threads(Ref<const Observer> observer);
Ref<const Observer> observer_of_all_threads();
void push_capture(Ref<Capture> capture);
void pop_capture();

// Note [Reads]: a program that reads one element runs the op `_local_scalar_dense`, which passes
// all layers; item(), bool(), int(), float(), complex() and indexing do. What hands out all
// elements or their memory (`what`: "tolist", "numpy", "data_ptr", ...) calls note_read first.
// Nothing else in core/python may look at elements.
bool read_is_seen(const Tensor& t);  // whether reading one element has to be that op
void note_read(const Tensor& t, const char* what);

// The op that this thread runs and observers were told of: its further entries pass them by.
extern thread_local constinit const Op* observed_op [[gnu::tls_model("initial-exec")]];

// The bodies of the two layers.
void call_observed(const Op& op, const Value* args, Results& results);
void call_capture(const Op& op, const Value* args, Results& results);

}  // namespace flambeau::inline v1
