/* Stands between a program and libc for one folder: counts its durable steps and ends or hurts one of them.
 *
 * A step is a write, sync, rename or truncation of a file below SHIM_FOLDER, or the first packet sent after
 * one. Only tests load it, by LD_PRELOAD; nothing of it is in a product.
 *
 *   SHIM_FOLDER  absolute path; files below it count
 *   SHIM_LOG     a line for every step: number, kind, file. Appended to by one write a line
 *   SHIM_AT      number of the step that is met; 0 for none
 *   SHIM_DO      before, half, after (SIGKILL there; half writes half of it first), full (this step and all
 *                writes after it fail with ENOSPC while SHIM_WHILE exists), eio (this step fails once with EIO)
 *   SHIM_KIND    only steps of this kind count for SHIM_AT, such as sync
 *   SHIM_WHILE   path of a file; see full
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long steps, of_kind;
static int since_send, failed;

static const char *set(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int counts(const char *path) {
    const char *folder = set("SHIM_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) || (path[length] != '/' && path[length])) return 0;
    /* Locks and the shared memory of a database hold nothing that must outlive the process. */
    const char *end = strrchr(path, '-');
    return !(end && !strcmp(end, "-shm"));
}

static int path_of(int fd, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return counts(path);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What is to happen at this step. */
enum { PASS, BEFORE, HALF, AFTER, FULL, EIO_ONCE };

static int step(const char *kind, const char *path) {
    const char *at = set("SHIM_AT"), *what = set("SHIM_DO"), *only = set("SHIM_KIND"), *log = set("SHIM_LOG");
    long number, mine;
    pthread_mutex_lock(&lock);
    number = ++steps;
    mine = !only || !strcmp(only, kind) ? ++of_kind : -1;
    pthread_mutex_unlock(&lock);
    if (log) {
        char line[4400];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", number, kind, path);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0) {
            ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
            if (real(fd, line, (size_t)length) < 0) { /* a line less */ }
            close(fd);
        }
    }
    if (!at || !what) return PASS;
    if (!strcmp(what, "full")) {
        const char *gate = set("SHIM_WHILE");
        /* Nothing is written by these. */
        int frees = !strcmp(kind, "send") || !strcmp(kind, "unlink");
        return !frees && mine >= atol(at) && gate && !access(gate, F_OK) ? FULL : PASS;
    }
    if (mine != atol(at)) return PASS;
    if (!strcmp(what, "before")) return BEFORE;
    if (!strcmp(what, "half")) return HALF;
    if (!strcmp(what, "after")) return AFTER;
    if (!strcmp(what, "eio") && !failed) { failed = 1; return EIO_ONCE; }
    return PASS;
}

/* A step of a file; the call stands as `call`, half of it as `part`. */
#define STEP(kind, path, sent, result, failure, call, part)                                                  \
    do {                                                                                                     \
        int what = step(kind, path);                                                                         \
        if (!(sent)) __atomic_store_n(&since_send, 1, __ATOMIC_SEQ_CST);                                     \
        if (what == BEFORE) die();                                                                           \
        if (what == HALF) { part; die(); }                                                                   \
        if (what == FULL) { errno = ENOSPC; return failure; }                                                \
        if (what == EIO_ONCE) { errno = EIO; return failure; }                                               \
        result = call;                                                                                       \
        if (what == AFTER) die();                                                                            \
        return result;                                                                                       \
    } while (0)

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    char path[4096];
    ssize_t result;
    if (!path_of(fd, path, sizeof path)) return real(fd, bytes, length);
    STEP("write", path, 0, result, -1, real(fd, bytes, length), real(fd, bytes, length / 2));
}

#define PWRITE(name, offset_type)                                                                            \
    ssize_t name(int fd, const void *bytes, size_t length, offset_type offset) {                             \
        REAL(name);                                                                                          \
        char path[4096];                                                                                     \
        ssize_t result;                                                                                      \
        if (!path_of(fd, path, sizeof path)) return real(fd, bytes, length, offset);                         \
        STEP("write", path, 0, result, -1, real(fd, bytes, length, offset),                                  \
             real(fd, bytes, length / 2, offset));                                                           \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_FD(name, kind)                                                                                    \
    int name(int fd) {                                                                                       \
        REAL(name);                                                                                          \
        char path[4096];                                                                                     \
        int result;                                                                                          \
        if (!path_of(fd, path, sizeof path)) return real(fd);                                                \
        STEP(kind, path, 0, result, -1, real(fd), (void)0);                                                  \
    }
ON_FD(fsync, "sync")
ON_FD(fdatasync, "sync")

#define TRUNCATE(name, offset_type)                                                                          \
    int name(int fd, offset_type length) {                                                                   \
        REAL(name);                                                                                          \
        char path[4096];                                                                                     \
        int result;                                                                                          \
        if (!path_of(fd, path, sizeof path)) return real(fd, length);                                        \
        STEP("truncate", path, 0, result, -1, real(fd, length), (void)0);                                    \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(rename);
    int result;
    if (!counts(to)) return real(from, to);
    STEP("rename", to, 0, result, -1, real(from, to), (void)0);
}

int unlink(const char *path) {
    REAL(unlink);
    int result;
    if (!counts(path)) return real(path);
    STEP("unlink", path, 0, result, -1, real(path), (void)0);
}

/* The first packet after a step of a file; local sockets are no network. */
static int first_packet(int fd) {
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    if (!set("SHIM_FOLDER") || getsockname(fd, (struct sockaddr *)&own, &length)) return 0;
    if (own.ss_family != AF_INET && own.ss_family != AF_INET6) return 0;
    return __atomic_exchange_n(&since_send, 0, __ATOMIC_SEQ_CST);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    ssize_t result;
    if (!first_packet(fd)) return real(fd, message, flags);
    STEP("send", "packet", 1, result, -1, real(fd, message, flags), (void)0);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
    REAL(sendmmsg);
    int result;
    if (!first_packet(fd)) return real(fd, messages, count, flags);
    STEP("send", "packet", 1, result, -1, real(fd, messages, count, flags), (void)0);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t room) {
    REAL(sendto);
    ssize_t result;
    if (!first_packet(fd)) return real(fd, bytes, length, flags, to, room);
    STEP("send", "packet", 1, result, -1, real(fd, bytes, length, flags, to, room), (void)0);
}
