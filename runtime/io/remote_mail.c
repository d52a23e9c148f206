/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Casts and kills on their way to other hosts.
 *
 *     who casts                              carrier, an actor of its own
 *       letter into its lane                   takes the lane's kills, then its oldest cast: POST, DELETE
 *       no carrier there? spawn one            nothing left: the lane is freed, the carrier ends
 *
 * A lane is a queue for one host: LANES of them per host, chosen by the URL, so that what goes to one actor keeps its order and a
 * slow one does not hold up the others. A lane lives exactly as long as its carrier, so an idle process has none, gr_stop
 * waits for what is under way, and a carrier that is killed takes its lane along. Letters have the URL in them and refer to nothing.
 *
 * One spin lock guards lanes and queues; a list of them is walked under it (as many as there are hosts with mail). Casting may
 * happen under the lock of a timer wheel, and takes this one inside it. */
#include "actor/letters.h"
#include "actor/log.h"
#include "actor/registry.h"
#include "actor/runtime.h"
#include "io/remote_http.h"
#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

#define LANES 4           /* guess: connections to a host */
#define BUCKETS 64        /* a power of two */
#define PAUSE_MS_FIRST 50 /* between two tries */
#define RETRY_S_MOST 3600 /* longer is never */
#define PAUSE_MS_MOST 1000
#define SAY_NS (10 * GRI_NS_PER_S) /* between two lines in the log */

#if GRI_SMALL
#define QUEUE_MAX 4
#else
#define QUEUE_MAX GR_REMOTE_QUEUE_MAX
#endif

typedef struct letter {
    struct letter *next;
    gr_message *message; /* NULL: a kill */
    gri_instant until;   /* when it is given up */
    char url[];
} letter;

typedef struct queue {
    letter *first, *last;
    unsigned count;
} queue;

typedef struct lane {
    struct lane *next;
    queue casts, kills;
    letter *current; /* the carrier's */
    uint32_t hash;
    char origin[]; /* scheme, host, port */
} lane;

static gri_spinlock lock; /* guards the rest and what is in lanes */
static lane *lanes[BUCKETS];

/* ---- what cannot be delivered ---- */

static gri_atomic_u64 unsaid;  /* since the last line; a counter */
static gri_atomic_i64 said_at; /* when there was one; whoever moves it writes the next line */

static void undelivered(const letter *l, const char *why)
{
    gr_address to = GR_DEAD_ADDRESS;
    gri_runtime_count_dead_letter();
    /* relaxed: as gri_letter. The URL is looked up again: while it waited, its address may have gone */
    if (l->message && gri_load_relaxed(&gri_letters_wanted)) {
        if (gri_remote_intern(l->url, &to) != 0) to = GR_DEAD_ADDRESS;
        gri_letter(GR_LETTER_LOST, to, l->message);
    }
    const gri_instant now = gri_clock_monotonic();
    int64_t last = gri_load_relaxed(&said_at); /* relaxed, all: a counter and a time that publish nothing */
    gri_add_relaxed(&unsaid, 1u);
    if (last != 0 && now - last < SAY_NS) return;
    if (!gri_cas_weak_relaxed(&said_at, &last, now)) return;
    const uint64_t count = gri_load_relaxed(&unsaid);
    gri_sub_relaxed(&unsaid, count);
    gri_log(GR_LOG_WARN, GR_NO_ADDRESS,
            "%llu messages to remote addresses were not delivered; the last was %s %.200s: %s",
            (unsigned long long)count, l->message ? "for" : "a kill of", l->url, why);
}

static void free_letter(letter *l)
{
    if (!l) return;
    gr_message_free(&l->message);
    free(l);
}

static void drop_all(queue *q, const char *why)
{
    for (letter *l = q->first, *next; l; l = next) {
        next = l->next;
        undelivered(l, why);
        free_letter(l);
    }
    *q = (queue){NULL, NULL, 0};
}

/* ---- queues ---- */

static void append(queue *q, letter *l)
{
    *(q->first ? &q->last->next : &q->first) = l;
    q->last = l;
    q->count++;
}

static letter *take(queue *q)
{
    letter *l = q->first;
    if (!l) return NULL;
    q->first = l->next;
    q->count--;
    l->next = NULL;
    return l;
}

/* FNV-1a: nobody gains from making lanes meet. */
static uint32_t hash_of(const char *text, size_t bytes, uint32_t hash)
{
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ (unsigned char)text[i]) * UINT32_C(16777619);
    return hash;
}

/* Of host and lane. */
static uint32_t lane_hash(const char *url, size_t origin_bytes)
{
    const uint32_t number = hash_of(url, strlen(url), UINT32_C(2166136261)) % LANES;
    return hash_of(url, origin_bytes, UINT32_C(2166136261)) * LANES + number;
}

static lane *find_locked(uint32_t hash, const char *url, size_t origin_bytes)
{
    lane *found = lanes[hash % BUCKETS];
    while (found &&
           (found->hash != hash || strncmp(found->origin, url, origin_bytes) != 0 || found->origin[origin_bytes]))
        found = found->next;
    return found;
}

static void remove_locked(const lane *old)
{
    lane **at = &lanes[old->hash % BUCKETS];
    while (*at != old) at = &(*at)->next;
    *at = old->next;
}

/* ---- carriers ---- */

/* The end of a carrier, whatever ended it. */
static void lane_end(gr_self *self, void *arg)
{
    lane *old = arg;
    (void)self;
    gri_spinlock_lock(&lock);
    remove_locked(old);
    gri_spinlock_unlock(&lock);
    static const char why[] = "the carrier was killed";
    if (old->current) undelivered(old->current, why);
    free_letter(old->current);
    drop_all(&old->kills, why);
    drop_all(&old->casts, why);
    free(old);
}

/* Seconds of Retry-After, 0 without one that is a number. */
static int64_t retry_after_s(const gr_response *response)
{
    const char *text = gr_response_header(response, "retry-after");
    int64_t seconds = 0;
    for (; text && *text >= '0' && *text <= '9' && seconds < INT32_MAX; text++) seconds = seconds * 10 + (*text - '0');
    return text && *text == '\0' ? GRI_MIN(seconds, (int64_t)RETRY_S_MOST) : 0;
}

/* One try. 0: it has arrived. *ret_again: it has not, for sure, and may later; in *pause_ms at the earliest. */
static int try(gr_self *self, const letter *l, const char *body, size_t bytes, bool *ret_again, int64_t *pause_ms)
{
    gr_response *response = NULL;
    const gri_remote_request request = {.method = l->message ? "POST" : "DELETE",
                                        .url = l->url,
                                        .body = body,
                                        .body_bytes = bytes,
                                        .carried = l->message};
    int code = gri_remote_fetch(self, &response, &request, (gr_deadline){l->until});
    *ret_again = code == GR_EUNREACHABLE;
    if (code != 0) return code;
    const int status = gr_response_status(response);
    *ret_again = status == 503 || status == 429;
    if (*ret_again) *pause_ms = GRI_MAX(*pause_ms, retry_after_s(response) * 1000);
    if (status < 200 || status > 299) code = gri_remote_refused(self, response);
    if (!l->message && code == GR_EDEAD) code = 0; /* that is what was wanted */
    gr_response_free(self, &response);
    return code;
}

/* Until it has arrived or is given up. */
static int carry(gr_self *self, letter *l)
{
    char *body = NULL;
    size_t bytes = 0;
    bool again = false;
    int code = l->message ? gri_remote_print(self, gr_body(l->message), &body, &bytes) : 0;
    for (int64_t next = PAUSE_MS_FIRST; code == 0; next = GRI_MIN(2 * next, (int64_t)PAUSE_MS_MOST)) {
        int64_t pause = next;
        code = try(self, l, body, bytes, &again, &pause);
        if (code == 0 || !again || gri_clock_now() + pause * GRI_NS_PER_MS >= l->until) break;
        code = gr_sleep(self, gr_after_ms(pause));
    }
    gr_free(self, body);
    if (code != 0 && code != GR_EKILLED) undelivered(l, gr_error_detail(self)->text);
    return code;
}

static void carrier(gr_self *self, gr_value args)
{
    static const gr_behaviour behaviour = {.name = "greenroom.remote.carrier", .entry = carrier};
    lane *mine = (lane *)(uintptr_t)gr_int(args, 0);
    (void)gri_registry_note_behaviour(gri_actor_address(self), &behaviour); /* no memory: then it has none */
    if (gr_defer(self, lane_end, mine) != 0) {
        lane_end(self, mine);
        return;
    }
    for (;;) {
        gri_spinlock_lock(&lock);
        letter *l = take(&mine->kills);
        if (!l) l = take(&mine->casts);
        if (!l) remove_locked(mine);
        gri_spinlock_unlock(&lock);
        if (!l) break;
        mine->current = l;
        if (carry(self, l) == GR_EKILLED) return;
        mine->current = NULL;
        free_letter(l);
    }
    (void)gr_defer_cancel(self, lane_end, mine);
    free(mine);
}

static int spawn_carrier(lane *mine)
{
    static const gr_spawn_options options = {.mailbox_max = 1};
    gri_spawn what = {.entry = carrier, .options = &options};
    int code = gr_pack(&what.args, "I", (int64_t)(uintptr_t)mine);
    if (code == 0) code = gri_actor_spawn_alone(&what);
    if (code != 0) gr_message_free(&what.args);
    return code;
}

/* ---- sending ---- */

/* A lane that has no carrier: nobody else works on it, but others may have put letters in, which go, all but `mine`. */
static void give_up(lane *old, letter *mine)
{
    queue *queues[] = {&old->kills, &old->casts};
    gri_spinlock_lock(&lock);
    remove_locked(old);
    gri_spinlock_unlock(&lock);
    for (size_t i = 0; i < GRI_ARRAY_COUNT(queues); i++) {
        queue others = {NULL, NULL, 0};
        for (letter *l; (l = take(queues[i])) != NULL;)
            if (l != mine) append(&others, l);
        drop_all(&others, "no carrier could be spawned");
    }
    free(old);
}

/* Puts the letter into its lane. On failure it is still the caller's. */
static int enqueue(letter *l)
{
    const size_t origin_bytes = gri_remote_origin_bytes(l->url);
    const uint32_t hash = lane_hash(l->url, origin_bytes);
    lane *fresh = malloc(sizeof *fresh + origin_bytes + 1);
    if (!fresh) return GR_ENOMEM;
    *fresh = (lane){.hash = hash};
    memcpy(fresh->origin, l->url, origin_bytes);
    fresh->origin[origin_bytes] = '\0';
    gri_spinlock_lock(&lock);
    lane *into = find_locked(hash, l->url, origin_bytes);
    const bool is_new = !into;
    if (is_new) {
        into = fresh;
        into->next = lanes[hash % BUCKETS];
        lanes[hash % BUCKETS] = into;
    }
    queue *q = l->message ? &into->casts : &into->kills;
    const bool full = q->count >= QUEUE_MAX;
    if (!full) append(q, l);
    gri_spinlock_unlock(&lock);
    if (!is_new) {
        free(fresh);
        return full ? GR_EFULL : 0;
    }
    int code = spawn_carrier(into);
    if (code != 0) give_up(into, l);
    return code;
}

static letter *letter_new(const char *url)
{
    const size_t bytes = strlen(url) + 1;
    letter *l = malloc(sizeof *l + bytes);
    if (!l) return NULL;
    l->next = NULL;
    l->message = NULL;
    l->until = gri_instant_add(gri_clock_now(), GR_REMOTE_CAST_S * GRI_NS_PER_S);
    memcpy(l->url, url, bytes);
    return l;
}

/* What would be taken for a call there. */
static bool is_remotecall(gr_value body)
{
    return gr_get(body, "remotecall").at && gr_get(body, "method").at && gr_get(body, "message").at &&
           gr_get(body, "timeout").at;
}

int gri_remote_mail_cast(gr_self *from, const char *url, gr_message **message)
{
    if (is_remotecall(gr_body(*message)))
        return gri_fail(from, GR_EINVAL,
                        "a message of \"remotecall\", \"method\", \"message\" and \"timeout\" would be a call there");
    letter *l = letter_new(url);
    if (!l) return gri_fail(from, GR_ENOMEM, "no memory for a message to another host");
    l->message = *message;
    int code = enqueue(l);
    if (code == 0) {
        *message = NULL;
        return 0;
    }
    free(l);
    if (code == GR_EFULL) return gri_fail(from, code, "%d messages wait for that host already", QUEUE_MAX);
    return gri_fail(from, code, "nobody can carry the message: %s", gr_error_text(code));
}

int gri_remote_mail_kill(const char *url)
{
    letter *l = letter_new(url);
    int code = l ? enqueue(l) : GR_ENOMEM;
    if (code != 0) free(l);
    return code;
}

void gri_remote_http_use(void)
{
    static const gri_transport http = {gri_remote_mail_cast, gri_remote_mail_kill, gri_remote_ask_call,
                                       gri_remote_ask_wait};
    gri_remote_transport_set(&http);
}
