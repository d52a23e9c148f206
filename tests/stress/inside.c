/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "stress/inside.h"

#if INSIDE
#include "base/atomic.h"
#include "schedule/scheduler.h"
#include "stress/census.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <wchar.h>

#define CALLS_MAX 64
#define PLACES_MAX 4096
#define DEPTH_MAX 8192u
#define SAME_MAX 4     /* places that are reached at the same step: in one large frame */
#define TRACE_MAX 4000 /* longer calls are left out: a trap takes up to 30 us */
#define TRAP_FLAG ((greg_t)0x100)
#define CODE_MAX ((size_t)4 << 20)

/* ---- what is called: functions that take whole numbers and pointers only, six at most ---- */

typedef struct call {
    const char *name;
    uintptr_t function, argument[6];
} call;

static call calls[CALLS_MAX];
static size_t calls_count, libc_calls; /* the libc's come first */

static char text[256];
static wchar_t wide[64];
static char *end;
static void *memory;
static struct tm tm = {.tm_mday = 1, .tm_year = 120};
static time_t moment = 1600000000;
static struct in_addr address4;
static unsigned random_state = 1;
static gr_message *made;
static gr_shape *shape;
static gr_counters counters;
static gr_actor_info info;
static gr_address found;
static size_t needed;
static uint64_t storage[64], packed[64];
static gr_value value;

#define CALL(fn, ...) add(#fn, (uintptr_t)(fn), (const uintptr_t[6]){__VA_ARGS__})
#define P(pointer) ((uintptr_t)(pointer))
#define SELF UINTPTR_MAX /* as first argument: the actor that makes the call */

static void add(const char *name, uintptr_t function, const uintptr_t *argument)
{
    if (calls_count == CALLS_MAX) return;
    call *c = &calls[calls_count++];
    c->name = name;
    c->function = function;
    memcpy(c->argument, argument, sizeof c->argument);
}

static void add_libc(void)
{
    CALL(snprintf, P(text), 64, P("%d %s"), 7, P("seven"));
    CALL(snprintf, P(text), 64, P("%s"), P("seven"));
    CALL(strtol, P("  12345"), P(&end), 10);
    CALL(strtoul, P("0x12345"), P(&end), 0);
    CALL(strtod, P("1.5e3"), P(&end));
    CALL(atoi, P("99"));
    CALL(wcstol, P(L"77"), P(NULL), 10);
    CALL(strftime, P(text), 64, P("%Y-%m-%d"), P(&tm));
    CALL(gmtime_r, P(&moment), P(&tm));
    CALL(timegm, P(&tm));
    CALL(asctime_r, P(&tm), P(text));
    CALL(inet_ntop, AF_INET, P(&address4), P(text), 64);
    CALL(inet_pton, AF_INET, P("127.0.0.1"), P(&address4));
    CALL(getenv, P("NO_SUCH_VARIABLE"));
    CALL(memmem, P("abcdefgh"), 8, P("fg"), 2);
    CALL(strverscmp, P("a10"), P("a9"));
    CALL(fnmatch, P("a*c"), P("abc"), 0);
    CALL(mbstowcs, P(wide), P("wide"), 32);
    CALL(wcstombs, P(text), P(L"wide"), 32);
    CALL(strcasecmp, P("Greenroom"), P("greenROOM"));
    CALL(rand_r, P(&random_state));
    CALL(strerror_r, 2, P(text), 64);
    CALL(strsignal, 11);
    CALL(a64l, P("zz"));
    CALL(random);
    CALL(lrand48);
    CALL(posix_memalign, P(&memory), 64, 1000);
    CALL(free, P(NULL));
    CALL(sysconf, 30);
    CALL(clock_gettime, CLOCK_MONOTONIC, P(storage));
    CALL(strtok_r, P(NULL), P(","), P(&end));
    CALL(strxfrm, P(text), P("abc"), 64);
    CALL(strcoll, P("abc"), P("abd"));
}

static const char cast_format[] = "{s:i}", publish_format[] = "i";

static void add_greenroom(gr_address to)
{
    static const char json[] = "{\"a\":[1,2,3],\"b\":\"text\"}";
    MUST(gr_pack_into(packed, sizeof packed, &value, "{s:[i,i,i],s:s}", "a", 1, 2, 3, "b", "text"));
    MUST(gr_shape_compile("{\"a\": [int], \"b\": string}", &shape, NULL));
    const uintptr_t v = P(value.at), s = SELF;
    CALL(gr_cast_site, s, to.id, P(GR_SITE("{s:i}", "k", 1)), P(cast_format), P("k"), 1);
    CALL(gr_cast_value, s, to.id, v);
    CALL(gr_pack_site, P(&made), 0, P(GR_SITE("i", 1)), P(publish_format), 5);
    CALL(gr_publish_site, s, P(GR_SITE("i", 1)), P(publish_format), 5);
    CALL(gr_return_site, s, P(GR_SITE("i", 1)), P(publish_format), 5);
    CALL(gr_message_copy, v, P(&made));
    CALL(gr_merge, v, v, P(&made));
    CALL(gr_print, v, 0, P(text), sizeof text, P(&needed));
    CALL(gr_parse, P(json), sizeof json - 1, 0, P(&made), 0);
    CALL(gr_get_n, v, P("b"), 1);
    CALL(gr_equal, v, v);
    CALL(gr_value_bytes, v);
    CALL(gr_shape_match, P(shape), v, 0);
    CALL(gr_address_print, to.id, P(text));
    CALL(gr_address_parse, P("<1.1>"), 5);
    CALL(gr_alive, to.id);
    CALL(gr_lookup, P("nobody"), P(&found));
    CALL(gr_counters_read, P(&counters));
    CALL(gr_state, to.id, P(&made), 0);
    CALL(gr_inspect, to.id, P(&info));
    CALL(gr_kill, 1);
    CALL(gr_error_name, (uintptr_t)(intptr_t)GR_EFULL);
    CALL(gr_self_address, s);
    CALL(gr_alloc, s, 64);
    CALL(gr_killed, s);
    CALL(gr_now_ns);
    CALL(gr_after_ms, 5);
    CALL(gr_message_free, P(&made));
}

static call call_of(size_t index, gr_self *self)
{
    call c = calls[index];
    if (c.argument[0] == SELF) c.argument[0] = P(self);
    return c;
}

/* ---- the call, on exactly so much stack ---- */

#define SCRATCH \
    "rax", "rbx", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define REGISTERS \
    register uintptr_t a0 __asm__("rdi") = c->argument[0]; \
    register uintptr_t a1 __asm__("rsi") = c->argument[1]; \
    register uintptr_t a2 __asm__("rdx") = c->argument[2]; \
    register uintptr_t a3 __asm__("rcx") = c->argument[3]; \
    register uintptr_t a4 __asm__("r8") = c->argument[4]; \
    register uintptr_t a5 __asm__("r9") = c->argument[5]

/* With the stack pointer at `sp`, a multiple of 16. */
GRI_NOINLINE static void call_at(uintptr_t sp, const call *c)
{
    register uintptr_t function __asm__("r12") = c->function;
    register uintptr_t stack __asm__("r13") = sp;
    REGISTERS;
    __asm__ volatile(
        "movq %%rsp, %%rbx\n\tmovq %[stack], %%rsp\n\txorl %%eax, %%eax\n\tcall *%[function]\n\tmovq %%rbx, %%rsp"
        : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
        : [function] "r"(function), [stack] "r"(stack)
        : SCRATCH);
}

/* Here, a trap after each instruction. */
GRI_NOINLINE static void call_traced(const call *c)
{
    register uintptr_t function __asm__("r12") = c->function;
    REGISTERS;
    __asm__ volatile("movq %%rsp, %%rbx\n\tsubq $512, %%rsp\n\tandq $-16, %%rsp\n\t"
                     "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\txorl %%eax, %%eax\n\tcall *%[function]\n\t"
                     "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tmovq %%rbx, %%rsp"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     : [function] "r"(function)
                     : SCRATCH);
}

/* ---- learning: which instruction goes how deep ---- */

static struct {
    uintptr_t function, entry_sp; /* at its first instruction */
    uint32_t steps, depth;        /* so far, the deepest yet */
    uint32_t
        first[DEPTH_MAX / 8]; /* the step at which it went deeper than so many words below the call's stack pointer */
    bool returned;
} trace;

typedef struct place {
    uint16_t call, room;
    double share; /* what part of all picks is of this one and of those before it */
} place;
static place places[PLACES_MAX];
static size_t places_count;
static bool learnt;

static void on_trace(int signal, siginfo_t *what, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uintptr_t sp = (uintptr_t)registers[REG_RSP];
    (void)signal, (void)what;
    if (trace.entry_sp == 0) {
        if ((uintptr_t)registers[REG_RIP] == trace.function) trace.entry_sp = sp;
        return;
    }
    trace.steps++;
    if (sp > trace.entry_sp) trace.returned = true;
    if (trace.returned || trace.steps > TRACE_MAX) {
        registers[REG_EFL] &= ~TRAP_FLAG;
        return;
    }
    const uint32_t depth = (uint32_t)(trace.entry_sp + 8 - sp);
    for (; trace.depth < depth && trace.depth / 8 < DEPTH_MAX / 8; trace.depth += 8)
        trace.first[trace.depth / 8] = trace.steps;
}

static void learn_call(gr_self *self, size_t index)
{
    const call c = call_of(index, self);
    struct sigaction action = {.sa_sigaction = on_trace, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER}, before;
    memset(&trace, 0, sizeof trace);
    trace.function = c.function;
    trace.depth = 8; /* the return address */
    sigemptyset(&action.sa_mask);
    sigaction(SIGTRAP, &action, &before);
    call_traced(&c);
    sigaction(SIGTRAP, &before, NULL);
    if (!trace.returned) return;
    uint32_t same = 0;
    for (uint32_t room = 16; room < trace.depth && room < DEPTH_MAX && places_count < PLACES_MAX; room += 16) {
        const uint32_t left = trace.steps - trace.first[room / 8];
        same = room > 16 && trace.first[room / 8] == trace.first[room / 8 - 2] ? same + 1 : 0;
        if (left <= INSIDE_STEPS_MAX && same < SAME_MAX)
            places[places_count++] =
                (place){(uint16_t)index, (uint16_t)room, 1.0 / ((double)GRI_MAX(left, 10u) * GRI_MAX(left, 10u))};
    }
}

/* The fewer steps, the more often; both libraries as often. */
static void share_out(void)
{
    double sums[2] = {0}, sum = 0;
    for (size_t i = 0; i < places_count; i++) sums[places[i].call >= libc_calls] += places[i].share;
    const double both = sums[0] > 0 && sums[1] > 0 ? 2 : 1;
    for (size_t i = 0; i < places_count; i++) {
        sum += places[i].share / (sums[places[i].call >= libc_calls] * both);
        places[i].share = sum;
    }
}

/* The code of Greenroom in an archive; weak: in a shared library it has none of these. */
extern const char __start_gri_text[] __attribute__((weak));
extern const char __stop_gri_text[] __attribute__((weak));

static void learner(gr_self *self, gr_value args)
{
    gr_address to = gr_address_in(args);
    add_libc();
    libc_calls = calls_count;
    if (__start_gri_text) add_greenroom(to);
    for (size_t i = 0; i < calls_count; i++) {
        learn_call(self, i);
        gr_message_free(&made);
        free(memory);
        memory = NULL;
    }
    share_out();
}

size_t inside_learn(gr_self *self, gr_address to)
{
    gr_address one;
    if (learnt) return places_count;
    learnt = true;
    MUST(gr_spawn_with(self, &one, learner, (&(gr_spawn_options){.retain = true, .stack_bytes = 256 << 10}), "A", to));
    MUST(gr_wait(self, one, NULL, GR_FOREVER));
    return places_count;
}

/* ---- watching ---- */

typedef struct code {
    uintptr_t low, high;
    uint64_t *seen; /* a bit for each byte */
    inside_counts counts;
} code;

static code codes[INSIDE_WHERES];
static struct sigaction runtime_handler;
/* Written and read by the thread that overflows, then by who waits for its actor's end: that orders them; relaxed. */
static gri_atomic_u64 guard_low, guard_high, fault_at;

static void on_fault(int signal, siginfo_t *what, void *context)
{
    const uintptr_t at = (uintptr_t)what->si_addr;
    /* relaxed, all: see above */
    if (what->si_code > 0 && at >= gri_load_relaxed(&guard_low) && at < gri_load_relaxed(&guard_high)) {
        gri_store_relaxed(&guard_high, 0u); /* the first one counts */
        gri_store_relaxed(&fault_at, (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]);
    }
    runtime_handler.sa_sigaction(signal, what, context);
}

static int find_libc(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size, (void)arg;
    if (!object->dlpi_name || !strstr(object->dlpi_name, "/libc.so")) return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        codes[INSIDE_LIBC].low = object->dlpi_addr + header->p_vaddr;
        codes[INSIDE_LIBC].high = codes[INSIDE_LIBC].low + header->p_memsz;
    }
    return 1;
}

static void find_codes(void)
{
    dl_iterate_phdr(find_libc, NULL);
    if (__start_gri_text) codes[INSIDE_GREENROOM] = (code){.low = P(__start_gri_text), .high = P(__stop_gri_text)};
    for (int i = INSIDE_LIBC; i <= INSIDE_GREENROOM; i++) {
        size_t bytes = GRI_MIN(codes[i].high - codes[i].low, CODE_MAX) / 8 + sizeof(uint64_t);
        codes[i].seen = malloc(bytes);
        if (!codes[i].seen) exit(1);
        memset(codes[i].seen, 1, bytes); /* resident from the beginning on */
        memset(codes[i].seen, 0, bytes);
    }
}

void inside_watch(bool on)
{
    struct sigaction now;
    if (!on) {
        sigaction(SIGSEGV, &runtime_handler, NULL);
        return;
    }
    if (!codes[INSIDE_LIBC].seen) find_codes();
    sigaction(SIGSEGV, NULL, &runtime_handler);
    now = runtime_handler;
    now.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &now, NULL);
}

inside_where inside_ended(void)
{
    const uintptr_t pc = (uintptr_t)gri_load_relaxed(&fault_at); /* relaxed, all: see their declaration */
    inside_where where = pc ? INSIDE_ELSEWHERE : INSIDE_NOWHERE;
    for (int i = INSIDE_LIBC; i <= INSIDE_GREENROOM; i++)
        if (pc >= codes[i].low && pc < codes[i].high) where = (inside_where)i;
    codes[where].counts.faults++;
    if (where == INSIDE_LIBC || where == INSIDE_GREENROOM) {
        const size_t bit = pc - codes[where].low;
        const uint64_t mask = UINT64_C(1) << bit % 64;
        if (bit < CODE_MAX && !(codes[where].seen[bit / 64] & mask)) {
            codes[where].seen[bit / 64] |= mask;
            codes[where].counts.instructions++;
        }
    }
    gri_store_relaxed(&fault_at, 0u);
    gri_store_relaxed(&guard_high, 0u);
    gr_message_free(&made);
    free(memory);
    memory = NULL;
    return where;
}

inside_counts inside_counted(inside_where where)
{
    return codes[where].counts;
}

/* The place whose part of [0, 1) the number is in. */
static const place *pick(double number)
{
    size_t low = 0, high = places_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (places[middle].share > number)
            high = middle;
        else
            low = middle + 1;
    }
    return &places[low];
}

void inside_call(gr_self *self, uint32_t number)
{
    const place *at = pick(number / 4294967296.0);
    const call c = call_of(at->call, self);
    const gri_stack *stack = gri_worker_here()->stack;
    gri_store_relaxed(&guard_low, (uint64_t)P(stack->yellow_low)); /* relaxed, both: see their declaration */
    gri_store_relaxed(&guard_high, (uint64_t)P(stack->low));
    call_at(P(stack->low) + at->room, &c);
}
#else
size_t inside_learn(gr_self *self, gr_address to)
{
    (void)self, (void)to;
    return 0;
}

void inside_call(gr_self *self, uint32_t number)
{
    (void)self, (void)number;
}

void inside_watch(bool on)
{
    (void)on;
}

inside_where inside_ended(void)
{
    return INSIDE_NOWHERE;
}

inside_counts inside_counted(inside_where where)
{
    (void)where;
    return (inside_counts){0};
}
#endif
