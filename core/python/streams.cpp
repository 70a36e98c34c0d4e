// What flambeau.Stream and flambeau.Event call: the queues and marks of a device's table.
#include "core/python/binding.h"
#include "core/tensor/device_table.h"

namespace flambeau::python {
namespace {

constexpr const char* kEventName = "flambeau.event";

Device device_of(PyObject* o) { return resolved(unwrap_device(o), "Stream"); }
uint64_t stream_of(PyObject* o) {
  const unsigned long long number = PyLong_AsUnsignedLongLong(o);
  if (PyErr_Occurred()) throw PythonError();
  return number;
}

// A device without queues has one, which is always done.
PyObject* current_stream(PyObject*, PyObject* o) {
  return guarded([&] {
    const Device device = device_of(o);
    return PyLong_FromUnsignedLongLong(flambeau::current_stream(device));
  });
}
PyObject* set_current_stream(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *where, *number;
    if (!PyArg_ParseTuple(args, "OO:_set_current_stream", &where, &number)) throw PythonError();
    const Device device = device_of(where);
    if (const auto* const streams = require_device(device.type).stream)
      streams->set_current(device.index, stream_of(number));
    return Py_NewRef(Py_None);
  });
}
PyObject* new_stream(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject* where;
    int priority;
    if (!PyArg_ParseTuple(args, "Oi:_new_stream", &where, &priority)) throw PythonError();
    const Device device = device_of(where);
    const auto* const streams = require_device(device.type).stream;
    return PyLong_FromUnsignedLongLong(streams ? streams->create(device.index, priority) : 0);
  });
}
PyObject* query_stream(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *where, *number;
    if (!PyArg_ParseTuple(args, "OO:_query_stream", &where, &number)) throw PythonError();
    const Device device = device_of(where);
    const auto* const streams = require_device(device.type).stream;
    return PyBool_FromLong(!streams || streams->query(device.index, stream_of(number)));
  });
}
PyObject* synchronize_stream(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *where, *number;
    if (!PyArg_ParseTuple(args, "OO:_synchronize_stream", &where, &number)) throw PythonError();
    const Device device = device_of(where);
    const uint64_t stream = stream_of(number);
    if (const auto* const streams = require_device(device.type).stream) {
      const ReleaseGil released;
      streams->synchronize(device.index, stream);
    }
    return Py_NewRef(Py_None);
  });
}

// ---- events: a capsule that remembers its device

const DeviceTable::Events& events_of(Device device) {
  const auto* const events = require_device(device.type).event;
  check<NotImplementedError>(events, "Event: device '", device.str(), "' has no events");
  return *events;
}
struct Held {
  const DeviceTable::Events& events;
  void* event;
  int index;
};
Held& held(PyObject* capsule) {
  auto* const h = static_cast<Held*>(PyCapsule_GetPointer(capsule, kEventName));
  if (!h) throw PythonError();
  return *h;
}

PyObject* new_event(PyObject*, PyObject* o) {
  return guarded([&] {
    const Device device = device_of(o);
    const auto& events = events_of(device);
    auto* const h = new Held{events, events.create(device.index), device.index};
    return must(PyCapsule_New(h, kEventName, [](PyObject* capsule) {
      auto* const dropped = static_cast<Held*>(PyCapsule_GetPointer(capsule, kEventName));
      dropped->events.destroy(dropped->event);
      delete dropped;
    }));
  });
}
template <class F>
PyObject* with_stream(PyObject* args, F&& f) {
  return guarded([&] {
    PyObject *event, *number;
    if (!PyArg_ParseTuple(args, "OO", &event, &number)) throw PythonError();
    f(held(event), stream_of(number));
    return Py_NewRef(Py_None);
  });
}
PyObject* record_event(PyObject*, PyObject* args) {
  return with_stream(args,
                     [](Held& h, uint64_t stream) { h.events.record(h.event, h.index, stream); });
}
PyObject* wait_event(PyObject*, PyObject* args) {
  return with_stream(args,
                     [](Held& h, uint64_t stream) { h.events.wait(h.event, h.index, stream); });
}
PyObject* query_event(PyObject*, PyObject* event) {
  return guarded([&] { return PyBool_FromLong(held(event).events.query(held(event).event)); });
}
PyObject* synchronize_event(PyObject*, PyObject* event) {
  return guarded([&] {
    Held& h = held(event);
    {
      const ReleaseGil released;
      h.events.synchronize(h.event);
    }
    return Py_NewRef(Py_None);
  });
}
PyObject* elapsed(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *first, *later;
    if (!PyArg_ParseTuple(args, "OO:_elapsed", &first, &later)) throw PythonError();
    check(&held(first).events == &held(later).events,
          "elapsed_time: both events must be of one kind of device");
    return PyFloat_FromDouble(held(first).events.elapsed(held(first).event, held(later).event));
  });
}

PyMethodDef functions[] = {{"_current_stream", current_stream, METH_O, nullptr},
                           {"_set_current_stream", set_current_stream, METH_VARARGS, nullptr},
                           {"_new_stream", new_stream, METH_VARARGS, nullptr},
                           {"_query_stream", query_stream, METH_VARARGS, nullptr},
                           {"_synchronize_stream", synchronize_stream, METH_VARARGS, nullptr},
                           {"_new_event", new_event, METH_O, nullptr},
                           {"_record_event", record_event, METH_VARARGS, nullptr},
                           {"_wait_event", wait_event, METH_VARARGS, nullptr},
                           {"_query_event", query_event, METH_O, nullptr},
                           {"_synchronize_event", synchronize_event, METH_O, nullptr},
                           {"_elapsed", elapsed, METH_VARARGS, nullptr},
                           {}};

}  // namespace

bool init_streams(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
