/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "base/list.h"

#include "support/test.h"

typedef struct item {
    int number;
    gri_list link;
} item;

static int number_of(gri_list *link)
{
    return GRI_LIST_ENTRY(link, item, link)->number;
}

static void fill(gri_list *head, item *items, int count)
{
    gri_list_init(head);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        gri_list_init(&items[i].link);
        gri_list_push_back(head, &items[i].link);
    }
}

TEST(list, empty)
{
    gri_list head = GRI_LIST_EMPTY(head);
    CHECK(gri_list_is_empty(&head));
    CHECK(!gri_list_first(&head) && !gri_list_last(&head));
    CHECK(!gri_list_pop_front(&head) && !gri_list_pop_back(&head));
    CHECK_EQ(gri_list_count(&head), 0);
}

TEST(list, order_at_both_ends)
{
    gri_list head;
    item items[4], front = {.number = 9};
    fill(&head, items, 4);
    gri_list_push_front(&head, &front.link);
    CHECK_EQ(gri_list_count(&head), 5);
    CHECK_EQ(number_of(gri_list_pop_front(&head)), 9);
    CHECK_EQ(number_of(gri_list_pop_back(&head)), 3);
    CHECK_EQ(number_of(gri_list_first(&head)), 0);
    CHECK_EQ(number_of(gri_list_last(&head)), 2);
}

TEST(list, remove_twice_is_harmless)
{
    gri_list head;
    item items[3];
    fill(&head, items, 3);
    gri_list_remove(&items[1].link);
    CHECK(!gri_list_is_linked(&items[1].link));
    gri_list_remove(&items[1].link);
    CHECK_EQ(gri_list_count(&head), 2);
    CHECK_EQ(number_of(head.next), 0);
    CHECK_EQ(number_of(head.next->next), 2);
}

TEST(list, insert_before)
{
    gri_list head;
    item items[2], between = {.number = 5};
    fill(&head, items, 2);
    gri_list_insert_before(&items[1].link, &between.link);
    CHECK_EQ(number_of(items[0].link.next), 5);
    CHECK_EQ(number_of(items[1].link.prev), 5);
}

TEST(list, splice)
{
    gri_list a, b;
    item first[2], second[3];
    fill(&a, first, 2);
    fill(&b, second, 3);
    gri_list_splice_back(&a, &b);
    CHECK(gri_list_is_empty(&b));
    int expected[] = {0, 1, 0, 1, 2}, at = 0;
    GRI_LIST_EACH(link, &a) CHECK_EQ(number_of(link), expected[at++]);
    CHECK_EQ(at, 5);
    gri_list_splice_back(&a, &b);
    CHECK_EQ(gri_list_count(&a), 5);
    gri_list_splice_back(&b, &a);
    CHECK_EQ(gri_list_count(&b), 5);
    CHECK(gri_list_is_empty(&a));
}

TEST(list, each_safe_may_remove)
{
    gri_list head;
    item items[6];
    fill(&head, items, 6);
    GRI_LIST_EACH_SAFE(link, &head)
    {
        if (number_of(link) % 2 == 0) gri_list_remove(link);
    }
    CHECK_EQ(gri_list_count(&head), 3);
    CHECK_EQ(number_of(head.next), 1);
}
