// A record of where a program's time and memory go: the ops that it calls with their parts, the
// nodes of backward passes, and ranges that it names itself.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/dispatch/observe.h"

namespace flambeau::inline v1 {

struct ProfileOptions {
  bool shapes = false;  // of arguments, and numbers among them
  bool memory = false;
  bool stacks = false;  // of the program, where one calls
};

struct ProfileEvent {
  enum class Kind : uint8_t {
    op,
    node,   // a node of a backward pass
    visit,  // the same with the hooks around it, and what is done with its results
    range,
  };
  Kind kind;
  const char* name;       // of an op without its namespace and overload
  const Op* op;           // nullptr where it is none
  int32_t parent;         // within the same thread; -1: none
  int64_t begin, end;     // nanoseconds of the steady clock; end is -1 until then
  int64_t sequence;       // what a node made by an op has, and its backward; -1: none
  int64_t memory, freed;  // bytes of all tensors at the begin and at the end
  uint32_t arguments;     // where they stand in the log; 0: nowhere
  uint32_t stack;         // likewise
};

// What one thread did. The thread itself adds to it; others read it once the profile has ended.
class ProfileLog {
 public:
  explicit ProfileLog(uint64_t thread) : thread(thread) {}

  const uint64_t thread;  // as the system numbers it
  std::vector<ProfileEvent> events;
  // Arguments one after the other, each as a tag and what belongs to it; see write_arguments.
  std::vector<int64_t> numbers{0};
  std::vector<std::unique_ptr<Counted>> stacks{1};

 private:
  friend class Profile;
  mutable std::mutex mutex_;
  int32_t open_ = -1;  // the innermost event that has not ended
  std::map<std::string, bool, std::less<>> names_;
};

enum class ProfileTag : int64_t { other, tensor, tensors, integer, floating, boolean, integers };

class Profile final : public Observer {
 public:
  explicit Profile(const ProfileOptions& options);

  bool measures() const override { return true; }
  std::unique_ptr<Counted> begin(const Op& op, const Value* args) const override;
  void end(Counted* context, const Op& op, const Value* args, Results* results) const override;

  // An event of this thread that is no op: where it stands, to be handed to close().
  struct Place {
    ProfileLog* log = nullptr;  // nullptr: the profile has ended
    int32_t index = -1;
  };
  Place open(ProfileEvent::Kind kind, std::string_view name, int64_t sequence) const;
  void close(const Place& place) const;                         // on any thread
  void stop() const;                                            // what runs still ends now
  const std::deque<ProfileLog>& logs() const { return logs_; }  // after stop()

  // f(profile) for each that looks at this thread.
  template <class F>
  static void each(F&& f) {
    if (const Ref<const Observer> all = observer_of_all_threads())
      if (const auto* p = dynamic_cast<const Profile*>(all.get())) f(*p);
    for (const Frame* frame = thread_state.profilers.top(); frame; frame = frame->below())
      if (const auto* p = dynamic_cast<const Profile*>(frame)) f(*p);
  }

 private:
  ProfileLog* log() const;  // of this thread; nullptr where nothing is noted any more
  std::unique_ptr<Counted> stack_for(const ProfileLog& log) const;
  int32_t add(ProfileLog& log, ProfileEvent event, std::unique_ptr<Counted> stack) const;
  bool is_over() const;

  const ProfileOptions options_;
  const uint64_t id_;
  const uint32_t forks_;  // a process that was forked notes nothing
  mutable std::mutex mutex_;
  mutable std::deque<ProfileLog> logs_;
  mutable std::atomic<bool> stopped_{false};
};

// Whether this thread is looked at, and calls have to be told of.
bool is_profiled();

// A range of all profiles that look at this thread, from here to the end of the scope.
class ProfileRange {
 public:
  ProfileRange(ProfileEvent::Kind kind, std::string_view name, int64_t sequence);
  ~ProfileRange() { close(); }
  ProfileRange(ProfileRange&&) = default;
  void close();

 private:
  struct Open {
    Ref<const Profile> profile;
    Profile::Place place;
  };
  std::vector<Open> open_;
};

// The program's stack where it is; nullptr where there is none. The binding sets it.
extern std::unique_ptr<Counted> (*capture_stack)();

}  // namespace flambeau::inline v1
