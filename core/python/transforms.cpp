// Levels of function transforms as Python sees them. See core/autograd/transform.h; the rules of
// jvp and vmap are Python, flambeau/func/.
#include "core/autograd/node.h"
#include "core/autograd/transform.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

using Kind = TransformLevel::Kind;

struct LevelObject {
  PyObject_HEAD Ref<TransformLevel> level;
};

TransformLevel& level_of(PyObject* o) { return *reinterpret_cast<LevelObject*>(o)->level; }

const Tensor& tensor_argument(PyObject* o, const char* function) {
  if (!is_tensor(o))
    raise_python(PyExc_TypeError, "%s: expected a Tensor, got %.200s", function,
                 Py_TYPE(o)->tp_name);
  return unwrap(o);
}

// jvp and vmap: the level's own Python object answers, with the level off the stack.
void call_rule(const Op& op, const Value* values, Results& results) {
  const AcquireGil gil;
  TransformLevel* level = current_level();
  static PyObject* const process = interned("process");
  const Object self = Object::borrow(static_cast<PyObject*>(level->rule));
  check(static_cast<bool>(self), op.name, ": the transform has ended");
  const Object function(wrap_op(op));
  const PythonArguments arguments = arguments_to_python(op, values);
  const WithoutLevel without(*level);
  const Object result(must(PyObject_CallMethodObjArgs(
      self.get(), process, function.get(), arguments.args.get(), arguments.kwargs.get(), nullptr)));
  results_from_python(op, values, result.get(), results);
}

PyObject* new_level(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (PyTuple_GET_SIZE(args) < 1)
      raise_python(PyExc_TypeError, "_TransformLevel: expected the kind of transform");
    const int64_t kind = unwrap_int(PyTuple_GET_ITEM(args, 0));
    check<ValueError>(kind >= 0 && kind <= 2, "_TransformLevel: no kind has the number ", kind);
    install_transforms();
    PyObject* self = must(type->tp_alloc(type, 0));
    auto* level = new TransformLevel(static_cast<Kind>(kind));
    level->rule = self;
    new (&reinterpret_cast<LevelObject*>(self)->level)
        Ref<TransformLevel>(Ref<TransformLevel>::adopt(level));
    return self;
  });
}

void free_level(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  level_of(self).rule = nullptr;
  reinterpret_cast<LevelObject*>(self)->level.~Ref<TransformLevel>();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* enter(PyObject* self, PyObject*) {
  return guarded([&] {
    enter_level(level_of(self));
    return Py_NewRef(self);
  });
}

PyObject* leave(PyObject* self, PyObject*) {
  return guarded([&] {
    leave_level(level_of(self));
    return Py_NewRef(Py_None);
  });
}

// wrap(value) of grad, wrap(value, batch_dim) of vmap, wrap(value, tangent, base) of jvp.
PyObject* wrap_value(PyObject* self, PyObject* args) {
  PyObject *value, *extra = Py_None, *base = Py_None;
  if (!PyArg_ParseTuple(args, "O|OO:wrap", &value, &extra, &base)) return nullptr;
  return guarded([&]() -> PyObject* {
    TransformLevel& level = level_of(self);
    const Tensor& t = tensor_argument(value, "wrap");
    const auto optional = [](PyObject* o) {
      return o == Py_None ? Tensor() : tensor_argument(o, "wrap");
    };
    switch (level.kind) {
      case Kind::vmap:
        return wrap(wrap_batched(level, t, unwrap_int(extra)));
      case Kind::jvp:
        return wrap(wrap_dual(level, t, optional(extra), optional(base)));
      case Kind::grad:
        break;
    }
    const Tensor made = wrap_grad(level, t);
    if (extra == Py_True) made.set_requires_grad(true);
    return wrap(made);
  });
}

Object extra_of(const TransformPayload& p) {
  if (p.level->kind == Kind::vmap) return Object(must(PyLong_FromLongLong(p.batch_dim)));
  return Object(must(wrap(p.tangent)));
}

// parts(t): (value, batch dimension or tangent) of a wrapper of this level; None for others.
PyObject* parts(PyObject* self, PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(o)) Py_RETURN_NONE;
    const TransformPayload* p = payload_at(level_of(self), unwrap(o));
    if (!p) Py_RETURN_NONE;
    return must(PyTuple_Pack(2, Object(must(wrap(p->value))).get(), extra_of(*p).get()));
  });
}

PyObject* base_of(PyObject* self, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const TransformPayload* p = payload_at(level_of(self), tensor_argument(o, "base"));
    return p ? must(wrap(p->base)) : Py_NewRef(Py_None);
  });
}

PyObject* set_tangent(PyObject* self, PyObject* args) {
  PyObject *o, *tangent;
  if (!PyArg_ParseTuple(args, "OO:set_tangent", &o, &tangent)) return nullptr;
  return guarded([&]() -> PyObject* {
    TransformPayload* p = payload_at(level_of(self), tensor_argument(o, "set_tangent"));
    check(p, "set_tangent: not a dual tensor of this level");
    p->tangent = tangent == Py_None ? Tensor() : tensor_argument(tangent, "set_tangent");
    const Tensor& t = unwrap(o);
    if (needs_grad(p->value)) set_gradient_edge(t, gradient_edge(p->value));
    return Py_NewRef(Py_None);
  });
}

// What a wrapper stands for is replaced by a view of it.
PyObject* set_value(PyObject* self, PyObject* args) {
  PyObject *o, *value, *batch_dim;
  if (!PyArg_ParseTuple(args, "OOO:set_value", &o, &value, &batch_dim)) return nullptr;
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_argument(o, "set_value");
    TransformPayload* p = payload_at(level_of(self), t);
    check(p, "set_value: not a tensor of this level");
    p->value = tensor_argument(value, "set_value");
    p->batch_dim = wrap_dim(unwrap_int(batch_dim), p->value.dim(), "set_value");
    refresh_wrapper(t);
    // What has saved the tensor must not read it with the new geometry.
    const uint32_t before = p->value.impl()->version();
    bump_version(t);
    // The view has been made for this: its history is no older than the memory.
    AutogradMeta* meta = p->value.impl()->autograd.get();
    if (meta && meta->is_view && meta->version_at_fn.load(std::memory_order_relaxed) == before)
      meta->version_at_fn.store(p->value.impl()->version(), std::memory_order_relaxed);
    return Py_NewRef(Py_None);
  });
}

PyObject* refresh(PyObject*, PyObject* o) {
  return guarded([&] {
    refresh_wrapper(tensor_argument(o, "refresh"));
    return Py_NewRef(Py_None);
  });
}

PyObject* get_depth(PyObject* self, void*) { return PyLong_FromLong(level_of(self).depth); }
PyObject* get_alive(PyObject* self, void*) { return PyBool_FromLong(level_of(self).alive); }

// call_without(f, *args): what f gives while the level, the innermost one, is off the stack.
PyObject* call_without(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    TransformLevel& level = level_of(self);
    check(current_level() == &level, "call_without: this is not the innermost level");
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) raise_python(PyExc_TypeError, "call_without: expected a function");
    const Object rest(must(PyTuple_GetSlice(args, 1, n)));
    const WithoutLevel without(level);
    return must(PyObject_CallObject(PyTuple_GET_ITEM(args, 0), rest.get()));
  });
}

PyMethodDef level_methods[] = {
    {"call_without", call_without, METH_VARARGS, "Calls a function with the level off the stack."},
    {"enter", enter, METH_NOARGS, "The level begins."},
    {"leave", leave, METH_NOARGS, "The level ends."},
    {"wrap", wrap_value, METH_VARARGS, "A wrapper of this level."},
    {"parts", parts, METH_O, "What a wrapper of this level holds."},
    {"base", base_of, METH_O, "The wrapper that this is a view of."},
    {"set_tangent", set_tangent, METH_VARARGS, "Replaces the tangent."},
    {"set_value", set_value, METH_VARARGS, "Replaces the value."},
    {"refresh", refresh, METH_O, "Takes on the value's geometry."},
    {}};
PyGetSetDef level_properties[] = {{"depth", get_depth, nullptr, "1 for the outermost.", nullptr},
                                  {"alive", get_alive, nullptr, "Whether it is running.", nullptr},
                                  {}};
PyType_Slot level_slots[] = {{Py_tp_new, reinterpret_cast<void*>(new_level)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(free_level)},
                             {Py_tp_methods, level_methods},
                             {Py_tp_getset, level_properties},
                             {}};
PyType_Spec level_spec = {"flambeau._C._TransformLevel", sizeof(LevelObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, level_slots};

// The innermost level, or None.
PyObject* level_function(PyObject*, PyObject*) {
  const TransformLevel* level = current_level();
  return Py_NewRef(level && level->rule ? static_cast<PyObject*>(level->rule) : Py_None);
}

// (kind, depth or None, value, batch dimension or tangent) of any wrapper; None for other tensors.
PyObject* parts_function(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const TransformPayload* p = is_tensor(o) ? transform_payload(unwrap(o)) : nullptr;
    if (!p) Py_RETURN_NONE;
    const char* const names[] = {"grad", "jvp", "vmap"};
    const Object kind(must(PyUnicode_FromString(names[static_cast<int>(p->level->kind)])));
    const Object depth(p->level->alive ? must(PyLong_FromLong(p->level->depth))
                                       : Py_NewRef(Py_None));
    return must(PyTuple_Pack(4, kind.get(), depth.get(), Object(must(wrap(p->value))).get(),
                             extra_of(*p).get()));
  });
}

const Tensor& innermost(const Tensor& t) {
  const TransformPayload* p = transform_payload(t);
  return p ? innermost(p->value) : t;
}
// _may_share_memory(a, b): whether writing to one may change the other, wrappers or not.
PyObject* may_share_function(PyObject*, PyObject* args) {
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO:_may_share_memory", &a, &b)) return nullptr;
  return guarded([&] {
    const Tensor& x = innermost(tensor_argument(a, "_may_share_memory"));
    const Tensor& y = innermost(tensor_argument(b, "_may_share_memory"));
    return PyBool_FromLong(memory_overlap(x, y) != MemOverlap::none);
  });
}

// _set_transforms_off(off) -> bool: whether they were. For what looks at values, as printing does.
PyObject* set_off(PyObject*, PyObject* off) {
  const bool before = thread_state.excluded & bit(Key::transform_outer);
  thread_state.excluded =
      off == Py_True ? thread_state.excluded | kTransforms : thread_state.excluded & ~kTransforms;
  return PyBool_FromLong(before);
}

PyMethodDef functions[] = {{"_set_transforms_off", set_off, METH_O, nullptr},
                           {"_transform_level", level_function, METH_NOARGS, nullptr},
                           {"_transform_parts", parts_function, METH_O, nullptr},
                           {"_may_share_memory", may_share_function, METH_VARARGS, nullptr},
                           {}};

}  // namespace

bool init_transforms(PyObject* module) {
  transform_rule = call_rule;
  return PyModule_AddFunctions(module, functions) == 0 &&
         make_type(module, &level_spec, "_TransformLevel");
}

}  // namespace flambeau::python
