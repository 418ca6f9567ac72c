/* Faults of a machine, laid over single programs with LD_PRELOAD.
 *
 *   SHIM_FAULT=full      writes to files under SHIM_UNDER fail with ENOSPC once
 *                        SHIM_BYTES bytes were written by this process
 *   SHIM_FAULT=readonly  files under SHIM_UNDER cannot be opened for writing
 *                        (neither means SHIM_LOGS and SHIM_RECORDS, so that one
 *                        can read what a stage said)
 *   SHIM_FAULT=kill      the process is killed as soon as it has written more than
 *                        SHIM_BYTES bytes to files under SHIM_UNDER
 *   SHIM_FAULT=clock     an hour is taken from the wall clock after a second
 *   SHIM_FAULT=ahead     a day is added to it
 *
 * No privileges and no mount are needed, so the tests run wherever a C compiler is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long long written;

static int fault_is(const char *name) {
    const char *fault = getenv("SHIM_FAULT");
    return fault && !strcmp(fault, name);
}

static int begins(const char *path, const char *variable) {
    const char *prefix = getenv(variable);
    return prefix && !strncmp(path, prefix, strlen(prefix));
}

static int under(const char *path) {
    return begins(path, "SHIM_UNDER") && !begins(path, "SHIM_LOGS") &&
           !begins(path, "SHIM_RECORDS");
}

static int descriptor_under(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return under(path);
}

/* Tells whether the disk is too full for so many more bytes; counts them if not. */
static int no_room(int descriptor, size_t bytes) {
    int kill = fault_is("kill");
    if (!(kill || fault_is("full")) || !descriptor_under(descriptor)) return 0;
    const char *limit = getenv("SHIM_BYTES");
    if (written + (long long)bytes > (limit ? atoll(limit) : 0)) {
        if (kill) raise(SIGKILL);
        errno = ENOSPC;
        return 1;
    }
    written += bytes;
    return 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t bytes) {
    return no_room(fd, bytes) ? -1 : NEXT(write)(fd, data, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) {
    return no_room(fd, bytes) ? -1 : NEXT(pwrite)(fd, data, bytes, at);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
    return no_room(fd, bytes) ? -1 : NEXT(pwrite64)(fd, data, bytes, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
    return no_room(fd, bytes) ? -1 : NEXT(writev)(fd, parts, count);
}

ssize_t sendfile(int out, int in, off_t *at, size_t bytes) {
    return no_room(out, bytes) ? -1 : NEXT(sendfile)(out, in, at, bytes);
}

static int refused(const char *path, int flags) {
    if (!fault_is("readonly") || !(flags & (O_WRONLY | O_RDWR | O_CREAT))) return 0;
    char whole[4096];
    if (path[0] != '/') {
        char folder[2048];
        if (!getcwd(folder, sizeof folder)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", folder, path);
        path = whole;
    }
    if (!under(path)) return 0;
    errno = EROFS;
    return 1;
}

#define OPENER(name, ...)                                       \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
    va_end(rest);                                               \
    return refused(path, flags) ? -1 : NEXT(name)(__VA_ARGS__, flags, mode)

int open(const char *path, int flags, ...) { OPENER(open, path); }
int open64(const char *path, int flags, ...) { OPENER(open64, path); }
int openat(int at, const char *path, int flags, ...) { OPENER(openat, at, path); }
int openat64(int at, const char *path, int flags, ...) { OPENER(openat64, at, path); }

/* Returns the seconds that the wall clock is behind, below zero where it is ahead. */
static time_t lost_seconds(void) {
    static struct timespec first;
    struct timespec now;
    NEXT(clock_gettime)(CLOCK_MONOTONIC, &now);
    if (!first.tv_sec) first = now;
    if (now.tv_sec <= first.tv_sec + 1) return 0;
    return fault_is("clock") ? 3600 : fault_is("ahead") ? -86400 : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int status = NEXT(clock_gettime)(clock, out);
    if (!status && clock == CLOCK_REALTIME) out->tv_sec -= lost_seconds();
    return status;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    int status = NEXT(gettimeofday)(out, zone);
    if (!status) out->tv_sec -= lost_seconds();
    return status;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
