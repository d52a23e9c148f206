/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Do nginx, Node and we agree where requests begin?
 *
 *     differential [--count N] [--seed N] [--from N] [--laxer N]
 *
 * Sends generated streams (streams.h), each on a connection of its own, to all three and compares what they read.
 * A disagreement: a request that two of them accept at the same place in the sequence, with another method, target or (Node)
 * body; or one that goes on reading requests where the other has neither refused nor closed. To refuse is never a
 * disagreement: what one refuses gets nowhere. That we accept what another refuses is counted apart ("laxer"); what Node refuses
 * for anything but a method it does not know ("suspect") fails, too: then we have become lenient about framing.
 * Prints the disagreements and, at the end, one line of JSON. --from N begins with stream N: --from N --count 1 repeats one.
 * --laxer N shows the first N of each kind of those.
 * Exit code: 0 none, 1 there are some, 77 nginx or node is not installed (1 with TESTS_REQUIRED in the environment). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "readers.h"
#include "rest/http_cases.h"
#include "streams.h"

enum { SLOTS = 24, SAID_BYTES = 65536, SHOWN_MAX = 20, STATUSES = 600, SILENCE_MS = 90000 };

/* A stream under way: three connections. */
typedef struct slot {
    stream stream;
    uint64_t number;
    int open; /* connections */
    struct {
        int fd;
        size_t sent, said;
        char text[SAID_BYTES];
    } at[READERS];
} slot;

static uint64_t seed = 20261123, count = 3000, from, laxer_shown, started;
static int poller;
static slot slots[SLOTS];

static struct {
    uint64_t streams, requests[READERS], refused[READERS],
        several; /* several: streams in which we read more than one */
    uint64_t compared[READERS], disagreements[READERS], laxer[READERS][STATUSES], strange[READERS], suspect;
} sum;

static void show(const slot *s, int other, const char *why)
{
    char *text = http_escape(s->stream.bytes, s->stream.count);
    printf("stream %llu, seed %llu: %s: %s\n  %s\n", (unsigned long long)s->number, (unsigned long long)seed,
           reader_names[other], why, text);
    for (int i = 0; i < READERS; i++) {
        char *said = http_escape(s->at[i].text, s->at[i].said);
        printf("  %-10s %s\n", reader_names[i], said);
        free(said);
    }
    fflush(stdout);
    free(text);
}

/* Why the two contradict each other, or NULL. *ret_laxer: the other has refused what we accept. */
static const char *compare(const reading *ours, const reading *theirs, int which, int *ret_laxer)
{
    unsigned both = ours->count < theirs->count ? ours->count : theirs->count;
    for (unsigned i = 0; i < both; i++) {
        if (strcmp(ours->seen[i].method, theirs->seen[i].method) != 0) return "another method";
        if (strcmp(ours->seen[i].target, theirs->seen[i].target) != 0) return "another target";
        if (!theirs->seen[i].has_body) continue;
        if (ours->seen[i].bytes != theirs->seen[i].bytes || ours->seen[i].hash != theirs->seen[i].hash)
            return "another body";
    }
    unsigned early = which == NGINX; /* it answers before it has the whole body */
    if (theirs->count > ours->count + early && !ours->refused && !ours->closed) return "it reads on where we do not";
    if (ours->count <= theirs->count || theirs->closed) return NULL;
    if (!theirs->refused) return "we read on where it does not";
    *ret_laxer = theirs->refused < STATUSES ? theirs->refused : 0;
    return NULL;
}

/* Node 18 takes the old Proxy-Connection for Connection (RFC 9112, C.2.2, says not to): it ends there, which is no other reading. */
static bool may_end_early(const slot *s)
{
    static const char field[] = "Proxy-Connection: close";
    return memmem(s->stream.bytes, s->stream.count, field, sizeof field - 1) != NULL;
}

static void judge(slot *s)
{
    static reading readings[READERS];
    for (int i = 0; i < READERS; i++) {
        reader_understand(i, s->at[i].text, s->at[i].said, &readings[i]);
        sum.requests[i] += readings[i].count;
        sum.refused[i] += readings[i].refused != 0;
        if (!readings[i].strange) continue;
        if (sum.strange[i]++ < 3) show(s, i, "it said what cannot be understood");
    }
    readings[NODE].closed |= may_end_early(s);
    sum.streams++;
    sum.several += readings[OURS].count > 1;
    for (int i = NGINX; i < READERS && !readings[OURS].strange; i++) {
        int laxer = 0;
        if (readings[i].strange) continue;
        sum.compared[i]++;
        const char *why = compare(&readings[OURS], &readings[i], i, &laxer);
        if (laxer && sum.laxer[i][laxer]++ < laxer_shown) show(s, i, "it refuses, we do not");
        if (laxer && i == NODE && strcmp(readings[i].why, "HPE_INVALID_METHOD") != 0 && sum.suspect++ < SHOWN_MAX)
            show(s, i, readings[i].why);
        if (why && ++sum.disagreements[i] <= SHOWN_MAX) show(s, i, why);
    }
}

/* ---- connections ---- */

static void begin(slot *s, uint64_t number)
{
    s->number = number;
    stream_make(&s->stream, seed, number);
    s->open = READERS;
    for (int i = 0; i < READERS; i++) {
        s->at[i].sent = s->at[i].said = 0;
        s->at[i].fd = reader_connect(i);
        if (s->at[i].fd < 0) {
            fprintf(stderr, "differential: %s does not accept connections: %s\n", reader_names[i], strerror(errno));
            exit(1);
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data.u64 = (uint64_t)(s - slots) * READERS + (uint64_t)i};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, s->at[i].fd, &event) != 0) exit(1);
    }
}

static void say(slot *s, int i)
{
    while (s->at[i].sent < s->stream.count) {
        ssize_t n = send(s->at[i].fd, s->stream.bytes + s->at[i].sent, s->stream.count - s->at[i].sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return;
        s->at[i].sent = n < 0 ? s->stream.count : s->at[i].sent + (size_t)n; /* it has closed: nothing more to say */
        if (s->at[i].sent == s->stream.count) (void)shutdown(s->at[i].fd, SHUT_WR);
    }
}

/* True at the end. */
static bool hear(slot *s, int i)
{
    for (;;) {
        size_t room = SAID_BYTES - s->at[i].said;
        ssize_t n = recv(s->at[i].fd, s->at[i].text + s->at[i].said, room, 0);
        if (n < 0 && errno == EAGAIN) return false;
        if (n <= 0) return true;
        s->at[i].said += (size_t)n;
        if (s->at[i].said == SAID_BYTES) return true;
    }
}

static void go_on(slot *s, int i)
{
    if (s->at[i].fd < 0) return;
    say(s, i);
    if (!hear(s, i)) return;
    close(s->at[i].fd);
    s->at[i].fd = -1;
    if (--s->open > 0) return;
    judge(s);
    if (started < from + count) begin(s, started++);
}

/* Whom do we wait for? */
static void show_the_silent(void)
{
    for (int k = 0; k < SLOTS; k++)
        for (int i = 0; i < READERS && slots[k].open > 0; i++)
            if (slots[k].at[i].fd >= 0) show(&slots[k], i, "it does not end the connection");
}

static void run(void)
{
    poller = epoll_create1(EPOLL_CLOEXEC);
    started = from;
    for (int i = 0; i < SLOTS && started < from + count; i++) begin(&slots[i], started++);
    while (sum.streams < count) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, SILENCE_MS);
        if (ready == 0) {
            show_the_silent();
            exit(1);
        }
        for (int i = 0; i < ready; i++)
            go_on(&slots[events[i].data.u64 / READERS], (int)(events[i].data.u64 % READERS));
    }
    close(poller);
}

static void report(double seconds)
{
    printf("{\"workload\":\"http_differential\",\"seed\":%llu,\"from\":%llu,\"streams\":%llu,\"seconds\":%.1f,"
           "\"several\":%llu",
           (unsigned long long)seed, (unsigned long long)from, (unsigned long long)sum.streams, seconds,
           (unsigned long long)sum.several);
    for (int i = 0; i < READERS; i++) {
        printf(",\"%s\":{\"requests\":%llu,\"refused\":%llu", reader_names[i], (unsigned long long)sum.requests[i],
               (unsigned long long)sum.refused[i]);
        if (i != OURS) {
            printf(",\"compared\":%llu,\"disagreements\":%llu,\"laxer\":{", (unsigned long long)sum.compared[i],
                   (unsigned long long)sum.disagreements[i]);
            const char *comma = "";
            for (int status = 0; status < STATUSES; status++) {
                if (!sum.laxer[i][status]) continue;
                printf("%s\"%d\":%llu", comma, status, (unsigned long long)sum.laxer[i][status]);
                comma = ",";
            }
            printf("}");
        }
        printf(",\"strange\":%llu}", (unsigned long long)sum.strange[i]);
    }
    printf(",\"suspect\":%llu}\n", (unsigned long long)sum.suspect);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        uint64_t *value = strcmp(argv[i], "--count") == 0   ? &count
                          : strcmp(argv[i], "--seed") == 0  ? &seed
                          : strcmp(argv[i], "--from") == 0  ? &from
                          : strcmp(argv[i], "--laxer") == 0 ? &laxer_shown
                                                            : NULL;
        if (!value || i + 1 == argc) {
            fprintf(stderr, "usage: differential [--count N] [--seed N] [--from N] [--laxer N]\n");
            return 2;
        }
        *value = strtoull(argv[i + 1], NULL, 0);
    }
    struct timespec began, ended;
    if (!readers_start()) return getenv("TESTS_REQUIRED") ? 1 : 77;
    if (streams_load("http") == 0) return 1;
    clock_gettime(CLOCK_MONOTONIC, &began);
    run();
    clock_gettime(CLOCK_MONOTONIC, &ended);
    readers_stop();
    report((double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    if (sum.compared[NGINX] < sum.streams || sum.compared[NODE] < sum.streams) return 1;
    return sum.disagreements[NGINX] + sum.disagreements[NODE] + sum.strange[OURS] + sum.suspect > 0;
}
