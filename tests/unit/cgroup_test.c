/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The cases are tests/data/topology/NAME.cgroup: what to expect, then the files of a made-up machine.
 *     quota none | quota QUOTA/PERIOD = CPUS at FILE      complete yes|no      exclusive yes|no (optional)
 *     --- /PATH     the lines up to the next "---" are that file's contents; a path ending in / is a directory */
#include "os/cgroup.h"

#include "support/test.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CASES GR_TEST_DATA "/topology"

typedef struct expected {
    char quota[512];
    bool complete, exclusive, any_exclusive;
} expected;

static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void expect_line(expected *e, const char *line)
{
    if (strncmp(line, "quota ", 6) == 0)
        snprintf(e->quota, sizeof e->quota, "%s", line + 6);
    else if (strncmp(line, "complete ", 9) == 0)
        e->complete = strcmp(line + 9, "yes") == 0;
    else if (strncmp(line, "exclusive ", 10) == 0)
        e->any_exclusive = true, e->exclusive = strcmp(line + 10, "yes") == 0;
    else
        CHECK(line[0] == '#');
}

/* Builds the case's tree under `root`. */
static void build(const char *case_path, const char *root, expected *ret_expected)
{
    FILE *in = fopen(case_path, "re"), *out = NULL;
    char *line = NULL, path[PATH_MAX];
    size_t capacity = 0;
    bool head = true;
    CHECK(in);
    while (getline(&line, &capacity, in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "--- ", 4) == 0) {
            if (out) fclose(out);
            head = false;
            snprintf(path, sizeof path, "%s%s", root, line + 4);
            make_parents(path);
            out = path[strlen(path) - 1] == '/' ? NULL : fopen(path, "we");
            CHECK(out || path[strlen(path) - 1] == '/');
        } else if (head) {
            expect_line(ret_expected, line);
        } else {
            CHECK(out);
            fprintf(out, "%s\n", line);
        }
    }
    if (out) fclose(out);
    free(line);
    fclose(in);
}

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static void run_case(const char *name)
{
    char root[] = "/tmp/greenroom-cgroup-XXXXXX", case_path[PATH_MAX], got[512] = "none";
    expected e = {.quota = ""};
    gri_cgroup_quota quota;
    bool exclusive;
    CHECK(mkdtemp(root));
    snprintf(case_path, sizeof case_path, "%s/%s", CASES, name);
    build(case_path, root, &e);
    CHECK_OK(gri_cgroup_quota_read(root, &quota));
    CHECK_OK(gri_cgroup_cpus_exclusive(root, &exclusive));
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    if (quota.limited)
        snprintf(got, sizeof got, "%lld/%lld = %u at %s", (long long)quota.quota_us, (long long)quota.period_us,
                 quota.cpus, quota.where);
    if (strcmp(got, e.quota) != 0) TEST_FAIL("%s: quota \"%s\", expected \"%s\"", name, got, e.quota);
    if (quota.complete != e.complete) TEST_FAIL("%s: complete is %d, expected %d", name, quota.complete, e.complete);
    if (e.any_exclusive && exclusive != e.exclusive) TEST_FAIL("%s: exclusive is %d", name, exclusive);
}

TEST(cgroup, cases)
{
    int count = 0;
    DIR *directory = opendir(CASES);
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *ending = strrchr(entry->d_name, '.');
        if (!ending || strcmp(ending, ".cgroup") != 0) continue;
        run_case(entry->d_name);
        count++;
    }
    closedir(directory);
    CHECK(count >= 40);
}

TEST(cgroup, this_machine_answers)
{
    gri_cgroup_quota quota;
    bool exclusive;
    CHECK_OK(gri_cgroup_quota_read("", &quota));
    CHECK_OK(gri_cgroup_cpus_exclusive("", &exclusive));
    if (quota.limited) CHECK(quota.cpus >= 1 && quota.where[0] == '/');
}

/* A process out of descriptors must not take itself for unlimited. */
TEST(cgroup, without_descriptors_nothing_is_complete)
{
    struct rlimit before, less;
    gri_cgroup_quota quota;
    int lowest = dup(0);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    less = before;
    less.rlim_cur = (rlim_t)lowest;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &less));
    CHECK_OK(gri_cgroup_quota_read("", &quota));
    CHECK(!quota.complete);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
}

TEST(cgroup, limit_changes_are_seen)
{
    char root[] = "/tmp/greenroom-cgroup-XXXXXX", case_path[PATH_MAX], limit_path[PATH_MAX];
    expected e = {.quota = ""};
    gri_cgroup_quota quota;
    CHECK(mkdtemp(root));
    snprintf(case_path, sizeof case_path, "%s/v2_own.cgroup", CASES);
    build(case_path, root, &e);
    CHECK_OK(gri_cgroup_quota_read(root, &quota));
    CHECK_EQ(quota.cpus, 2);
    snprintf(limit_path, sizeof limit_path, "%s/sys/fs/cgroup/a/cpu.max", root);
    FILE *limit = fopen(limit_path, "we");
    CHECK(limit && fputs("600000 100000\n", limit) >= 0 && fclose(limit) == 0);
    CHECK_OK(gri_cgroup_quota_read(root, &quota));
    CHECK_EQ(quota.cpus, 6);
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
