/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* One page of the actors in some order. One pass over all actors keeps the first offset + limit of those that are wanted, in
 * a heap that grows with what it holds: memory is bounded by the page, however many actors there are. Pages beyond
 * GRI_LIST_OFFSET_MAX are reached with `after`, from where the page before ended: it costs no memory, and nothing is shown
 * twice or left out because actors came and went before it. */
#ifndef GRI_REST_LISTING_H
#define GRI_REST_LISTING_H

#include "rest/actors_app.h"

/* X(in queries, in C) */
#define GRI_LIST_SORTS(X) \
    X("address", ADDRESS) \
    X("name", NAME) \
    X("behaviour", BEHAVIOUR) X("state", STATE) X("messages", MESSAGES) X("mailbox", MAILBOX) X("memory", MEMORY)
#define GRI_LIST_SORT(name, symbol) GRI_BY_##symbol,
enum gri_list_sort { GRI_LIST_SORTS(GRI_LIST_SORT) GRI_LIST_SORT_COUNT };
#undef GRI_LIST_SORT

typedef struct gri_listing {
    gr_self *self;
    uint32_t seen;
    enum gri_list_sort sort;
    bool descending, resumed; /* resumed: there is a mark */
    size_t offset, limit;
    char search[GRI_LIST_SEARCH_BYTES], state[16], behaviour[80], kind[16]; /* empty: all */
    gr_actor_info mark;   /* after: the last one of the page before, as far as the order sees it */
    gr_actor_info *infos; /* what is kept, in any order */
    uint32_t *heap; /* of indices of infos: the worst on top; in order after gri_listing_collect. In the same block */
    size_t kept, capacity;
    uint64_t total, following; /* wanted ones; those of them behind the mark */
} gri_listing;

/* Reads the query; what is wrong with it, or NULL. */
const char *gri_listing_read(gri_listing *listing, const char *query);
/* Entries [offset, kept) of gri_listing_at are the page. Lets others run on the way. Errors: GR_ENOMEM, GR_EKILLED. */
int gri_listing_collect(gri_listing *listing);
const gr_actor_info *gri_listing_at(const gri_listing *listing, size_t at);
void gri_listing_fini(gri_listing *listing);
/* "server", "thread" or "attached" */
const char *gri_actor_kind(const gr_actor_info *info);

#endif
