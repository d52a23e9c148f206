/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See cgroup.h. Sources: cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5), the kernel's
 * admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
 *
 * /proc/self/cgroup names the process's group in each hierarchy, /proc/self/mountinfo says which part of which
 * hierarchy is mounted where. A group "/a/b/c" under a mount of "/a" at /m is the directory /m/b/c; its levels are
 * /m/b/c, /m/b, /m. */
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <greenroom/error.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct level {
    const char *root;      /* goes before directory */
    const char *directory; /* of this level; without a slash at its end */
    int version;           /* 1 or 2 */
    bool own;              /* the process's own group */
    bool top;              /* the hierarchy's root: no group at all */
} level;

typedef struct walk {
    const char *root, *controller; /* version 1's name of it */
    void (*visit)(void *arg, const level *level);
    void *arg;
    char *group_v1, *group_v2; /* the process's group; NULL: not in such a hierarchy */
    bool found_v1, found_v2;   /* the process's own group was visited there */
    bool mounts_read, unreadable, out_of_memory;
} walk;

/* False if the whole path is too long, which the kernel would say as well. */
static bool join(char ret_path[PATH_MAX], const char *root, const char *directory, const char *name)
{
    int bytes = snprintf(ret_path, PATH_MAX, "%s%s%s%s", root, directory, name[0] ? "/" : "", name);
    return bytes > 0 && bytes < PATH_MAX;
}

/* Calls `each` with every line, without its newline. A missing file has none. */
static void read_lines(walk *w, const char *name, void (*each)(walk *w, char *line))
{
    char path[PATH_MAX], *line = NULL;
    FILE *file = join(path, w->root, name, "") ? fopen(path, "re") : NULL;
    if (!file) {
        w->out_of_memory |= errno == ENOMEM;
        w->unreadable |= errno != ENOENT;
        return;
    }
    size_t capacity = 0;
    ssize_t bytes;
    errno = 0;
    while ((bytes = getline(&line, &capacity, file)) > 0) {
        if (line[bytes - 1] == '\n') line[bytes - 1] = '\0';
        each(w, line);
        errno = 0;
    }
    w->out_of_memory |= errno == ENOMEM;
    w->unreadable |= errno != 0;
    free(line);
    fclose(file);
}

/* Whether `name` is one of the names between commas. */
static bool list_has(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, name, bytes) == 0 && (at[bytes] == ',' || at[bytes] == '\0')) return true;
    return false;
}

/* A line of /proc/self/cgroup: "4:cpu,cpuacct:/a/b", "0::/a/b". */
static void group_line(walk *w, char *line)
{
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group || group[1] != '/') return;
    *group++ = '\0';
    *controllers++ = '\0';
    char **ret_group = strcmp(line, "0") == 0 && !*controllers ? &w->group_v2
                       : list_has(controllers, w->controller)  ? &w->group_v1
                                                               : NULL;
    if (!ret_group || *ret_group) return;
    *ret_group = strdup(group);
    w->out_of_memory |= !*ret_group;
}

/* "\040" and its like, in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
            from[3] <= '7') {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* How many "/.." a path begins with; moves *path behind them. */
static unsigned skip_ups(const char **path)
{
    unsigned ups = 0;
    while (strncmp(*path, "/..", 3) == 0 && ((*path)[3] == '/' || (*path)[3] == '\0')) {
        *path += 3;
        ups++;
    }
    return ups;
}

/* Where `group` lies below a mount of `mount_root`: its path from there ("" for the mount root itself), or NULL if it
 * is not below it. *ret_hidden: it is, but through directories whose names this namespace does not tell; "" then stands
 * for the nearest level that is known.
 * Both paths are relative to the reader's cgroup namespace and may begin with "/.." for groups outside it. */
static const char *below(const char *group, const char *mount_root, bool *ret_hidden)
{
    unsigned group_ups = skip_ups(&group), root_ups = skip_ups(&mount_root);
    if (strcmp(group, "/") == 0) group = "";
    if (strcmp(mount_root, "/") == 0) mount_root = "";
    *ret_hidden = false;
    if (root_ups > group_ups && mount_root[0] == '\0') {
        *ret_hidden = true;
        return "";
    }
    size_t bytes = strlen(mount_root);
    if (root_ups != group_ups || strncmp(group, mount_root, bytes) != 0) return NULL;
    return group[bytes] == '/' || group[bytes] == '\0' ? group + bytes : NULL;
}

static void visit_levels(walk *w, int version, const char *mount_point, const char *mount_root, const char *group)
{
    bool hidden;
    char directory[PATH_MAX];
    const char *rest = below(group, mount_root, &hidden);
    if (!rest) return;
    if (strcmp(mount_point, "/") == 0) mount_point = "";
    int bytes = snprintf(directory, sizeof directory, "%s%s", mount_point, rest);
    if (bytes < 0 || (size_t)bytes >= sizeof directory) return;

    size_t top = strlen(mount_point);
    for (bool own = !hidden;; own = false) {
        struct stat status;
        char path[PATH_MAX];
        bool is_root = directory[top] == '\0' && strcmp(mount_root, "/") == 0;
        level at = {w->root, directory, version, own, is_root};
        if (join(path, w->root, directory, ".") && stat(path, &status) == 0) {
            if (own) *(version == 1 ? &w->found_v1 : &w->found_v2) = true;
            w->visit(w->arg, &at);
        }
        if (directory[top] == '\0') return;
        *strrchr(directory, '/') = '\0';
    }
}

/* A line of /proc/self/mountinfo: "36 35 98:0 ROOT POINT options [optional…] - TYPE source super-options". */
static void mount_line(walk *w, char *line)
{
    char *field[5], *save = NULL, *separator = strstr(line, " - ");
    if (!separator) return;
    *separator = '\0';
    field[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < 5; i++) field[i] = field[i - 1] ? strtok_r(NULL, " ", &save) : NULL;
    char *type = strtok_r(separator + 3, " ", &save), *source = type ? strtok_r(NULL, " ", &save) : NULL;
    char *options = source ? strtok_r(NULL, " ", &save) : NULL;
    if (!field[4] || !type) return;
    w->mounts_read = true;
    unescape(field[3]);
    unescape(field[4]);
    if (strcmp(type, "cgroup2") == 0 && w->group_v2)
        visit_levels(w, 2, field[4], field[3], w->group_v2);
    else if (strcmp(type, "cgroup") == 0 && w->group_v1 && options && list_has(options, w->controller))
        visit_levels(w, 1, field[4], field[3], w->group_v1);
}

/* Visits every level that exists, of every hierarchy that may hold the controller, from the process's group upwards.
 * *ret_found: the process's own group is among them (the controller is version 1's where that lists it), or the system
 * has no groups. */
static int walk_groups(walk *w, bool *ret_found)
{
    read_lines(w, "/proc/self/cgroup", group_line);
    read_lines(w, "/proc/self/mountinfo", mount_line);
    *ret_found = !w->unreadable && (w->group_v1 ? w->found_v1 : w->group_v2 ? w->found_v2 : w->mounts_read);
    free(w->group_v1);
    free(w->group_v2);
    return w->out_of_memory ? GR_ENOMEM : 0;
}

enum file { FILE_MISSING, FILE_READ, FILE_UNREADABLE };

/* The start of a small file, up to its first newline. Without stdio: it is called for every level, and allocates
 * nothing. */
static enum file read_first_line(const level *at, const char *name, char *ret_line, size_t bytes)
{
    char path[PATH_MAX];
    if (!join(path, at->root, at->directory, name)) return FILE_UNREADABLE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? FILE_MISSING : FILE_UNREADABLE;
    ssize_t got;
    do got = read(fd, ret_line, bytes - 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    if (got < 0) return errno == ENODEV ? FILE_MISSING : FILE_UNREADABLE; /* ENODEV: the group has just been removed */
    ret_line[got] = '\0';
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return FILE_READ;
}

/* A whole decimal number, moving *at behind it; the next character must end the text or be a blank. */
static bool read_number(const char **at, int64_t *ret_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (errno || end == *at || (*end != '\0' && *end != ' ') || **at == ' ') return false;
    *at = *end ? end + 1 : end;
    *ret_number = number;
    return true;
}

enum limit { LIMIT_NONE, LIMIT_SET, LIMIT_UNKNOWN };

static enum limit read_limit_v2(const level *at, int64_t *ret_quota, int64_t *ret_period)
{
    char text[64];
    const char *p = text;
    enum file file = read_first_line(at, "cpu.max", text, sizeof text);
    if (file != FILE_READ) return file == FILE_MISSING ? LIMIT_NONE : LIMIT_UNKNOWN;
    if (strncmp(text, "max ", 4) == 0 || strcmp(text, "max") == 0) return LIMIT_NONE;
    if (!read_number(&p, ret_quota) || !read_number(&p, ret_period) || *p) return LIMIT_UNKNOWN;
    return *ret_quota > 0 && *ret_period > 0 ? LIMIT_SET : LIMIT_UNKNOWN;
}

static enum limit read_limit_v1(const level *at, int64_t *ret_quota, int64_t *ret_period)
{
    char text[64];
    const char *p = text;
    enum file file = read_first_line(at, "cpu.cfs_quota_us", text, sizeof text);
    if (file != FILE_READ) return file == FILE_MISSING ? LIMIT_NONE : LIMIT_UNKNOWN;
    if (!read_number(&p, ret_quota) || *p) return LIMIT_UNKNOWN;
    if (*ret_quota == -1) return LIMIT_NONE;
    p = text;
    if (read_first_line(at, "cpu.cfs_period_us", text, sizeof text) != FILE_READ) return LIMIT_UNKNOWN;
    if (!read_number(&p, ret_period) || *p) return LIMIT_UNKNOWN;
    return *ret_quota > 0 && *ret_period > 0 ? LIMIT_SET : LIMIT_UNKNOWN;
}

static void visit_quota(void *arg, const level *at)
{
    gri_cgroup_quota *tightest = arg;
    int64_t quota, period;
    enum limit limit = at->version == 2 ? read_limit_v2(at, &quota, &period) : read_limit_v1(at, &quota, &period);
    if (limit == LIMIT_UNKNOWN) tightest->complete = false;
    if (limit != LIMIT_SET) return;
    /* quota / period < tightest, without rounding */
    if (tightest->limited && (__int128)quota * tightest->period_us >= (__int128)tightest->quota_us * period) return;
    tightest->limited = true;
    tightest->quota_us = quota;
    tightest->period_us = period;
    int64_t cpus = quota / period + (quota % period != 0);
    tightest->cpus = (uint32_t)GRI_MIN(cpus, (int64_t)UINT32_MAX);
    snprintf(tightest->where, sizeof tightest->where, "%s/%s", at->directory,
             at->version == 2 ? "cpu.max" : "cpu.cfs_quota_us");
}

int gri_cgroup_quota_read(const char *root, gri_cgroup_quota *ret_quota)
{
    gri_cgroup_quota quota = {.complete = true};
    walk w = {.root = root, .controller = "cpu", .visit = visit_quota, .arg = &quota};
    bool found;
    int error = walk_groups(&w, &found);
    if (error) return error;
    quota.complete = quota.complete && found;
    *ret_quota = quota;
    return 0;
}

static void visit_exclusive(void *arg, const level *at)
{
    char text[64];
    if (!at->own || at->top) return;
    const char *name = at->version == 2 ? "cpuset.cpus.partition" : "cpuset.cpu_exclusive";
    if (read_first_line(at, name, text, sizeof text) != FILE_READ) return;
    *(bool *)arg |=
        at->version == 2 ? strcmp(text, "root") == 0 || strcmp(text, "isolated") == 0 : strcmp(text, "1") == 0;
}

int gri_cgroup_cpus_exclusive(const char *root, bool *ret_exclusive)
{
    bool exclusive = false, found;
    walk w = {.root = root, .controller = "cpuset", .visit = visit_exclusive, .arg = &exclusive};
    int error = walk_groups(&w, &found);
    if (error) return error;
    *ret_exclusive = exclusive;
    return 0;
}
