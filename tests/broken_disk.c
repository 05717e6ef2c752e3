/* A disk that fails, and a record of what was forced to it: loaded before libc (LD_PRELOAD), it sees each call.

   While the file BROKEN_FLAG exists, each BROKEN_CALL ("read", "write", "sync" or "link") on a path that contains
   BROKEN_PATH fails with BROKEN_ERRNO, and adds a byte to the flag, so that one can see how often. A link is made
   before it fails. With BROKEN_CALL "stat", the path has the size STALE_SIZE and no time, as a network disk may say
   for a while.

   CLOCK_FILE holds how many seconds the clock is ahead of the system's, or behind.

   SYNC_LOG is the record. A forced file adds "F identity size", a folder "D identity name/name/": as they were when the
   call began, since what comes later need not be on the disk. With SWALLOW_FSYNC, nothing is forced nor recorded.

   With KILL_NTH, the process dies before it forces a path that ends with KILL_PATH for the n-th time. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *flag, *broken_call, *broken_path, *record, *swallow, *kill_path, *clock_file;
static int broken_errno, kill_nth;
static long long stale_size;

static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_link)(const char *, const char *);
static int (*real_linkat)(int, const char *, int, const char *, int);
static int (*real_stat)(const char *, struct stat *);
static int (*real_fstat)(int, struct stat *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

__attribute__((constructor)) static void begin(void)
{
    flag = setting("BROKEN_FLAG");
    broken_call = setting("BROKEN_CALL");
    broken_path = setting("BROKEN_PATH");
    broken_errno = atoi(setting("BROKEN_ERRNO"));
    record = setting("SYNC_LOG");
    swallow = setting("SWALLOW_FSYNC");
    kill_path = setting("KILL_PATH");
    kill_nth = atoi(setting("KILL_NTH"));
    stale_size = atoll(setting("STALE_SIZE"));
    clock_file = setting("CLOCK_FILE");
    real_read = dlsym(RTLD_NEXT, "read");
    real_pread = dlsym(RTLD_NEXT, "pread");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_link = dlsym(RTLD_NEXT, "link");
    real_linkat = dlsym(RTLD_NEXT, "linkat");
    real_stat = dlsym(RTLD_NEXT, "stat");
    real_fstat = dlsym(RTLD_NEXT, "fstat");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

static void path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
}

/* Whether this call fails; errno says why, and is as it was if it doesn't. */
static int fails_at(const char *path, const char *call)
{
    int before = errno;
    if (!*flag || strcmp(call, broken_call))
        return 0;
    int counter = strstr(path, broken_path) ? open(flag, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (counter < 0) {
        errno = before;
        return 0;
    }
    real_write(counter, ".", 1);
    close(counter);
    errno = broken_errno;
    return 1;
}

static int fails(int fd, const char *call)
{
    char path[4096];
    if (!*flag || strcmp(call, broken_call))
        return 0;
    path_of(fd, path, sizeof path);
    return fails_at(path, call);
}

ssize_t read(int fd, void *data, size_t size)
{
    return fails(fd, "read") ? -1 : real_read(fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return fails(fd, "read") ? -1 : real_pread(fd, data, size, offset);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset)
{
    return fails(fd, "read") ? -1 : real_pread(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return fails(fd, "write") ? -1 : real_write(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fails(fd, "write") ? -1 : real_writev(fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return fails(fd, "write") ? -1 : real_pwrite(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return fails(fd, "write") ? -1 : real_pwrite(fd, data, size, offset);
}

int link(const char *old, const char *new)
{
    int result = real_link(old, new);
    return !result && fails_at(new, "link") ? -1 : result;
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    int result = real_linkat(from, old, to, new, flags);
    return !result && fails_at(new, "link") ? -1 : result;
}

static void grow_old(struct stat *status)
{
    status->st_size = stale_size;
    status->st_mtim = (struct timespec){0, 0};
}

int stat(const char *path, struct stat *status)
{
    int result = real_stat(path, status);
    if (!result && fails_at(path, "stat"))
        grow_old(status);
    return result;
}

int stat64(const char *path, struct stat64 *status)
{
    return stat(path, (struct stat *)status);
}

int fstat(int fd, struct stat *status)
{
    int result = real_fstat(fd, status);
    if (!result && fails(fd, "stat"))
        grow_old(status);
    return result;
}

int fstat64(int fd, struct stat64 *status)
{
    return fstat(fd, (struct stat *)status);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real_clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME && *clock_file) {
        char text[32] = "";
        int file = open(clock_file, O_RDONLY | O_CLOEXEC);
        if (file >= 0 && real_read(file, text, sizeof text - 1) > 0)
            now->tv_sec += atoll(text);
        if (file >= 0)
            close(file);
    }
    return result;
}

/* Which file it is: the number of an inode goes to another file once the first is deleted, its time of birth doesn't. */
static int identified(int fd, const char *path, struct statx *status, char *identity, size_t size)
{
    if (statx(fd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, status))
        return -1;
    snprintf(identity, size, "%u:%u:%llu:%lld.%u", status->stx_dev_major, status->stx_dev_minor,
             (unsigned long long)status->stx_ino, (long long)status->stx_btime.tv_sec, status->stx_btime.tv_nsec);
    return 0;
}

int identify(const char *path, char *identity, size_t size)
{
    struct statx status;
    return identified(AT_FDCWD, path, &status, identity, size);
}

/* What the record will say of *fd*; NULL where it is neither a file nor a folder. */
static char *described(int fd)
{
    struct statx status;
    char identity[128], *text = NULL;
    size_t size;
    if (identified(fd, "", &status, identity, sizeof identity))
        return NULL;
    FILE *line = open_memstream(&text, &size);
    if (S_ISREG(status.stx_mode)) {
        fprintf(line, "F %s %llu\n", identity, (unsigned long long)status.stx_size);
    } else if (S_ISDIR(status.stx_mode)) {
        DIR *folder = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        fprintf(line, "D %s ", identity);
        for (struct dirent *each; folder && (each = readdir(folder));)
            fprintf(line, "%s/", each->d_name);
        fprintf(line, "\n");
        if (folder)
            closedir(folder);
    }
    fclose(line);
    return text;
}

static void note(const char *text)
{
    int file = open(record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || real_write(file, text, strlen(text)) < 0)
        abort();
    close(file);
}

static void die_in_time(int fd)
{
    static int times;
    char path[4096];
    if (!kill_nth)
        return;
    path_of(fd, path, sizeof path);
    size_t length = strlen(path), end = strlen(kill_path);
    if (length >= end && !strcmp(path + length - end, kill_path) && __sync_add_and_fetch(&times, 1) == kill_nth)
        kill(getpid(), SIGKILL);
}

static int force(int fd, int (*real)(int))
{
    if (fails(fd, "sync"))
        return -1;
    die_in_time(fd);
    if (*swallow)
        return 0;
    char *text = *record ? described(fd) : NULL;
    int result = real(fd);
    if (!result && text)
        note(text);
    free(text);
    return result;
}

int fsync(int fd)
{
    return force(fd, real_fsync);
}

int fdatasync(int fd)
{
    return force(fd, real_fdatasync);
}
