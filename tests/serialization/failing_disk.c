/* Stands before the system's calls that write, once it is armed: the process is killed at one of
   them, or the disk is full from one on. Loaded by LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

enum { count_only, kill_before, kill_halfway, full, failing };

static int armed, mode, place, seen;

void disk_arm(int at, int how) {
  place = at;
  mode = how;
  seen = 0;
  armed = 1;
}

int disk_disarm(void) {
  armed = 0;
  return seen;
}

static int hit(void) {
  if (!armed) return 0;
  ++seen;
  if (mode == full) return seen >= place;
  return mode != count_only && seen == place;
}

static void die(void) { kill(getpid(), SIGKILL); }

ssize_t write(int fd, const void* data, size_t size) {
  static ssize_t (*real)(int, const void*, size_t);
  if (!real) real = (ssize_t (*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  if (fd > 2 && hit()) {
    if (mode == kill_before) die();
    if (mode == kill_halfway) {
      real(fd, data, size / 2);
      die();
    }
    /* What still fits goes in, as on a disk that is almost full. */
    if (mode == full && seen == place && size > 1) return real(fd, data, size / 2);
    errno = mode == full ? ENOSPC : EIO;
    return -1;
  }
  return real(fd, data, size);
}

#define OTHER(name, parameters, arguments)                            \
  int name parameters {                                               \
    static int(*real) parameters;                                     \
    if (!real) real = (int(*) parameters)dlsym(RTLD_NEXT, #name);     \
    if (hit()) {                                                      \
      if (mode == kill_before || mode == kill_halfway) die();         \
      errno = mode == full ? ENOSPC : EIO;                            \
      return -1;                                                      \
    }                                                                 \
    return real arguments;                                            \
  }

OTHER(fsync, (int fd), (fd))
OTHER(rename, (const char* from, const char* to), (from, to))
OTHER(linkat, (int a, const char* from, int b, const char* to, int flags), (a, from, b, to, flags))
