/* A file layer between a process and its files, loaded with LD_PRELOAD: it writes down everything that changes files
 * in one folder, in order, and fails what it is told to. `trace.rs` beside this makes from the record every state that
 * a power cut could have left.
 *
 *   FAULTFS_DIR    the folder that is watched; an absolute path
 *   FAULTFS_TRACE  where to write the record; not in that folder
 *   FAULTFS_CTL    a file of one byte, which says what fails now (see `mode`); may change at any time
 *
 * A record, little-endian: op u8, inode u64, offset u64, length u32, then that many bytes. Ops:
 *   C created (bytes: path)   W write (bytes: data)   T truncate to offset   S synced   F sync failed
 *   R renamed (bytes: from \0 to)   U unlinked (bytes: path)   D folder synced (bytes: path)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD_MAX = 4096, PATH_LEN = 1024 };
enum kind { NONE, REGULAR, FOLDER };
enum mode { NORMAL = '0', FULL = '1', READ_ONLY = '2', SYNC_FAILS = '3', WRITE_FAILS = '4', SYNC_FAILS_ONCE = '5' };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kinds[FD_MAX];
static char paths[FD_MAX][PATH_LEN];
static const char *watched;
static int trace = -1;
static volatile char *ctl;

__attribute__((constructor)) static void begin(void) {
    watched = getenv("FAULTFS_DIR");
    const char *to = getenv("FAULTFS_TRACE"), *said = getenv("FAULTFS_CTL");
    if (watched && to) trace = (int)syscall(SYS_openat, AT_FDCWD, to, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (said) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, said, O_RDWR | O_CLOEXEC, 0);
        if (fd >= 0) ctl = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (ctl == MAP_FAILED) ctl = NULL;
    }
}

static char mode(void) { return ctl ? *ctl : NORMAL; }

static int is_watched(const char *path) {
    size_t n = watched ? strlen(watched) : 0;
    return n && path && strncmp(path, watched, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static char kind(int fd) { return fd >= 0 && fd < FD_MAX ? kinds[fd] : NONE; }

static void record(char op, uint64_t inode, uint64_t offset, const void *bytes, uint32_t length) {
    if (trace < 0) return;
    char head[21];
    head[0] = op;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length, 4);
    /* A record that is not whole would make the proof lie: better to stop. */
    if (syscall(SYS_write, trace, head, sizeof head) != sizeof head) abort();
    while (length) {
        long n = syscall(SYS_write, trace, bytes, length);
        if (n <= 0) abort();
        bytes = (const char *)bytes + n;
        length -= (uint32_t)n;
    }
}

static uint64_t inode_of(int fd) {
    struct stat st;
    return fstat(fd, &st) ? 0 : (uint64_t)st.st_ino;
}

static int fail(int with) { errno = with; return -1; }

static int opened(int dir, const char *path, int flags, mode_t permission) {
    int is = dir == AT_FDCWD && is_watched(path);
    int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
    pthread_mutex_lock(&lock);
    int fresh = is && (flags & O_CREAT) && access(path, F_OK) != 0;
    if (is && writes && mode() == READ_ONLY) { pthread_mutex_unlock(&lock); return fail(EROFS); }
    if (fresh && mode() == FULL) { pthread_mutex_unlock(&lock); return fail(ENOSPC); }
    int fd = (int)syscall(SYS_openat, dir, path, flags, permission);
    if (fd >= 0 && fd < FD_MAX) {
        struct stat st;
        kinds[fd] = !is || fstat(fd, &st) ? NONE : S_ISDIR(st.st_mode) ? FOLDER : writes ? REGULAR : NONE;
        if (kinds[fd]) snprintf(paths[fd], PATH_LEN, "%s", path);
        if (fresh && kinds[fd] == REGULAR) record('C', st.st_ino, 0, path, (uint32_t)strlen(path));
        else if (kinds[fd] == REGULAR && (flags & O_TRUNC)) record('T', st.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name, ...)                                                         \
    mode_t permission = 0;                                                      \
    if (flags & (O_CREAT | O_TMPFILE)) {                                        \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        permission = va_arg(rest, mode_t);                                      \
        va_end(rest);                                                           \
    }                                                                           \
    return opened(__VA_ARGS__, path, flags, permission);

int open(const char *path, int flags, ...) { OPEN(open, AT_FDCWD) }
int open64(const char *path, int flags, ...) { OPEN(open64, AT_FDCWD) }
int openat(int dir, const char *path, int flags, ...) { OPEN(openat, dir) }
int openat64(int dir, const char *path, int flags, ...) { OPEN(openat64, dir) }

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FD_MAX) kinds[fd] = NONE;
    int done = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return done;
}

static ssize_t written(int fd, const void *bytes, size_t count, off_t offset, int at) {
    if (kind(fd) != REGULAR) {
        return at ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
    }
    int refused = 0;
    switch (mode()) {
        case FULL: refused = ENOSPC; break;
        case READ_ONLY: refused = EROFS; break;
        case WRITE_FAILS: refused = EIO; break;
        default: break;
    }
    pthread_mutex_lock(&lock);
    if (!at) {
        int append = fcntl(fd, F_GETFL) & O_APPEND;
        offset = lseek(fd, 0, append ? SEEK_END : SEEK_CUR);
    }
    ssize_t done;
    if (refused) {
        /* What a disk that fails half-way leaves behind: a piece of the write. */
        size_t piece = count / 2;
        done = syscall(SYS_pwrite64, fd, bytes, piece, offset);
        if (done > 0) record('W', inode_of(fd), (uint64_t)offset, bytes, (uint32_t)done);
        done = -1;
    } else {
        done = syscall(SYS_pwrite64, fd, bytes, count, offset);
        if (done > 0) record('W', inode_of(fd), (uint64_t)offset, bytes, (uint32_t)done);
        if (done > 0 && !at) lseek(fd, offset + done, SEEK_SET);
    }
    pthread_mutex_unlock(&lock);
    if (refused) errno = refused;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t count) { return written(fd, bytes, count, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return written(fd, bytes, count, at, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return written(fd, bytes, count, at, 1); }

static int truncated(int fd, off_t length) {
    if (kind(fd) != REGULAR) return (int)syscall(SYS_ftruncate, fd, length);
    if (mode() == READ_ONLY) return fail(EROFS);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (!done) record('T', inode_of(fd), (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off_t length) { return truncated(fd, length); }

/* Nothing is really synced: the record decides what a crash leaves, and the test is fast. */
static int synced(int fd, long number) {
    if (kind(fd) == NONE) return (int)syscall(number, fd);
    pthread_mutex_lock(&lock);
    char now = mode();
    int failed = now == SYNC_FAILS || now == SYNC_FAILS_ONCE;
    if (now == SYNC_FAILS_ONCE && ctl) *ctl = NORMAL;
    if (kind(fd) == FOLDER) {
        if (!failed) record('D', inode_of(fd), 0, paths[fd], (uint32_t)strlen(paths[fd]));
    } else {
        record(failed ? 'F' : 'S', inode_of(fd), 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return failed ? fail(EIO) : 0;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    if (!is_watched(from)) return (int)syscall(SYS_rename, from, to);
    if (mode() == READ_ONLY) return fail(EROFS);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_rename, from, to);
    if (!done) {
        char both[2 * PATH_LEN];
        int n = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
        record('R', 0, 0, both, (uint32_t)n);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    if (!is_watched(path)) return (int)syscall(SYS_unlink, path);
    if (mode() == READ_ONLY) return fail(EROFS);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlink, path);
    if (!done) record('U', 0, 0, path, (uint32_t)strlen(path));
    pthread_mutex_unlock(&lock);
    return done;
}
