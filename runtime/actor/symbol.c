/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* See symbol.h. */
#include "actor/symbol.h"

#include "message/utf8.h"
#include "os/thread.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unwind.h>

#ifdef GRI_DWARF
#include <elfutils/libdwfl.h>
#endif

#define BUCKETS 256
#define SYMBOLS_MAX 4096 /* guess: as many call sites as raise, in a big program */
#define HELPER_STACK_BYTES ((size_t)1 << 20)
#define LINE_BYTES_MAX 200
#define SOURCE_BYTES_MAX (4 << 20)

typedef struct entry {
    struct entry *next;
    gri_symbol symbol;
} entry;

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards all below; held by the one who waits for the helper */
static entry *buckets[BUCKETS];
static size_t entries_count;

/* ---- walking ---- */

typedef struct walk {
    uintptr_t *pcs;
    size_t count, capacity, skip;
} walk;

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *arg)
{
    walk *w = arg;
    int before = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &before);
    if (pc == 0) return _URC_END_OF_STACK;
    if (w->skip > 0) {
        w->skip--;
        return _URC_NO_REASON;
    }
    if (w->count == w->capacity) return _URC_END_OF_STACK;
    w->pcs[w->count++] = before ? pc : pc - 1;
    return _URC_NO_REASON;
}

GRI_NOINLINE size_t gri_symbols_walk(uintptr_t *ret_pcs, size_t capacity)
{
    walk w = {ret_pcs, 0, capacity, 1};
    _Unwind_Backtrace(walk_frame, &w);
    return w.count;
}

/* ---- strings ---- */

/* A copy in which what is no UTF-8, and control characters but tabs, are '?'. NULL: no memory. */
static char *clean_copy(const char *text, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    if (!copy) return NULL;
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    for (size_t n = 0; n < bytes;) {
        unsigned length = gri_utf8_length(at + n, end);
        bool good = length > 1 || (length == 1 && (at[n] >= ' ' || at[n] == '\t') && at[n] != 0x7f);
        if (length == 0) length = 1;
        if (good)
            memcpy(copy + n, at + n, length);
        else
            memset(copy + n, '?', length);
        n += length;
    }
    copy[bytes] = '\0';
    return copy;
}

/* The function's name as in the source: what compilers append to clones of it (".constprop.0", ".cold") is cut off. */
static const char *method_of(const char *symbol)
{
    size_t bytes = strcspn(symbol + 1, ".") + 1;
    char *copy = clean_copy(symbol, bytes);
    return copy ? copy : "?";
}

static void string_free(const char *text)
{
    if (text && strcmp(text, "?") != 0) free((void *)(uintptr_t)text);
}

/* ---- source lines ---- */

static char *read_source(const char *path, size_t *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return NULL;
    struct stat status;
    char *text = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 && status.st_size < SOURCE_BYTES_MAX)
        text = malloc((size_t)status.st_size);
    ssize_t bytes = text ? read(fd, text, (size_t)status.st_size) : -1;
    close(fd);
    if (bytes > 0) {
        *ret_bytes = (size_t)bytes;
        return text;
    }
    free(text);
    return NULL;
}

static void find_lines(gri_symbol *symbol)
{
    size_t bytes;
    char *text = symbol->line > 0 && symbol->file[0] == '/' ? read_source(symbol->file, &bytes) : NULL;
    if (!text) return;
    symbol->lines_first = symbol->line > 2 ? symbol->line - 2 : 1;
    int number = 1;
    for (char *at = text, *end = text + bytes; at < end && number <= symbol->line + 1; number++) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        int slot = number - symbol->lines_first;
        if (slot >= 0 && slot < GRI_SYMBOL_LINES) symbol->lines[slot] = clean_copy(at, GRI_MIN(length, LINE_BYTES_MAX));
        at += length + 1;
    }
    free(text);
}

/* ---- looking up ---- */

/* The folder that all sources of the runtime lie in, with a slash, as the debug information calls it; NULL: not known. */
static char *our_folder;

static bool is_ours(const gri_symbol *symbol)
{
    /* A compiler cache may name C files relative to the build, but not those of assembly. */
    if (our_folder && symbol->line > 0 && strncmp(symbol->method, "gri_", 4) != 0)
        return strncmp(symbol->file, our_folder, strlen(our_folder)) == 0;
    return strncmp(symbol->method, "gr_", 3) == 0 || strncmp(symbol->method, "gri_", 4) == 0;
}

static void find_dynamic(gri_symbol *symbol)
{
    Dl_info info;
    if (dladdr((void *)symbol->pc, &info) != 0 && info.dli_sname && *info.dli_sname)
        symbol->method = method_of(info.dli_sname);
}

#ifdef GRI_DWARF

static const char *string_or_unknown(const char *text)
{
    char *copy = text ? clean_copy(text, strlen(text)) : NULL;
    return copy ? copy : "?";
}

static Dwfl *dwfl;
static char debug_path[] = "/usr/lib/debug";
static char *debug_path_setting = debug_path;

/* Debug information in the file itself, else by build-id below /usr/lib/debug; never by debuginfod. */
static int find_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                          const char *link, GElf_Word crc, char **ret_file)
{
    return dwfl_build_id_find_debuginfo(module, user, name, base, file, link, crc, ret_file);
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &debug_path_setting,
};

static Dwfl_Module *module_of(uintptr_t pc)
{
    if (!dwfl) dwfl = dwfl_begin(&callbacks);
    if (!dwfl) return NULL;
    Dwfl_Module *module = dwfl_addrmodule(dwfl, pc);
    if (module) return module;
    Dl_info info;
    struct link_map *map = NULL;
    if (dladdr1((void *)pc, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || !map) return NULL;
    const char *path = map->l_name && *map->l_name ? map->l_name : "/proc/self/exe";
    dwfl_report_begin_add(dwfl);
    module = dwfl_report_elf(dwfl, path, path, -1, map->l_addr, true);
    dwfl_report_end(dwfl, NULL, NULL);
    return module ? dwfl_addrmodule(dwfl, pc) : NULL;
}

static void find_dwarf(gri_symbol *symbol)
{
    Dwfl_Module *module = module_of(symbol->pc);
    if (!module) return;
    const char *method = dwfl_module_addrname(module, symbol->pc);
    if (method && *method) symbol->method = method_of(method);
    Dwfl_Line *line = dwfl_module_getsrc(module, symbol->pc);
    int number = 0;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    const char *folder = line ? dwfl_line_comp_dir(line) : NULL;
    if (!file) return;
    symbol->line = number;
    char *joined = NULL;
    if (file[0] != '/' && folder && asprintf(&joined, "%s/%s", folder, file) < 0) joined = NULL;
    symbol->file = string_or_unknown(joined ? joined : file);
    free(joined);
}

static void end_dwarf(void)
{
    if (dwfl) dwfl_end(dwfl);
    dwfl = NULL;
}

#else

static void find_dwarf(gri_symbol *symbol)
{
    (void)symbol;
}

static void end_dwarf(void)
{
}

#endif

/* ---- the table ---- */

typedef struct request {
    entry **missing;
    size_t count;
} request;

/* Learns the folder from the place of this very file in it. */
static void find_our_folder(void)
{
    static const char tail[] = "actor/symbol.c";
    gri_symbol here = {.pc = (uintptr_t)find_our_folder, .method = "?", .file = "?"};
    find_dwarf(&here);
    size_t bytes = strlen(here.file);
    if (here.line > 0 && bytes > sizeof tail - 1 && strcmp(here.file + bytes - (sizeof tail - 1), tail) == 0)
        our_folder = strndup(here.file, bytes - (sizeof tail - 1));
    string_free(here.method);
    string_free(here.file);
}

static void find_all(void *arg)
{
    request *r = arg;
    if (!our_folder) find_our_folder();
    for (size_t i = 0; i < r->count; i++) {
        gri_symbol *symbol = &r->missing[i]->symbol;
        find_dwarf(symbol);
        if (strcmp(symbol->method, "?") == 0) find_dynamic(symbol);
        symbol->ours = is_ours(symbol);
        if (!symbol->ours) find_lines(symbol);
    }
}

static void find_without_helper(request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        gri_symbol *symbol = &r->missing[i]->symbol;
        find_dynamic(symbol);
        symbol->ours = is_ours(symbol);
    }
}

static entry **bucket_of(uintptr_t pc)
{
    return &buckets[(pc ^ pc >> 8 ^ pc >> 16) % BUCKETS];
}

static entry *find_known(uintptr_t pc)
{
    entry *e = *bucket_of(pc);
    while (e && e->symbol.pc != pc) e = e->next;
    return e;
}

static entry *add_unknown(uintptr_t pc)
{
    entry *e = entries_count < SYMBOLS_MAX ? calloc(1, sizeof *e) : NULL;
    if (!e) return NULL;
    e->symbol = (gri_symbol){.pc = pc, .method = "?", .file = "?"};
    e->next = *bucket_of(pc);
    *bucket_of(pc) = e;
    entries_count++;
    return e;
}

void gri_symbols_find(const uintptr_t *pcs, size_t count, const gri_symbol **ret_symbols)
{
    static const gri_symbol unknown = {.method = "?", .file = "?"};
    entry **missing = NULL;
    request r = {NULL, 0};
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        entry *e = find_known(pcs[i]);
        if (!e && !missing) missing = calloc(count, sizeof(entry *));
        if (!e && missing && (e = add_unknown(pcs[i])) != NULL) missing[r.count++] = e;
        ret_symbols[i] = e ? &e->symbol : &unknown; /* a full table knows no more */
    }
    if (r.count > 0) {
        gri_thread helper;
        r.missing = missing;
        if (gri_thread_start(&helper, "gr-symbols", HELPER_STACK_BYTES, find_all, &r) == 0)
            gri_thread_join(helper);
        else
            find_without_helper(&r);
    }
    pthread_mutex_unlock(&lock);
    free(missing);
}

void gri_symbols_stop(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (buckets[i]) {
            entry *e = buckets[i];
            buckets[i] = e->next;
            string_free(e->symbol.method);
            string_free(e->symbol.file);
            for (size_t k = 0; k < GRI_SYMBOL_LINES; k++) free((void *)(uintptr_t)e->symbol.lines[k]);
            free(e);
        }
    }
    entries_count = 0;
    free(our_folder);
    our_folder = NULL;
    end_dwarf();
    pthread_mutex_unlock(&lock);
}
