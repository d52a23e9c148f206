/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Blocks that come home, with the source of memory/heap.c: freed by several threads, in bundles and alone, each is in its heap's list
 * again once, and what was done with it before is done; the heap that threads without one share is made once. */
#include "explore/mutex.h"

#include "memory/heap.h"
#include "os/vmem.h"

/* Counters order nothing, and each would be two steps. */
#undef gri_count_owner
#define gri_count_owner(a, v) ((void)(a), (void)(v))

static int new_heap(size_t bytes, void **ret_low);
#define gri_vmem_reserve(bytes, alignment, ret_low) new_heap(bytes, ret_low)
#define gri_vmem_page_bytes() ((size_t)4096)
#include "memory/heap.c"
#undef gri_vmem_reserve
#undef gri_vmem_page_bytes

enum { BLOCKS = 3 };

static gri_heap home, made;
static unsigned made_count;
static char memory[GRI_CHUNK_BYTES] GRI_ALIGNED(GRI_CHUNK_BYTES);
static unsigned *blocks[BLOCKS];

UNSEEN static int new_heap(size_t bytes, void **ret_low)
{
    EXPLORE_CHECK(bytes >= sizeof made && made_count++ == 0);
    *ret_low = &made;
    return 0;
}

UNSEEN static void setup(void)
{
    mutex_begin();
    memset((void *)&home, 0, sizeof home);
    for (unsigned i = 0; i < CLASSES; i++) gri_list_init(&home.partial[i]);
    gri_list_init(&home.empty);
    gri_atomic_init(&home.incoming, NULL);
    chunk *c = (chunk *)(void *)memory;
    chunk_dedicate(&home, c, 0);
    c->place = PLACE_CURRENT;
    home.current[0] = c;
    carve(&home, c);
    for (unsigned i = 0; i < BLOCKS; i++) *(blocks[i] = alloc_from(&home, 0)) = i;
    made_count = 0;
    memset((void *)&made, 0, sizeof made);
    heaps.count = 0;
    heaps.all = NULL;
    gri_atomic_init(&shared, NULL);
}

/* Other threads use what they have and send it home. */
static void free_one(void)
{
    *blocks[0] = 10;
    gri_block_free(blocks[0]); /* a thread that has no heap */
}

static void free_bundle(void)
{
    *blocks[1] = 11;
    *blocks[2] = 12;
    for (unsigned i = 1; i < BLOCKS; i++)
        mark_freed(blocks[i], STEP); /* as gri_block_free, which collects them in an outbox */
    incoming_push(&home, (void *const *)&blocks[1], 2);
}

UNSEEN static unsigned free_count(void)
{
    unsigned count = 0;
    for (void *block = home.front.free[0]; block && count < 2 * CARVE_BYTES / STEP; block = *(void **)block)
        for (unsigned i = 0; i < BLOCKS; i++) count += block == blocks[i];
    return count;
}

/* Its own thread takes them in, and uses them again. */
static void owner(void)
{
    while (free_count() < BLOCKS) {
        incoming_take(&home);
        if (free_count() < BLOCKS) explore_wait();
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        unsigned *block = alloc_from(&home, 0);
        EXPLORE_CHECK(block == blocks[0] || block == blocks[1] || block == blocks[2]);
        *block = i;
    }
    EXPLORE_CHECK(free_count() == 0); /* none of them twice */
}

/* ---- the shared heap ---- */

static void use_shared(void)
{
    gri_heap *heap = shared_lock();
    EXPLORE_CHECK(heap == &made && heap->node == 0 && heap->index == 0);
    heap->bindings++;
    gri_spinlock_unlock(&heap->held);
}

int main(int argc, char **argv)
{
    static const explore_program programs[] = {
        {"bundles", setup, {free_one, free_bundle, owner}, NULL, NULL, 3, 2, 0},
        {"shared", setup, {use_shared, use_shared}, NULL, NULL, 3, 2, 0},
        {NULL, NULL, {NULL}, NULL, NULL, 0, 0, 0},
    };
    return explore_main(argc, argv, programs);
}
