/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Intrusive doubly linked list: a ring through a head that is itself a link.
 *
 * Owned by whoever owns the head; no locking, no allocation, every operation O(1) but the count. A link that is in no
 * list points at itself (gri_list_init, and again after gri_list_remove), so removing twice is harmless and
 * gri_list_is_linked can be asked. Heads and links must not move while linked. */
#ifndef GRI_BASE_LIST_H
#define GRI_BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>

typedef struct gri_list {
    struct gri_list *next, *prev;
} gri_list;

#define GRI_LIST_EMPTY(head) \
    { \
        &(head), &(head) \
    }
#define GRI_LIST_ENTRY(link, type, member) GRI_CONTAINER_OF(link, type, member)

/* for (gri_list *link …): the body must not remove `link`; the _SAFE form may remove and free it, but not its
 * successor. */
#define GRI_LIST_EACH(link, head) for (gri_list *link = (head)->next; link != (head); link = link->next)
#define GRI_LIST_EACH_SAFE(link, head) \
    for (gri_list *link = (head)->next, *link##_next = link->next; link != (head); \
         link = link##_next, link##_next = link->next)

GRI_INLINE void gri_list_init(gri_list *link)
{
    link->next = link;
    link->prev = link;
}

GRI_INLINE bool gri_list_is_empty(const gri_list *head)
{
    return head->next == head;
}

GRI_INLINE bool gri_list_is_linked(const gri_list *link)
{
    return link->next != link;
}

GRI_INLINE void gri_list_insert_between(gri_list *link, gri_list *prev, gri_list *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

GRI_INLINE void gri_list_push_back(gri_list *head, gri_list *link)
{
    gri_list_insert_between(link, head->prev, head);
}

GRI_INLINE void gri_list_push_front(gri_list *head, gri_list *link)
{
    gri_list_insert_between(link, head, head->next);
}

GRI_INLINE void gri_list_insert_before(gri_list *position, gri_list *link)
{
    gri_list_insert_between(link, position->prev, position);
}

GRI_INLINE void gri_list_remove(gri_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    gri_list_init(link);
}

/* The first or last link; NULL of an empty list. */
GRI_INLINE gri_list *gri_list_first(const gri_list *head)
{
    return gri_list_is_empty(head) ? NULL : head->next;
}

GRI_INLINE gri_list *gri_list_last(const gri_list *head)
{
    return gri_list_is_empty(head) ? NULL : head->prev;
}

GRI_INLINE gri_list *gri_list_pop_front(gri_list *head)
{
    gri_list *link = gri_list_first(head);
    if (link) gri_list_remove(link);
    return link;
}

GRI_INLINE gri_list *gri_list_pop_back(gri_list *head)
{
    gri_list *link = gri_list_last(head);
    if (link) gri_list_remove(link);
    return link;
}

/* Moves everything in `from` behind what is in `head`; `from` ends empty. */
GRI_INLINE void gri_list_splice_back(gri_list *head, gri_list *from)
{
    if (gri_list_is_empty(from)) return;
    gri_list *first = from->next, *last = from->prev;
    first->prev = head->prev;
    head->prev->next = first;
    last->next = head;
    head->prev = last;
    gri_list_init(from);
}

/* O(n). */
GRI_INLINE size_t gri_list_count(const gri_list *head)
{
    size_t count = 0;
    for (const gri_list *link = head->next; link != head; link = link->next) count++;
    return count;
}

#endif
