/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "rest/http_counters.h"

#include <string.h>

#define MS INT64_C(1000000)

/* Upper ends; what an ordinary request takes comes first. */
static const int64_t up_to_ns[GR_HTTP_DURATIONS] = {
    MS / 10, MS / 4,   MS / 2,   MS,       5 * MS / 2, 5 * MS,    10 * MS,    25 * MS,
    50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS,  2500 * MS, 10000 * MS, INT64_MAX,
};

void gri_http_tally_init(gri_http_tally *tally)
{
    memset(tally, 0, sizeof *tally);
    for (size_t i = 0; i < GRI_HTTP_SLOTS; i++) pthread_mutex_init(&tally->slots[i].lock, NULL);
    pthread_mutex_init(&tally->listener.lock, NULL);
}

void gri_http_tally_fini(gri_http_tally *tally)
{
    for (size_t i = 0; i < GRI_HTTP_SLOTS; i++) pthread_mutex_destroy(&tally->slots[i].lock);
    pthread_mutex_destroy(&tally->listener.lock);
}

static size_t bucket_of(int64_t ns)
{
    size_t at = 0;
    while (ns > up_to_ns[at]) at++;
    return at;
}

void gri_http_tally_add(gri_http_tally *tally, gr_self *self, const gri_http_count *count)
{
    /* The low half of an address is its place in a table. */
    gri_http_slot *slot = &tally->slots[gr_self_address(self).id % GRI_HTTP_SLOTS];
    gr_http_counters *sum = &slot->sum;
    size_t bucket = count->status ? bucket_of(count->duration_ns) : 0;
    pthread_mutex_lock(&slot->lock);
    if (count->status) {
        sum->answers[count->status / 100 - 1]++;
        sum->durations[bucket].count++;
        sum->duration_ns += (uint64_t)count->duration_ns;
    }
    sum->accepted += count->begins;
    slot->ended += count->ends;
    sum->unanswered += count->unanswered;
    sum->timed_out += count->timed_out;
    sum->handshakes_failed += count->handshake_failed;
    sum->bytes_received += count->bytes_received;
    sum->bytes_sent += count->bytes_sent;
    pthread_mutex_unlock(&slot->lock);
}

void gri_http_tally_refuse(gri_http_tally *tally, enum gri_http_admission admission)
{
    gr_http_counters *sum = &tally->listener.sum;
    pthread_mutex_lock(&tally->listener.lock);
    sum->over_limit += admission == GRI_HTTP_OVER_LIMIT;
    sum->over_address_limit += admission == GRI_HTTP_OVER_ADDRESS_LIMIT;
    sum->dropped += admission == GRI_HTTP_DROPPED;
    pthread_mutex_unlock(&tally->listener.lock);
}

static void add(gr_http_counters *sum, const gr_http_counters *more)
{
    for (size_t i = 0; i < GR_HTTP_CLASSES; i++) sum->answers[i] += more->answers[i];
    for (size_t i = 0; i < GR_HTTP_DURATIONS; i++) sum->durations[i].count += more->durations[i].count;
    sum->duration_ns += more->duration_ns;
    sum->accepted += more->accepted;
    sum->unanswered += more->unanswered;
    sum->timed_out += more->timed_out;
    sum->handshakes_failed += more->handshakes_failed;
    sum->bytes_received += more->bytes_received;
    sum->bytes_sent += more->bytes_sent;
}

void gri_http_tally_read(gri_http_tally *tally, gr_http_counters *ret_counters)
{
    gr_http_counters sum;
    pthread_mutex_lock(&tally->listener.lock);
    sum = tally->listener.sum;
    pthread_mutex_unlock(&tally->listener.lock);
    for (size_t i = 0; i < GRI_HTTP_SLOTS; i++) {
        pthread_mutex_lock(&tally->slots[i].lock);
        add(&sum, &tally->slots[i].sum);
        sum.connections += tally->slots[i].sum.accepted - tally->slots[i].ended;
        pthread_mutex_unlock(&tally->slots[i].lock);
    }
    for (size_t i = 0; i < GR_HTTP_DURATIONS; i++) sum.durations[i].up_to_ns = up_to_ns[i];
    *ret_counters = sum;
}
