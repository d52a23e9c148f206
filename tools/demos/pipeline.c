/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* pipeline: counts words in texts, on as many cores as there are: fan out, shuffle, gather.
 *
 *     PUT /words {"behaviour": "pipeline", "args": {"tallies": 4}}
 *     POST /words/-/call/run ["To be,", "or not to be"]     {"texts": 2, "words": 6, "counts": {"be": 2, "not": 1, "or": 1, "to": 2}}
 *     GET /words                                            {"runs", "texts", "words"}
 *
 *             one per text           one per share of the words
 *      run ---> split "To be,"    ---> tally 0: be, or ----> gathered with gr_wait_all, sorted by word
 *          \--> split "or not …"  -x-> tally 1: to, not /
 *
 * Each of them is an actor of its own that returns its result; a text's words leave in one message per tally. A text with a word
 * of more than 64 bytes raises, which ends the run for all of them, and whoever called run gets its report. Whatever ends the
 * pipeline itself ends them, too: they are linked to it. */
#include "demos/demos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TALLIES_MAX = 64, TEXTS_MAX = 10000, WORD_BYTES_MAX = 64, CHAINS = 1024 };

typedef struct pipeline {
    int64_t tallies, runs, texts, words;
} pipeline;

/* ---- split: a text into words, each to the tally that counts it ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80; /* beyond ASCII all is a letter */
}

/* The next word at *at, in small letters; its length, 0 at the end, GR_ETOOBIG. */
static int next_word(const char **at, char word[WORD_BYTES_MAX + 1])
{
    int bytes = 0;
    while (**at && !is_letter(**at)) ++*at;
    for (; is_letter(**at); ++*at) {
        if (bytes == WORD_BYTES_MAX) return GR_ETOOBIG;
        word[bytes++] = (char)(**at >= 'A' && **at <= 'Z' ? **at + 32 : **at);
    }
    word[bytes] = '\0';
    return bytes;
}

static uint32_t hash_of(const char *word)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *word; word++) hash = (hash ^ (unsigned char)*word) * 16777619U;
    return hash;
}

/* The words of the text that belong to one of so many tallies, as an array. */
static int pack_share(const char *text, size_t tally, size_t tallies, int64_t *words, gr_message **ret_share)
{
    char word[WORD_BYTES_MAX + 1];
    gr_builder b;
    int bytes;
    gr_build(&b);
    gr_put_array(&b);
    while ((bytes = next_word(&text, word)) > 0) {
        if (hash_of(word) % tallies != tally) continue;
        gr_put_string(&b, word);
        ++*words;
    }
    gr_put_end(&b);
    if (bytes == 0) return gr_build_message(&b, ret_share);
    gr_build_cancel(&b);
    return bytes;
}

static void split(gr_self *self, gr_value args)
{
    gr_value tallies = gr_get(args, "tallies");
    size_t count = gr_count(tallies), tally = 0;
    int64_t words = 0;
    int code = gr_link(self, gr_address_in(gr_get(args, "run")), GR_LINK_PROPAGATE);
    for (gr_iter it = gr_iterate(tallies); code == 0 && gr_next(&it); tally++) {
        gr_message *share = NULL;
        code = pack_share(gr_string(gr_get(args, "text"), ""), tally, count, &words, &share);
        if (code == 0) code = gr_send(self, gr_address_in(it.value), &share);
        gr_message_free(&share);
    }
    if (code == GR_ETOOBIG) gr_raise(self, "word_too_long", "a word has at most %d bytes", WORD_BYTES_MAX);
    if (code != 0) gr_raise(self, "not_split", "%s", gr_error_text(code));
    (void)gr_return(self, "I", words);
}

/* ---- counts, in a tally and of all ---- */

typedef struct word {
    struct word *chained;
    int64_t count;
    char text[WORD_BYTES_MAX + 1];
} word;

typedef struct counts {
    word *chains[CHAINS];
    size_t words; /* different ones */
} counts;

static int count_word(gr_self *self, counts *c, const char *text, int64_t times)
{
    word **chain = &c->chains[hash_of(text) / TALLIES_MAX % CHAINS], *w = *chain;
    while (w && strcmp(w->text, text) != 0) w = w->chained;
    if (!w) {
        w = gr_alloc(self, sizeof *w);
        if (!w) return GR_ENOMEM;
        strcpy(w->text, text);
        w->chained = *chain;
        *chain = w;
        c->words++;
    }
    w->count += times;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp((*(word *const *)a)->text, (*(word *const *)b)->text);
}

/* {"word": count, …}, sorted. */
static int put_counts(gr_self *self, const counts *c, gr_builder *b)
{
    word **sorted = gr_alloc(self, (c->words + 1) * sizeof *sorted);
    size_t used = 0;
    if (!sorted) return GR_ENOMEM;
    for (size_t i = 0; i < CHAINS; i++)
        for (word *w = c->chains[i]; w; w = w->chained) sorted[used++] = w;
    qsort(sorted, used, sizeof *sorted, by_text);
    gr_put_object(b);
    for (size_t i = 0; i < used; i++) gr_put_key(b, sorted[i]->text), gr_put_int(b, sorted[i]->count);
    gr_put_end(b);
    gr_free(self, sorted);
    return 0;
}

/* Ends the builder: with its value if `code` is 0. */
static int build(gr_builder *b, int code, gr_message **ret_message)
{
    if (code == 0) return gr_build_message(b, ret_message);
    gr_build_cancel(b);
    return code;
}

static void counts_free(gr_self *self, counts *c)
{
    for (size_t i = 0; c && i < CHAINS; i++)
        for (word *w = c->chains[i], *next; w; w = next) {
            next = w->chained;
            gr_free(self, w);
        }
    gr_free(self, c);
}

/* Adds the words of a message from each text. */
static int count_shares(gr_self *self, counts *c, int64_t texts)
{
    gr_message *share = NULL;
    int code = 0;
    for (; code == 0 && texts > 0; texts--) {
        code = gr_receive(self, &share, GR_FOREVER);
        for (gr_iter it = gr_iterate(gr_body(share)); code == 0 && gr_next(&it);)
            code = count_word(self, c, gr_string(it.value, ""), 1);
        gr_message_free(&share);
    }
    return code;
}

static void tally(gr_self *self, gr_value args)
{
    counts *c = gr_alloc(self, sizeof *c);
    gr_message *result = NULL;
    gr_builder b;
    int code = c ? gr_link(self, gr_address_in(gr_get(args, "run")), GR_LINK_PROPAGATE) : GR_ENOMEM;
    if (code == 0) code = count_shares(self, c, gr_int(gr_get(args, "texts"), 0));
    gr_build(&b);
    if (code == 0) code = put_counts(self, c, &b);
    code = build(&b, code, &result);
    if (code == 0) code = gr_return_value(self, gr_body(result));
    gr_message_free(&result);
    if (code != 0 && code != GR_EKILLED) gr_raise(self, "not_counted", "%s", gr_error_text(code));
}

/* ---- a run ---- */

typedef struct run_state {
    gr_address *actors; /* the tallies, then one split per text */
    size_t tallies, texts, spawned;
} run_state;

static int spawn_tallies(gr_self *self, run_state *r, gr_message **ret_addresses)
{
    static const gr_spawn_options options = {.retain = true};
    gr_builder b;
    int code = 0;
    gr_build(&b);
    gr_put_array(&b);
    for (size_t i = 0; code == 0 && i < r->tallies; i++) {
        code = gr_spawn_with(self, &r->actors[i], tally, &options, "{s:A, s:I}", "run", gr_self_address(self), "texts",
                             (int64_t)r->texts);
        if (code == 0) gr_put_address(&b, r->actors[r->spawned++]);
    }
    gr_put_end(&b);
    if (code == 0) return gr_build_message(&b, ret_addresses);
    gr_build_cancel(&b);
    return code;
}

static int spawn_splits(gr_self *self, run_state *r, gr_value texts, gr_value tallies)
{
    static const gr_spawn_options options = {.retain = true};
    int code = 0;
    for (gr_iter it = gr_iterate(texts); code == 0 && gr_next(&it);) {
        code = gr_spawn_with(self, &r->actors[r->spawned], split, &options, "{s:A, s:V, s:V}", "run",
                             gr_self_address(self), "tallies", tallies, "text", it.value);
        r->spawned += code == 0;
    }
    return code;
}

/* How a run failed: what to raise, when nothing is held any more that raising would leak. */
typedef struct failure {
    char error[WORD_BYTES_MAX], description[256];
} failure;

/* Waits for so many of the actors. 0, or a code and in *ret_failure the first exception among their ends, if there is one. */
static int wait_for(gr_self *self, const gr_address *actors, size_t count, gr_message **ret_ends, failure *ret_failure)
{
    int code = gr_wait_all(self, actors, count, ret_ends, GR_FOREVER);
    if (code != 0) snprintf(ret_failure->error, sizeof ret_failure->error, "%s", "not_run");
    if (code != 0) snprintf(ret_failure->description, sizeof ret_failure->description, "%s", gr_error_text(code));
    for (gr_iter it = gr_iterate(gr_body(*ret_ends)); code == 0 && gr_next(&it);) {
        gr_value exception = gr_get(it.value, "exception");
        if (gr_type_of(exception) == GR_MISSING) continue;
        snprintf(ret_failure->error, sizeof ret_failure->error, "%s", gr_string(gr_get(exception, "error"), "failed"));
        snprintf(ret_failure->description, sizeof ret_failure->description, "%s",
                 gr_string(gr_get(exception, "description"), "a text could not be counted"));
        code = GR_EEXCEPTION;
    }
    return code;
}

/* Adds what the tallies counted. */
static int gather(gr_self *self, gr_value ends, counts *all, int64_t *ret_words)
{
    int64_t words = 0;
    int code = all ? 0 : GR_ENOMEM;
    for (gr_iter end = gr_iterate(ends); code == 0 && gr_next(&end);)
        for (gr_iter it = gr_iterate(gr_get(end.value, "exit")); code == 0 && gr_next(&it);) {
            code = count_word(self, all, it.key, gr_int(it.value, 0));
            words += gr_int(it.value, 0);
        }
    if (code == 0) *ret_words = words;
    return code;
}

static int answer(gr_self *self, pipeline *p, size_t texts, gr_value ends)
{
    gr_builder b;
    gr_message *reply = NULL;
    int64_t words = 0;
    counts *all = gr_alloc(self, sizeof *all);
    int code = gather(self, ends, all, &words);
    gr_build(&b);
    gr_put_object(&b);
    gr_put_key(&b, "texts"), gr_put_int(&b, (int64_t)texts);
    gr_put_key(&b, "words"), gr_put_int(&b, words);
    gr_put_key(&b, "counts");
    if (code == 0) code = put_counts(self, all, &b);
    gr_put_end(&b);
    code = build(&b, code, &reply);
    counts_free(self, all);
    if (code == 0) code = gr_reply_value(self, gr_body(reply));
    gr_message_free(&reply);
    if (code != 0) return code;
    p->runs++;
    p->texts += (int64_t)texts;
    p->words += words;
    return 0;
}

static void check_texts(gr_self *self, gr_value texts)
{
    if (gr_type_of(texts) != GR_ARRAY || gr_count(texts) > TEXTS_MAX)
        gr_raise(self, "bad_argument", "run takes an array of at most %d strings", TEXTS_MAX);
    for (gr_iter it = gr_iterate(texts); gr_next(&it);)
        if (gr_type_of(it.value) != GR_STRING) gr_raise(self, "bad_argument", "run takes an array of strings");
}

/* Spawns them all, waits for the texts, then for the tallies. */
static int run_actors(gr_self *self, run_state *r, gr_value texts, gr_message **ret_ends, failure *ret_failure)
{
    gr_message *addresses = NULL, *splits = NULL;
    int code = spawn_tallies(self, r, &addresses);
    if (code == 0) code = spawn_splits(self, r, texts, gr_body(addresses));
    gr_message_free(&addresses);
    if (code != 0) snprintf(ret_failure->error, sizeof ret_failure->error, "not_spawned");
    if (code != 0) snprintf(ret_failure->description, sizeof ret_failure->description, "%s", gr_error_text(code));
    /* The texts first: a tally waits for all of them, and would wait forever for one that raised. */
    if (code == 0) code = wait_for(self, r->actors + r->tallies, r->texts, &splits, ret_failure);
    gr_message_free(&splits);
    return code == 0 ? wait_for(self, r->actors, r->tallies, ret_ends, ret_failure) : code;
}

/* Who is left of a run that failed. What has been waited for is dead, and says so. */
static void end_all(gr_self *self, const run_state *r)
{
    for (size_t i = 0; i < r->spawned; i++) (void)gr_kill(r->actors[i]);
    for (size_t i = 0; i < r->spawned; i++)
        if (gr_wait(self, r->actors[i], NULL, GR_FOREVER) == GR_ENOMEM) (void)gr_forget(r->actors[i]);
}

static void run(gr_self *self, void *state, gr_value texts)
{
    pipeline *p = state;
    gr_message *ends = NULL;
    failure f = {"no_memory", "no memory for the run"};
    check_texts(self, texts);
    run_state r = {.tallies = (size_t)p->tallies, .texts = gr_count(texts)};
    r.actors = gr_alloc(self, (r.tallies + r.texts) * sizeof *r.actors);
    gr_kill_hold(self); /* a run ends by itself, and leaves nothing behind */
    int code = r.actors ? run_actors(self, &r, texts, &ends, &f) : GR_ENOMEM;
    if (code == 0) code = answer(self, p, r.texts, gr_body(ends));
    gr_message_free(&ends);
    if (code != 0) end_all(self, &r);
    gr_free(self, r.actors);
    gr_kill_release(self);
    if (code != 0) gr_raise(self, f.error, "%s", f.description);
}

/* ---- the server ---- */

static int start(gr_self *self, void *state, gr_value args)
{
    pipeline *p = state;
    p->tallies = gr_int(gr_get(args, "tallies"), 0);
    if (p->tallies < 1 || p->tallies > TALLIES_MAX)
        gr_raise(self, "bad_argument", "\"tallies\" is 1 to %d", TALLIES_MAX);
    return 0;
}

static void describe(gr_self *self, void *state, gr_builder *builder)
{
    pipeline *p = state;
    (void)self;
    gr_put_object(builder);
    gr_put_key(builder, "runs"), gr_put_int(builder, p->runs);
    gr_put_key(builder, "texts"), gr_put_int(builder, p->texts);
    gr_put_key(builder, "words"), gr_put_int(builder, p->words);
    gr_put_end(builder);
}

static const gr_method methods[] = {{"run", run}};

static const gr_server server = {
    .state_bytes = sizeof(pipeline),
    .start = start,
    .methods = methods,
    .method_count = 1,
    .describe = describe,
};

const gr_behaviour demo_pipeline = {
    .name = "pipeline",
    .server = &server,
    .arguments = "{\"tallies\": int}",
    .text = "counts words on all cores: call run [text, ...]",
};
