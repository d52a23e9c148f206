/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Plans: what a format string is compiled to, once per place that uses it.
 *
 * A plan is a list of operations, one per thing in the format, which any builder can run. Most plans are also templates: if
 * all keys are literals and nothing depends on an argument's value but its own bytes, the packed form of everything
 * constant (headers, keys, literal strings, tags) is made beforehand, already checked for UTF-8, duplicate keys and depth.
 * Then building is: read the arguments into slots, add up the sizes, copy the constant stretches, fill in the slots, and
 * correct the byte counts of the containers around variable slots.
 *
 *     format {s:I, s:s}   arguments "id", id, "name", name
 *     template   [object][2 "id"][int ........][4 "name"]         const bytes
 *     slots                       ^ 8 bytes in place  ^ inserted: string of the argument
 *
 * Who: plans are immutable once made, and kept for good: sites are static. The first caller at a place makes one; if several
 * do at once, one wins (mo:plan.publish release -> plan.find acquire) and the others use it. A format that is no literal is
 * compared byte by byte with those its site has seen (at most 8; more are compiled each time). */
#ifndef GRI_MESSAGE_PLAN_H
#define GRI_MESSAGE_PLAN_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "message/build.h"
#include "message/format.h"
#include "message/message.h"
#include "message/value.h"

#include <greenroom/build.h>
#include <greenroom/pack.h>

/* ---- what the runtime's own format calls use ---- */

/* Formats a new message. Takes `o` references over in every case but GR_EFORMAT. ret_detail may be NULL. */
GR_MUST_CHECK int gri_pack_message(gr_site *site, const char *format, va_list args, gr_message **ret_message,
                                   gr_detail *ret_detail);
/* The same with `before` bytes in front of the value, which the caller then writes: what is around it. The value counts as
 * one container deep. */
GR_MUST_CHECK int gri_pack_inside(gr_site *site, const char *format, va_list args, size_t before,
                                  gr_message **ret_message, gr_detail *ret_detail);
/* Formats one value where the builder stands, in the middle of whatever is being built: on failure the error sticks in the
 * builder too. */
int gri_plan_run(gr_builder *b, gr_site *site, const char *format, va_list args, gr_detail *ret_detail);

/* ---- inside ---- */

enum gri_plan_code {
    GRI_PLAN_OBJECT,
    GRI_PLAN_ARRAY,
    GRI_PLAN_END,
    GRI_PLAN_KEY,
    GRI_PLAN_STRING,
    GRI_PLAN_PART, /* appended to the key or string before it */
    GRI_PLAN_NULL,
    GRI_PLAN_BOOL,
    GRI_PLAN_INT,
    GRI_PLAN_DOUBLE,
    GRI_PLAN_JSON,
    GRI_PLAN_ADDRESS,
    GRI_PLAN_BYTES,
    GRI_PLAN_VALUE,
};

enum gri_plan_flag {
    GRI_PLAN_OR_NULL = 1,    /* ? */
    GRI_PLAN_OR_NOTHING = 2, /* * */
    GRI_PLAN_SIZED = 4,      /* the text is followed by its length */
    GRI_PLAN_MORE = 8,       /* a part follows */
    GRI_PLAN_STEALS = 16,    /* o */
    GRI_PLAN_KEY_MAYBE = 32, /* of a key: its value may turn out to be nothing; in unpacking: it may be absent */
    GRI_PLAN_STRICT = 64,    /* of an end, in unpacking: nothing may be left over */
    GRI_PLAN_INTS_TOO = 128, /* F */
};

typedef struct gri_plan_op {
    uint8_t code, flags;
    uint8_t kind, size_kind; /* gr_arg of the argument, and of the length behind it */
    uint32_t argument;       /* the first one's index, from 0 */
    uint32_t offset;         /* in the format */
} gri_plan_op;

/* How to read an argument of a template. */
enum gri_plan_read {
    GRI_READ_INT,
    GRI_READ_UINT,
    GRI_READ_LONG,
    GRI_READ_ULONG,
    GRI_READ_BOOL,
    GRI_READ_DOUBLE,
    GRI_READ_ADDRESS,
    GRI_READ_TEXT, /* from here on: into a variable slot */
    GRI_READ_BYTES,
    GRI_READ_VALUE,
};

/* An argument (with the length behind it) that fills a slot; literals have none, they are in the template. */
typedef struct gri_plan_step {
    uint8_t read;             /* gri_plan_read */
    uint8_t flags, size_kind; /* of texts and bytes */
    uint16_t place;           /* which of the words it is, or which of the doubles (arguments.h) */
    uint16_t op;              /* for error messages */
    uint16_t depth;           /* containers around it */
    uint32_t at; /* where in the template; fixed slots have their bytes there, variable ones are inserted */
} gri_plan_step;

/* A slot, which is what a step fills: of the fixed ones, or of the variable ones. Both are numbered together, as steps. */
typedef struct gri_plan_slot {
    uint32_t at;
    uint16_t slot;
    uint8_t read;
} gri_plan_slot;

/* A slot that is eight bytes of an argument. */
typedef struct gri_plan_word {
    uint32_t at;
    uint16_t place;
} gri_plan_word;

/* A container whose byte count depends on variable slots. */
typedef struct gri_plan_container {
    uint32_t at;         /* its header in the template */
    uint32_t bytes;      /* without the variable slots */
    uint16_t first, end; /* its slots */
} gri_plan_container;

typedef struct gri_plan {
    const struct gri_plan *next; /* of the same site */
    const char *format;          /* the plan's own copy */
    uint32_t ops_count;
    /* The template; bytes is NULL if there is none. */
    uint32_t template_bytes;
    uint16_t steps_count, fixed_count, variable_count, containers_count;
    uint16_t arguments_count, doubles_count;
    /* If all slots are integers as they are, or addresses: first those of eight bytes, then those of four, which are extended. */
    const gri_plan_word *words; /* NULL if there are others */
    uint16_t words_long, words_count;
    /* And if the value fits an envelope, at a place whose format is a literal (plan_line.h): */
    bool is_line;
    uint8_t line_bytes;      /* of its word: 8; 4, to be extended; 0: it has none. There is no room for two */
    gri_plan_word line_word; /* where that is */
    uint64_t line_head;      /* kind to body_bytes, as the envelope has them */
    uint64_t line[GRI_MESSAGE_INLINE_BYTES / 8]; /* the value with zeros behind it, in which the words have room */
    const unsigned char *types;                  /* of the arguments, the site's own */
    void *memory;                                /* holds what follows */
    const gri_plan_step *steps;
    const gri_plan_slot *fixed, *variable;
    const gri_plan_container *containers;
    const unsigned char *bytes;
    const struct gri_unpack_step *reads; /* of unpacking plans: see unpack.h; NULL if there are none */
    uint32_t reads_count;
    void *layouts;               /* atomic; of unpacking plans: see unpack_layout.h */
    gri_atomic_u32 layouts_vain; /* messages from which none could be learned */
    gri_plan_op ops[];
} gri_plan;

/* Compiles a format. The arguments are looked at for literals only; their list is not advanced. If the format was right but
 * there is no memory (GR_ENOMEM, GR_EFULL), *ret_stolen says which arguments are references to drop (bit: index). */
typedef int gri_plan_compiler(const gr_site *site, const char *format, gri_arguments *args, gri_plan **ret_plan,
                              uint64_t *ret_stolen, gr_detail *ret_detail);
gri_plan_compiler gri_plan_compile; /* for packing */
gri_plan_compiler gri_plan_compile_unpack;
void gri_plan_free(gri_plan *plan);

/* The plan of a place: the one kept there, or made now. On failure the arguments that pass a reference are dropped, unless
 * the format is wrong. gri_plan_done after use. */
typedef struct gri_plan_found {
    const gri_plan *plan;
    gri_plan *own; /* not kept: freed after use */
} gri_plan_found;

GR_MUST_CHECK int gri_plan_find_slowly(gr_site *site, const char *format, va_list args, gri_plan_compiler *compile,
                                       gr_detail *ret_detail, gri_plan_found *f);
GRI_INLINE int gri_plan_find(gr_site *site, const char *format, va_list args, gri_plan_compiler *compile,
                             gr_detail *ret_detail, gri_plan_found *f)
{
    if (GRI_LIKELY(site && site->literal)) {
        /* mo:plan.find acquire <- plan.publish release: the plan */
        const gri_plan *plan = gri_load_acquire((gri_atomic_ptr *)(void *)&site->plan);
        if (GRI_LIKELY(plan != NULL)) {
            *f = (gri_plan_found){plan, NULL};
            return 0;
        }
    }
    return gri_plan_find_slowly(site, format, args, compile, ret_detail, f);
}
GRI_INLINE void gri_plan_done(gri_plan_found *f)
{
    if (GRI_UNLIKELY(f->own != NULL)) gri_plan_free(f->own);
}

/* For plans that have a template. */
GR_MUST_CHECK int gri_template_message(const gri_plan *plan, va_list list, size_t before, gr_message **ret_message,
                                       gr_detail *ret_detail);
/* Where the builder stands, if gri_template_fits. */
GR_MUST_CHECK int gri_template_put(const gri_plan *plan, va_list list, gr_builder *b, gr_detail *ret_detail);
GRI_INLINE bool gri_template_fits(const gri_plan *plan, gr_builder *b)
{
    return plan->bytes && b->depth < GRI_VALUE_DEPTH_MAX / 2 && gri_build_expects_value(b);
}

#endif
