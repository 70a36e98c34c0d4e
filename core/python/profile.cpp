// Profiles for Python: started, stopped and read; ranges that programs name. `flambeau.profiler`
// makes the rest of it.
#include "core/dispatch/profile.h"

#include <bit>

#include "core/python/binding.h"

namespace flambeau::python {
namespace {

// The frames of the program, innermost first.
struct Stack final : Counted {
  struct Item {
    PyObject* code;
    int line;
  };
  std::vector<Item> items;

  ~Stack() override {
    const AcquireGil gil;
    for (const Item& item : items) Py_DECREF(item.code);
  }
  PyObject* texts() const {
    Object list(must(PyTuple_New(static_cast<Py_ssize_t>(items.size()))));
    for (size_t i = 0; i < items.size(); ++i) {
      const Object file(must(PyObject_GetAttrString(items[i].code, "co_filename"))),
          name(must(PyObject_GetAttrString(items[i].code, "co_name")));
      PyTuple_SET_ITEM(
          list.get(), static_cast<Py_ssize_t>(i),
          must(PyUnicode_FromFormat("%U(%d): %U", file.get(), items[i].line, name.get())));
    }
    return list.release();
  }
};

std::unique_ptr<Counted> stack_here() {
  const AcquireGil gil;
  PyFrameObject* frame = PyEval_GetFrame();
  if (!frame) return nullptr;
  auto stack = std::make_unique<Stack>();
  Py_INCREF(frame);
  while (frame) {
    stack->items.push_back(
        {reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)), PyFrame_GetLineNumber(frame)});
    PyFrameObject* const back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  return stack;
}

// ---- reading

PyObject* integers(const int64_t*& at, int64_t n) {
  Object tuple(must(PyTuple_New(n)));
  for (int64_t i = 0; i < n; ++i)
    PyTuple_SET_ITEM(tuple.get(), i, must(PyLong_FromLongLong(*at++)));
  return tuple.release();
}

// (dtype, sizes); None for an undefined one.
PyObject* read_tensor(const int64_t*& at) {
  const int64_t dtype = *at++, dims = *at++;
  if (dtype < 0) return Py_NewRef(Py_None);
  const Object sizes(integers(at, dims)), type(must(wrap(static_cast<DType>(dtype))));
  return must(PyTuple_Pack(2, type.get(), sizes.get()));
}

// An argument: (kind, value).
PyObject* read_argument(const int64_t*& at) {
  const auto pair = [](const char* kind, PyObject* value) {
    return must(Py_BuildValue("(sN)", kind, must(value)));
  };
  switch (static_cast<ProfileTag>(*at++)) {
    case ProfileTag::tensor:
      return pair("tensor", read_tensor(at));
    case ProfileTag::tensors: {
      const int64_t n = *at++;
      Object list(must(PyTuple_New(n)));
      for (int64_t i = 0; i < n; ++i) PyTuple_SET_ITEM(list.get(), i, read_tensor(at));
      return pair("tensors", list.release());
    }
    case ProfileTag::integer:
      return pair("int", PyLong_FromLongLong(*at++));
    case ProfileTag::floating:
      return pair("float", PyFloat_FromDouble(std::bit_cast<double>(*at++)));
    case ProfileTag::boolean:
      return pair("bool", PyBool_FromLong(*at++ != 0));
    case ProfileTag::integers: {
      const int64_t n = *at++;
      return pair("ints", integers(at, n));
    }
    case ProfileTag::other:
      break;
  }
  return pair("", Py_NewRef(Py_None));
}

// Of each argument its name, and what it was.
PyObject* read_arguments(const Op& op, const int64_t* at) {
  Object dict(must(PyDict_New()));
  for (size_t i = 0; i < op.nargs; ++i) {
    const Object value(read_argument(at));
    must(PyDict_SetItemString(dict.get(), op.args[i].name, value.get()));
  }
  return dict.release();
}

PyObject* read_event(const ProfileLog& log, const ProfileEvent& e) {
  constexpr const char* kKinds[] = {"op", "node", "visit", "range"};
  const Object arguments(e.op && e.arguments
                             ? read_arguments(*e.op, log.numbers.data() + e.arguments)
                             : Py_NewRef(Py_None)),
      stack(e.stack ? static_cast<const Stack&>(*log.stacks[e.stack]).texts() : Py_NewRef(Py_None)),
      name(must(e.op ? PyUnicode_FromFormat("%s::%s", e.op->ns, e.op->name)
                     : PyUnicode_FromString(e.name)));
  return must(Py_BuildValue("(sOsiLLLLLOO)", kKinds[static_cast<int>(e.kind)], name.get(),
                            e.op ? e.op->overload : "", e.parent, static_cast<long long>(e.begin),
                            static_cast<long long>(e.end), static_cast<long long>(e.sequence),
                            static_cast<long long>(e.memory), static_cast<long long>(e.freed),
                            arguments.get(), stack.get()));
}

PyObject* read_log(const ProfileLog& log) {
  Object events(must(PyList_New(static_cast<Py_ssize_t>(log.events.size()))));
  for (size_t i = 0; i < log.events.size(); ++i)
    PyList_SET_ITEM(events.get(), static_cast<Py_ssize_t>(i), read_event(log, log.events[i]));
  return must(Py_BuildValue("(KO)", static_cast<unsigned long long>(log.thread), events.get()));
}

// ---- starting and stopping

constexpr const char* kProfile = "flambeau.profile";
struct Handle {
  Ref<Profile> profile;
  bool all_threads;
};

void free_handle(PyObject* capsule) {
  auto* const handle = static_cast<Handle*>(PyCapsule_GetPointer(capsule, kProfile));
  if (handle->all_threads && observer_of_all_threads().get() == handle->profile.get())
    observe_all_threads({});
  delete handle;
}

PyObject* start(PyObject*, PyObject* args) {
  int shapes, memory, stacks, all_threads;
  if (!PyArg_ParseTuple(args, "pppp:_profile_start", &shapes, &memory, &stacks, &all_threads))
    return nullptr;
  return guarded([&] {
    auto handle = std::make_unique<Handle>();
    handle->profile = Ref<Profile>::adopt(
        new Profile({.shapes = shapes != 0, .memory = memory != 0, .stacks = stacks != 0}));
    handle->all_threads = all_threads;
    Object capsule(must(PyCapsule_New(handle.get(), kProfile, nullptr)));
    if (all_threads)
      observe_all_threads(Ref<const Observer>(handle->profile.get()));
    else
      push_observer(handle->profile);
    handle.release();
    must(PyCapsule_SetDestructor(capsule.get(), free_handle));
    return capsule.release();
  });
}

// What all threads did, as (thread, events).
PyObject* stop(PyObject*, PyObject* capsule) {
  return guarded([&] {
    auto* const handle = static_cast<Handle*>(PyCapsule_GetPointer(capsule, kProfile));
    if (!handle) throw PythonError();
    const Profile& profile = *handle->profile;
    if (handle->all_threads) {
      if (observer_of_all_threads().get() == &profile) observe_all_threads({});
    } else {
      check(thread_state.profilers.top() == &profile,
            "profile: what was started last is to be stopped first, on the same thread");
      pop_observer();
    }
    profile.stop();
    Object list(must(PyList_New(0)));
    for (const ProfileLog& log : profile.logs()) {
      const Object one(read_log(log));
      must(PyList_Append(list.get(), one.get()));
    }
    return list.release();
  });
}

// ---- ranges

constexpr const char* kRange = "flambeau.profile range";

// A range that begins here, to be handed to _profile_exit; None where nobody looks.
PyObject* enter(PyObject*, PyObject* name) {
  if (!is_profiled()) Py_RETURN_NONE;
  return guarded([&] {
    Py_ssize_t n;
    const char* const text = PyUnicode_AsUTF8AndSize(name, &n);
    if (!text) throw PythonError();
    auto range = std::make_unique<ProfileRange>(ProfileEvent::Kind::range,
                                                std::string_view(text, static_cast<size_t>(n)), -1);
    Object capsule(must(PyCapsule_New(range.get(), kRange, [](PyObject* c) {
      delete static_cast<ProfileRange*>(PyCapsule_GetPointer(c, kRange));
    })));
    range.release();
    return capsule.release();
  });
}

PyObject* exit(PyObject*, PyObject* range) {
  if (range == Py_None) Py_RETURN_NONE;
  return guarded([&] {
    auto* const open = static_cast<ProfileRange*>(PyCapsule_GetPointer(range, kRange));
    if (!open) throw PythonError();
    open->close();
    return Py_NewRef(Py_None);
  });
}

PyObject* is_on(PyObject*, PyObject*) { return PyBool_FromLong(is_profiled()); }

PyMethodDef functions[] = {
    {"_profile_start", start, METH_VARARGS, nullptr}, {"_profile_stop", stop, METH_O, nullptr},
    {"_profile_enter", enter, METH_O, nullptr},       {"_profile_exit", exit, METH_O, nullptr},
    {"_is_profiled", is_on, METH_NOARGS, nullptr},    {}};

}  // namespace

bool init_profile(PyObject* module) {
  capture_stack = stack_here;
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
