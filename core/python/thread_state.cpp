// What Python puts on a thread's stacks, its settings, and snapshots of all of it.
#include "core/dispatch/autocast.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

struct ObjectFrame final : Frame {
  ObjectFrame(PyObject* object, PyObject* second)
      : first(Py_NewRef(object)), second(Py_XNewRef(second)) {}
  ~ObjectFrame() override {
    const AcquireGil gil;
    Py_DECREF(first);
    Py_XDECREF(second);
  }
  PyObject *first, *second;
};

const ObjectFrame& objects(const Frame& frame) { return static_cast<const ObjectFrame&>(frame); }

// ---- snapshots: with state: ...

struct SnapshotObject {
  PyObject_HEAD ThreadSnapshot* state;
  ThreadSnapshot* before;
};
SnapshotObject* as_snapshot(PyObject* o) { return reinterpret_cast<SnapshotObject*>(o); }

PyObject* make_snapshot(PyTypeObject* type, PyObject* args, PyObject*) {
  if (!PyArg_ParseTuple(args, ":_ThreadState")) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self) as_snapshot(self)->state = new ThreadSnapshot;
  return self;
}
void free_snapshot(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete as_snapshot(self)->state;
  delete as_snapshot(self)->before;
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject* enter_snapshot(PyObject* self, PyObject*) {
  return guarded([&] {
    SnapshotObject& s = *as_snapshot(self);
    check(!s.before, "_ThreadState: this snapshot is in force already");
    s.before = new ThreadSnapshot;
    s.state->restore();
    return Py_NewRef(self);
  });
}
PyObject* leave_snapshot(PyObject* self, PyObject*) {
  return guarded([&] {
    ThreadSnapshot* before = std::exchange(as_snapshot(self)->before, nullptr);
    check(before, "_ThreadState: this snapshot is not in force");
    before->restore();
    delete before;
    return Py_NewRef(Py_None);
  });
}
PyMethodDef snapshot_methods[] = {{"__enter__", enter_snapshot, METH_NOARGS, nullptr},
                                  {"__exit__", leave_snapshot, METH_VARARGS, nullptr},
                                  {}};
PyType_Slot snapshot_slots[] = {
    {Py_tp_doc, const_cast<char*>("All that this thread carries, to be in force elsewhere.")},
    {Py_tp_new, reinterpret_cast<void*>(make_snapshot)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_snapshot)},
    {Py_tp_methods, snapshot_methods},
    {}};
PyType_Spec snapshot_spec = {"flambeau._C._ThreadState", sizeof(SnapshotObject), 0,
                             Py_TPFLAGS_DEFAULT, snapshot_slots};

// ---- settings

DeviceType device_type(PyObject* o) {
  if (PyUnicode_Check(o) || is_device(o)) return unwrap_device(o).type;
  raise_python(PyExc_TypeError, "expected a device type as str, got %.200s", Py_TYPE(o)->tp_name);
}
uint32_t bit_of(DeviceType type) { return uint32_t{1} << static_cast<int>(type); }

template <class F>
PyObject* change(F&& f) {
  return guarded([&] {
    Ref<Surroundings> changed =
        Ref<Surroundings>::adopt(new Surroundings(thread_state.surroundings()));
    f(*changed);
    const bool autocast = changed->autocast_enabled != 0;
    thread_state.set_surroundings(std::move(changed));
    if (autocast)
      thread_state.included |= bit(Key::autocast);
    else
      thread_state.included &= ~bit(Key::autocast);
    return Py_NewRef(Py_None);
  });
}

// is_autocast_enabled(device_type): without one, of CUDA, as in PyTorch.
PyObject* is_autocast_enabled(PyObject*, PyObject* args) {
  PyObject* device = nullptr;
  if (!PyArg_ParseTuple(args, "|O:is_autocast_enabled", &device)) return nullptr;
  return guarded([&] {
    const DeviceType type = device ? device_type(device) : DeviceType::cuda;
    return PyBool_FromLong((thread_state.surroundings().autocast_enabled & bit_of(type)) != 0);
  });
}
PyObject* set_autocast_enabled(PyObject*, PyObject* args) {
  PyObject *first, *second = nullptr;
  if (!PyArg_ParseTuple(args, "O|O:set_autocast_enabled", &first, &second)) return nullptr;
  return change([&](Surroundings& s) {
    const DeviceType type = second ? device_type(first) : DeviceType::cuda;
    PyObject* on = second ? second : first;
    if (!PyBool_Check(on))
      raise_python(PyExc_TypeError, "set_autocast_enabled: enabled must be a bool (got %.200s)",
                   Py_TYPE(on)->tp_name);
    if (on == Py_True)
      s.autocast_enabled |= bit_of(type);
    else
      s.autocast_enabled &= ~bit_of(type);
  });
}
PyObject* get_autocast_dtype(PyObject*, PyObject* device) {
  return guarded([&] {
    return wrap(thread_state.surroundings().autocast_dtype[static_cast<int>(device_type(device))]);
  });
}
PyObject* set_autocast_dtype(PyObject*, PyObject* args) {
  PyObject *device, *dtype;
  if (!PyArg_ParseTuple(args, "OO:set_autocast_dtype", &device, &dtype)) return nullptr;
  return change([&](Surroundings& s) {
    s.autocast_dtype[static_cast<int>(device_type(device))] = unwrap_dtype(dtype);
  });
}
PyObject* is_autocast_cache_enabled(PyObject*, PyObject*) {
  return PyBool_FromLong(thread_state.surroundings().autocast_cache);
}
PyObject* set_autocast_cache_enabled(PyObject*, PyObject* on) {
  return change([&](Surroundings& s) { s.autocast_cache = must(PyObject_IsTrue(on)) != 0; });
}
PyObject* clear_autocast_cache(PyObject*, PyObject*) {
  forget_autocast_copies();
  Py_RETURN_NONE;
}
template <int step>
PyObject* change_nesting(PyObject*, PyObject*) {
  const Object done(change([](Surroundings& s) { s.autocast_nesting += step; }));
  return done ? PyLong_FromLong(thread_state.surroundings().autocast_nesting) : nullptr;
}

PyMethodDef functions[] = {
    {"is_autocast_enabled", is_autocast_enabled, METH_VARARGS,
     "is_autocast_enabled(device_type) -> bool\n\nWhether autocast is on for a device type."},
    {"set_autocast_enabled", set_autocast_enabled, METH_VARARGS,
     "set_autocast_enabled(device_type, enabled)\n\nTurns autocast on or off for a device type."},
    {"clear_autocast_cache", clear_autocast_cache, METH_NOARGS,
     "clear_autocast_cache()\n\nForgets the casts of parameters."},
    {"get_autocast_dtype", get_autocast_dtype, METH_O,
     "get_autocast_dtype(device_type) -> dtype\n\nThe dtype that autocast computes in."},
    {"set_autocast_dtype", set_autocast_dtype, METH_VARARGS,
     "set_autocast_dtype(device_type, dtype)\n\nSets the dtype that autocast computes in."},
    {"is_autocast_cache_enabled", is_autocast_cache_enabled, METH_NOARGS,
     "is_autocast_cache_enabled() -> bool\n\nWhether autocast keeps the casts of parameters."},
    {"set_autocast_cache_enabled", set_autocast_cache_enabled, METH_O,
     "set_autocast_cache_enabled(enabled)\n\nSets whether autocast keeps casts of parameters."},
    {"autocast_increment_nesting", change_nesting<1>, METH_NOARGS,
     "autocast_increment_nesting() -> int\n\nEnters a level of autocast."},
    {"autocast_decrement_nesting", change_nesting<-1>, METH_NOARGS,
     "autocast_decrement_nesting() -> int\n\nLeaves a level of autocast."},
    {}};

}  // namespace

void push_object(Stack& stack, PyObject* object, PyObject* second) {
  stack.push(Ref<Frame>::adopt(new ObjectFrame(object, second)));
}
PyObject* pop_object(Stack& stack) { return Py_NewRef(objects(*stack.pop()).first); }
PyObject* object_at(const Stack& stack, int64_t i) {
  const int64_t n = stack.size();
  const int64_t at = i < 0 ? i + n : i;
  if (at < 0 || at >= n) raise_python(PyExc_IndexError, "list index out of range");
  return Py_NewRef(objects(*stack.at(static_cast<uint32_t>(at))).first);
}
PyObject* object_of(const Frame& frame) { return objects(frame).first; }
PyObject* second_of(const Frame& frame) { return objects(frame).second; }

bool init_thread_state(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 &&
         make_type(module, &snapshot_spec, "_ThreadState");
}

}  // namespace flambeau::python
