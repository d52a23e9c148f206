/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* The cases are tests/data/topology/NAME.machine: a synthetic machine and what to expect of the placement on it.
 *     synthetic DESCRIPTION   bind GREENROOM_BIND (auto)   ask WORKERS (0)
 *     workers N   in_force BIND   reason TEXT (part of it)   cpus WORKER = LIST
 *     place WORKER = CORE CACHE NODE PACKAGE (- for unknown)   victims WORKER = WORKER… (the beginning)
 *     spread yes   at every distance each worker is the first victim of exactly one other
 * hwloc itself is the oracle of every case: the common ancestors of a worker and its victims never get smaller. */
#include "os/topology.h"

#include "os/thread.h"
#include "support/test.h"

#include <dirent.h>
#include <ftw.h>
#include <greenroom/error.h>
#include <hwloc.h>
#include <jansson.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define CASES GR_TEST_DATA "/topology"

static gri_topology *read_synthetic(const char *synthetic)
{
    gri_topology_options options = {.synthetic = synthetic};
    gri_topology *topology = NULL;
    CHECK_OK(gri_topology_read(&options, &topology));
    return topology;
}

static void print_mask(const gri_topology *t, uint32_t worker, char *text, size_t bytes)
{
    gri_cpus cpus;
    gri_cpus_clear(&cpus);
    for (uint32_t i = 0; i < t->places[worker].pu_count; i++)
        gri_cpus_add(&cpus, t->pus[t->places[worker].pu_first + i].os_index);
    gri_cpus_print(&cpus, text, bytes);
}

static void print_place(const gri_topology *t, uint32_t worker, char *text, size_t bytes)
{
    const gri_place *p = &t->places[worker];
    uint32_t columns[] = {p->core, p->cache, p->node, p->package};
    size_t length = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *blank = i ? " " : "";
        if (columns[i] == GRI_TOPOLOGY_UNKNOWN)
            length += (size_t)snprintf(text + length, bytes - length, "%s-", blank);
        else
            length += (size_t)snprintf(text + length, bytes - length, "%s%u", blank, columns[i]);
    }
}

static void print_victims(const gri_topology *t, uint32_t worker, char *text, size_t bytes)
{
    uint32_t *order = calloc(t->workers, sizeof *order);
    size_t length = 0;
    text[0] = '\0';
    gri_topology_victims(t, worker, t->workers, order);
    for (uint32_t i = 0; i + 1 < t->workers; i++)
        length += (size_t)snprintf(text + length, bytes - length, "%s%u", i ? " " : "", order[i]);
    free(order);
}

/* The number of CPUs below the smallest object that holds both workers' CPUs. */
static int spanned(hwloc_topology_t hw, const gri_topology *t, uint32_t a, uint32_t b)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (uint32_t i = 0; i < t->places[a].pu_count; i++)
        hwloc_bitmap_set(set, t->pus[t->places[a].pu_first + i].os_index);
    for (uint32_t i = 0; i < t->places[b].pu_count; i++)
        hwloc_bitmap_set(set, t->pus[t->places[b].pu_first + i].os_index);
    hwloc_obj_t holder = hwloc_get_obj_covering_cpuset(hw, set);
    hwloc_bitmap_free(set);
    CHECK(holder);
    return hwloc_bitmap_weight(holder->cpuset);
}

static void check_orders(const char *name, const gri_topology *t, hwloc_topology_t hw)
{
    uint32_t *order = calloc(t->workers, sizeof *order);
    for (uint32_t w = 0; w < t->workers; w++) {
        bool *seen = calloc(t->workers, sizeof *seen);
        gri_topology_victims(t, w, t->workers, order);
        for (uint32_t i = 0; i + 1 < t->workers; i++) {
            CHECK(order[i] < t->workers && order[i] != w && !seen[order[i]]);
            seen[order[i]] = true;
            CHECK_EQ(gri_topology_distance(t, w, order[i]), gri_topology_distance(t, order[i], w));
            if (i == 0) continue;
            if (gri_topology_distance(t, w, order[i - 1]) > gri_topology_distance(t, w, order[i]) ||
                spanned(hw, t, w, order[i - 1]) > spanned(hw, t, w, order[i]))
                TEST_FAIL("%s: worker %u: victim %u before %u", name, w, order[i - 1], order[i]);
        }
        free(seen);
    }
    free(order);
}

static void check_spread(const char *name, const gri_topology *t)
{
    uint32_t *order = calloc(t->workers, sizeof *order), *firsts = calloc(t->workers, sizeof *firsts);
    for (int distance = GRI_SAME_CORE; distance <= GRI_SAME_MACHINE; distance++) {
        memset(firsts, 0, t->workers * sizeof *firsts);
        uint32_t any = 0;
        for (uint32_t w = 0; w < t->workers; w++) {
            gri_topology_victims(t, w, t->workers, order);
            for (uint32_t i = 0; i + 1 < t->workers; i++) {
                if ((int)gri_topology_distance(t, w, order[i]) != distance) continue;
                firsts[order[i]]++;
                any++;
                break;
            }
        }
        for (uint32_t w = 0; any && w < t->workers; w++)
            if (firsts[w] != 1) TEST_FAIL("%s: distance %d: %u is first victim of %u", name, distance, w, firsts[w]);
    }
    free(firsts);
    free(order);
}

static void check_starts(const char *name, const char *what, const char *got, const char *expected, bool whole)
{
    size_t bytes = strlen(expected);
    if (strncmp(got, expected, bytes) != 0 || (got[bytes] != '\0' && (whole || (bytes && got[bytes] != ' '))))
        TEST_FAIL("%s: %s: \"%s\", expected \"%s\"", name, what, got, expected);
}

static void check_line(const char *name, const gri_topology *t, char *line)
{
    char got[4096], *text = strchr(line, ' ');
    CHECK(text);
    *text++ = '\0';
    if (strcmp(line, "workers") == 0) {
        snprintf(got, sizeof got, "%u", t->workers);
        check_starts(name, line, got, text, true);
    } else if (strcmp(line, "in_force") == 0) {
        check_starts(name, line, gri_bind_name(t->in_force), text, true);
    } else if (strcmp(line, "reason") == 0) {
        if (!strstr(t->reason, text)) TEST_FAIL("%s: reason \"%s\" lacks \"%s\"", name, t->reason, text);
    } else if (strcmp(line, "spread") == 0) {
        check_spread(name, t);
    } else {
        char *expected;
        uint32_t worker = (uint32_t)strtoul(text, &expected, 10);
        CHECK(strncmp(expected, " =", 2) == 0 && worker < t->workers);
        expected += 2 + (expected[2] == ' ');
        void (*print)(const gri_topology *, uint32_t, char *, size_t) = strcmp(line, "cpus") == 0      ? print_mask
                                                                        : strcmp(line, "place") == 0   ? print_place
                                                                        : strcmp(line, "victims") == 0 ? print_victims
                                                                                                       : NULL;
        if (!print) TEST_FAIL("%s: unknown line %s", name, line);
        print(t, worker, got, sizeof got);
        check_starts(name, line, got, expected, print != print_victims);
    }
}

static void run_case(const char *name)
{
    char path[PATH_MAX], line[512], synthetic[256] = "", bind[64] = "auto";
    char *checks[64];
    size_t checks_count = 0;
    unsigned ask = 0;
    snprintf(path, sizeof path, "%s/%s", CASES, name);
    FILE *in = fopen(path, "re");
    CHECK(in);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') continue;
        if (sscanf(line, "synthetic %255[^\n]", synthetic) == 1 || sscanf(line, "bind %63s", bind) == 1 ||
            sscanf(line, "ask %u", &ask) == 1)
            continue;
        CHECK(checks_count < GRI_ARRAY_COUNT(checks));
        checks[checks_count++] = strdup(line);
    }
    fclose(in);

    hwloc_topology_t hw;
    gri_topology *topology = read_synthetic(synthetic);
    CHECK(topology->synthetic);
    CHECK_EQ(gri_cpus_count(&topology->mask), topology->pus_count);
    CHECK_OK(gri_topology_place(topology, bind, ask));
    CHECK_OK(hwloc_topology_init(&hw));
    CHECK_OK(hwloc_topology_set_synthetic(hw, synthetic));
    CHECK_OK(hwloc_topology_load(hw));
    if (topology->in_force != GRI_BIND_NONE) check_orders(name, topology, hw);
    hwloc_topology_destroy(hw);
    for (size_t i = 0; i < checks_count; i++) {
        check_line(name, topology, checks[i]);
        free(checks[i]);
    }
    gri_topology_free(topology);
}

TEST(topology, cases)
{
    int count = 0;
    DIR *directory = opendir(CASES);
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *ending = strrchr(entry->d_name, '.');
        if (!ending || strcmp(ending, ".machine") != 0) continue;
        run_case(entry->d_name);
        count++;
    }
    closedir(directory);
    CHECK(count >= 20);
}

TEST(topology, environment_names_a_synthetic_machine)
{
    gri_topology *topology = NULL;
    CHECK_OK(setenv("HWLOC_SYNTHETIC", "numa:2 core:3 pu:2", 1));
    CHECK_OK(gri_topology_read(NULL, &topology));
    CHECK_OK(unsetenv("HWLOC_SYNTHETIC"));
    CHECK(topology->synthetic);
    CHECK_EQ(topology->pus_count, 12);
    CHECK_EQ(topology->cores_count, 6);
    CHECK_EQ(topology->nodes_count, 2);
    gri_topology_free(topology);
}

TEST(topology, synthetic_never_binds)
{
    gri_topology *topology = read_synthetic("core:64 pu:1");
    gri_cpus before, after;
    gri_usable usable;
    char text[256] = "untouched";
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK_EQ(topology->workers, 64);
    CHECK(topology->places[63].bound);
    CHECK_OK(gri_thread_affinity_get(&before));
    for (uint32_t w = 0; w < 66; w++) CHECK_OK(gri_topology_bind(topology, w, text, sizeof text));
    CHECK_OK(gri_thread_affinity_get(&after));
    CHECK(gri_cpus_equal(&before, &after));
    CHECK_STR(text, "untouched");
    CHECK_OK(gri_topology_usable(topology, NULL, &usable));
    CHECK_EQ(usable.cpus, 64);
    gri_topology_free(topology);
}

TEST(topology, bad_descriptions_and_bindings)
{
    gri_topology_options bad = {.synthetic = "core:banana"};
    gri_topology *topology = NULL;
    gri_bind bind = GRI_BIND_NONE;
    CHECK_EQ(gri_topology_read(&bad, &topology), GR_EINVAL);
    CHECK(!topology);
    topology = read_synthetic("core:2 pu:1");
    CHECK_OK(gri_topology_place(topology, "core", 0));
    CHECK_EQ(gri_topology_place(topology, "cores", 0), GR_EINVAL);
    CHECK_EQ(gri_topology_place(topology, "", 0), GR_EINVAL);
    CHECK_EQ(gri_topology_place(topology, "0,", 0), GR_ESYNTAX);
    CHECK_EQ(gri_topology_place(topology, "0,0", 0), GR_EEXISTS);
    CHECK_EQ(gri_topology_place(topology, "99999", 0), GR_ERANGE);
    CHECK_EQ(topology->in_force, GRI_BIND_CORE);
    CHECK_EQ(topology->workers, 2);
    CHECK_EQ(gri_bind_parse("list", &bind), GR_EINVAL);
    CHECK_EQ(bind, GRI_BIND_NONE);
    CHECK_OK(gri_bind_parse("0-3", &bind));
    CHECK_EQ(bind, GRI_BIND_LIST);
    gri_topology_free(topology);
    gri_topology_free(NULL);
}

TEST(topology, workers_are_capped)
{
    gri_topology *topology = read_synthetic("core:2 pu:1");
    CHECK_OK(gri_topology_place(topology, "none", UINT32_MAX));
    CHECK_EQ(topology->workers, GRI_TOPOLOGY_WORKERS_MAX);
    gri_topology_free(topology);
}

TEST(topology, spares_and_subsets_get_an_order_too)
{
    gri_topology *topology = read_synthetic("pack:2 core:2 pu:1");
    uint32_t order[8];
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    for (uint32_t workers = 1; workers <= 6; workers++)
        for (uint32_t w = 0; w < workers; w++) {
            unsigned seen = 0;
            memset(order, 0xff, sizeof order);
            gri_topology_victims(topology, w, workers, order);
            for (uint32_t i = 0; i + 1 < workers; i++) {
                CHECK(order[i] < workers && order[i] != w);
                seen |= 1u << order[i];
            }
            CHECK_EQ(seen, ((1u << workers) - 1) & ~(1u << w));
            CHECK_EQ(order[workers - 1], UINT32_MAX);
        }
    gri_topology_free(topology);
}

/* On the machine the test runs on, whatever it is. */
TEST(topology, real_machine_binds_inside_the_mask)
{
    gri_topology *topology = NULL;
    gri_cpus all, now;
    CHECK_OK(unsetenv("HWLOC_SYNTHETIC"));
    CHECK_OK(gri_thread_affinity_get(&all));
    CHECK_OK(gri_topology_read(NULL, &topology));
    CHECK_OK(gri_thread_affinity_get(&now));
    CHECK(gri_cpus_equal(&all, &now));
    CHECK(!topology->synthetic && gri_cpus_equal(&topology->mask, &all));
    CHECK_EQ(topology->pus_count, gri_cpus_count(&all));
    static const char *const binds[] = {"auto", "core", "pu", "numa", "none"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(binds); i++) {
        char text[256], mask[512], place[512];
        CHECK_OK(gri_topology_place(topology, binds[i], 0));
        CHECK(topology->workers >= 1 && topology->workers <= topology->pus_count);
        CHECK(topology->reason[0]);
        for (uint32_t w = 0; w < topology->workers; w++) {
            CHECK_OK(gri_topology_bind(topology, w, text, sizeof text));
            CHECK_OK(gri_thread_affinity_get(&now));
            gri_cpus_print(&now, mask, sizeof mask);
            print_mask(topology, w, place, sizeof place);
            CHECK_STR(mask, place);
        }
        CHECK_OK(gri_topology_bind(topology, topology->workers, text, sizeof text));
        CHECK_OK(gri_thread_affinity_get(&now));
        CHECK(gri_cpus_equal(&now, &all));
    }
    gri_topology_free(topology);
}

TEST(topology, narrowed_mask_floats_and_is_seen_again)
{
    gri_topology *topology = NULL;
    gri_cpus all, one;
    gri_usable usable;
    CHECK_OK(gri_thread_affinity_get(&all));
    gri_cpus_clear(&one);
    gri_cpus_add(&one, gri_cpus_next(&all, 0));
    CHECK_OK(gri_thread_affinity_set(&one));
    CHECK_OK(gri_topology_read(NULL, &topology));
    CHECK_EQ(topology->pus_count, 1);
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK_EQ(topology->workers, 1);
    const gri_cgroup_quota *quota = &topology->quota; /* what speaks against binding before the mask does */
    if (topology->machine_pus_count > 1 && !topology->exclusive && !quota->limited && quota->complete) {
        CHECK_EQ(topology->in_force, GRI_BIND_NONE);
        CHECK(strstr(topology->reason, "affinity mask holds 1 of"));
    }
    CHECK_OK(gri_topology_usable(topology, NULL, &usable));
    CHECK_EQ(usable.cpus, 1);
    CHECK_OK(gri_thread_affinity_set(&all));
    CHECK_OK(gri_topology_usable(topology, NULL, &usable));
    CHECK_EQ(usable.mask_cpus, gri_cpus_count(&all));
    gri_topology_free(topology);
}

TEST(topology, binding_to_lost_cpus_is_told_not_fatal)
{
    gri_topology *topology = NULL;
    gri_cpus before, after;
    char text[256] = "";
    CHECK_OK(gri_topology_read(NULL, &topology));
    CHECK_OK(gri_topology_place(topology, "pu", 0));
    topology->pus[0].os_index = GRI_CPUS_MAX - 1; /* as if it had gone offline since */
    CHECK_OK(gri_thread_affinity_get(&before));
    CHECK_EQ(gri_topology_bind(topology, 0, text, sizeof text), GR_EINVAL);
    CHECK(strstr(text, "worker 0 cannot be bound to CPU 8191"));
    CHECK_OK(gri_thread_affinity_get(&after));
    CHECK(gri_cpus_equal(&before, &after));
    gri_topology_free(topology);
}

TEST(topology, flat_without_hwloc)
{
    gri_topology_options options = {.flat = true};
    gri_topology *topology = NULL;
    gri_cpus all;
    CHECK_OK(gri_thread_affinity_get(&all));
    CHECK_OK(gri_topology_read(&options, &topology));
    CHECK(topology->flat);
    CHECK_EQ(topology->cores_count, gri_cpus_count(&all));
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK_EQ(topology->in_force, GRI_BIND_NONE);
    CHECK(strstr(topology->reason, "could not be read"));
    CHECK_EQ(topology->places[0].node_os_index, GRI_TOPOLOGY_UNKNOWN);
    CHECK_OK(gri_topology_place(topology, "core", 0));
    CHECK_EQ(topology->places[topology->workers - 1].pu_count, 1);
    gri_topology_free(topology);
}

/* hwloc is asked in a child process; the child's answer is the one it would have had here. */
TEST(topology, read_apart_is_as_read_here)
{
    static const char *const machines[] = {NULL, "package:2 numa:2 l3:2 core:4 pu:2", "core:1 pu:1"};
    for (size_t i = 0; i < GRI_ARRAY_COUNT(machines); i++) {
        gri_topology_options options = {.synthetic = machines[i]};
        gri_topology *apart = NULL, *here = NULL;
        CHECK_OK(gri_topology_read(&options, &apart));
        options.here = true;
        CHECK_OK(gri_topology_read(&options, &here));
        CHECK(!apart->flat && !here->flat);
        CHECK_EQ(apart->pus_count, here->pus_count);
        CHECK(memcmp(apart->pus, here->pus, here->pus_count * sizeof *here->pus) == 0);
        CHECK_EQ(apart->cores_count, here->cores_count);
        CHECK_EQ(apart->nodes_count, here->nodes_count);
        CHECK_EQ(apart->packages_count, here->packages_count);
        CHECK_EQ(apart->synthetic, machines[i] != NULL);
        CHECK(gri_cpus_equal(&apart->mask, &here->mask));
        gri_topology_free(apart);
        gri_topology_free(here);
    }
}

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static void write_file(const char *root, const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

TEST(topology, quota_limits_workers_and_auto_floats)
{
    char root[] = "/tmp/greenroom-topology-XXXXXX";
    gri_topology_options options = {.root = root};
    gri_topology *topology = NULL;
    gri_usable usable;
    CHECK(mkdtemp(root));
    write_file(root, "/proc/self/cgroup", "0::/a\n");
    write_file(root, "/proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    write_file(root, "/cg/a/cpu.max", "50000 100000\n");
    CHECK_OK(gri_topology_read(&options, &topology));
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK_EQ(topology->workers, 1);
    CHECK_EQ(topology->in_force, GRI_BIND_NONE);
    CHECK(strstr(topology->reason, "a quota of 0.50 CPUs applies (/cg/a/cpu.max)"));
    CHECK_OK(gri_topology_place(topology, "core", 0));
    CHECK_EQ(topology->workers, 1);
    CHECK_EQ(topology->in_force, GRI_BIND_CORE);
    CHECK_OK(gri_topology_place(topology, "pu", 3));
    CHECK_EQ(topology->workers, 3);

    /* While running: the quota goes. Read anew: one that cannot be understood, one that restricts nothing. */
    write_file(root, "/cg/a/cpu.max", "max 100000\n");
    CHECK_OK(gri_topology_usable(topology, root, &usable));
    CHECK_EQ(usable.cpus, topology->pus_count);
    CHECK(!usable.quota.limited);
    gri_topology_free(topology);
    write_file(root, "/cg/a/cpu.max", "nonsense\n");
    CHECK_OK(gri_topology_read(&options, &topology));
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK_EQ(topology->in_force, GRI_BIND_NONE);
    CHECK(strstr(topology->reason, "could not be read completely"));
    gri_topology_free(topology);
    write_file(root, "/cg/a/cpu.max", "819200000 100000\n");
    CHECK_OK(gri_topology_read(&options, &topology));
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    CHECK(!strstr(topology->reason, "applies"));
    CHECK_EQ(topology->workers, topology->in_force == GRI_BIND_CORE ? topology->cores_count : topology->pus_count);
    gri_topology_free(topology);
    nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

TEST(topology, json_parses_and_says_the_same)
{
    gri_topology *topology = read_synthetic("numa:2 core:2 pu:2");
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    topology->quota = (gri_cgroup_quota){.limited = true, .cpus = 2, .quota_us = 150000, .period_us = 100000};
    strcpy(topology->quota.where, "/a \"b\"\\\n");
    size_t bytes = gri_topology_json(topology, NULL, 0);
    char *text = malloc(bytes + 1);
    CHECK_EQ(gri_topology_json(topology, text, bytes + 1), bytes);
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json) TEST_FAIL("%s at %d: %s", error.text, error.position, text);
    CHECK_EQ(json_integer_value(json_object_get(json, "cpus")), 8);
    CHECK_STR(json_string_value(json_object_get(json, "in_force")), "core");
    CHECK_STR(json_string_value(json_object_get(json_object_get(json, "quota"), "where")), "/a \"b\"\\\n");
    json_t *workers = json_object_get(json, "workers"), *last = json_array_get(workers, 3);
    CHECK_EQ(json_array_size(workers), 4);
    CHECK_STR(json_string_value(json_object_get(last, "cpus")), "6-7");
    CHECK_EQ(json_integer_value(json_object_get(last, "node")), 1);
    CHECK_EQ(json_integer_value(json_array_get(json_object_get(last, "victims"), 0)), 2);
    json_decref(json);
    free(text);
    gri_topology_free(topology);
}

TEST(topology, text_is_cut_and_measured_like_snprintf)
{
    gri_topology *topology = read_synthetic("core:4 pu:1");
    CHECK_OK(gri_topology_place(topology, NULL, 0));
    size_t bytes = gri_topology_text(topology, NULL, 0);
    char *text = malloc(bytes + 1), cut[20];
    CHECK_EQ(gri_topology_text(topology, text, bytes + 1), bytes);
    CHECK_EQ(strlen(text), bytes);
    CHECK_EQ(gri_topology_text(topology, cut, sizeof cut), bytes);
    CHECK_EQ(strlen(cut), sizeof cut - 1);
    CHECK(strncmp(text, cut, sizeof cut - 1) == 0);
    CHECK(strstr(text, "workers: 4, bound by core: the affinity mask covers the machine"));
    free(text);
    gri_topology_free(topology);
}
