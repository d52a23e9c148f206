/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/harness.h"

#include "actor/runtime.h"
#include "actor/watch.h"

#include <inttypes.h>
#include <stdarg.h>

int64_t harness_patience_ms = 60000;

#ifdef GR_TEST_PLAIN
#define fail gr_test_fail
#else
__attribute__((noreturn, format(printf, 3, 4))) static void fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
#endif

bool harness_simulated(void)
{
    const char *seed = getenv("GREENROOM_SIMULATE");
    return seed && *seed;
}

gr_self *harness_begin(const gr_options *options)
{
    gr_detail detail;
    gr_self *self = NULL;
    int code = gr_start(options, &detail);
    if (code != 0) fail(__FILE__, __LINE__, "gr_start: %s: %s", gr_error_name(code), detail.text);
    code = gr_attach(&self);
    if (code != 0) fail(__FILE__, __LINE__, "gr_attach: %s", gr_error_name(code));
    return self;
}

void harness_end(gr_self *self, const char *test)
{
    (void)self;
    if (getenv("GR_TEST_HASHES")) {
        printf("%s %016" PRIx64 "\n", test, gr_trace_hash());
        fflush(stdout);
    }
    int code = gr_stop(GR_NOW);
    if (code != 0 && code != GR_ETIMEOUT) fail(__FILE__, __LINE__, "gr_stop: %s", gr_error_name(code));
}

bool harness_pause(gr_self *self, gr_deadline patience)
{
    if (gr_now_ns() >= patience.ns) return false;
    gr_sleep(self, gr_after_us(200)); /* GR_EKILLED: the condition is looked at all the same */
    return true;
}

bool harness_waits(gr_address address)
{
    gr_actor_info info;
    int code = gr_inspect(address, &info);
    return code == 0 && strcmp(info.state, "waiting") == 0;
}

bool harness_gone(gr_address address)
{
    gri_spinlock *lock = gri_watch_lock(address);
    gri_spinlock_lock(lock);
    gr_self *actor = gri_actor_find(address);
    bool gone = !actor || gri_watch_has_record(actor);
    gri_spinlock_unlock(lock);
    return gone;
}

void harness_compare(gr_value actual, gr_value expected, const char *file, int line)
{
    if (gr_equal(actual, expected)) return;
    const gr_print_options options = {.sorted = true};
    char *is = gr_print_new(actual, &options, NULL), *should_be = gr_print_new(expected, &options, NULL);
    fail(file, line, "is %s, expected %s", is ? is : "(no value)", should_be ? should_be : "(no value)");
}

gr_message *harness_receive(gr_self *self, const char *file, int line)
{
    gr_message *m = NULL;
    int code = gr_receive(self, &m, SOON);
    if (code != 0) fail(file, line, "gr_receive: %s", gr_error_name(code));
    return m;
}

void harness_expect_nothing(gr_self *self, const char *file, int line)
{
    gr_message *m = NULL;
    int code = gr_receive(self, &m, GR_NOW);
    if (code == 0) fail(file, line, "expected no message, received %s", gr_print_new(gr_body(m), NULL, NULL));
    if (code != GR_ETIMEOUT) fail(file, line, "gr_receive: %s", gr_error_name(code));
}

const char *harness_error(gr_value report)
{
    return gr_string(gr_get(report, "error"), "(none)");
}

void harness_expect_exception(gr_self *self, gr_address address, const char *error, const char *file, int line)
{
    gr_message *m = harness_receive(self, file, line);
    gr_value body = gr_body(m);
    bool is = gr_count(body) == 2 && gr_address_equal(gr_address_in(gr_get(body, "address")), address) &&
              strcmp(harness_error(gr_get(body, "exception")), error) == 0;
    if (!is) fail(file, line, "expected exception \"%s\", received %s", error, gr_print_new(body, NULL, NULL));
    gr_message_free(&m);
}

gr_counters harness_counters(void)
{
    gr_counters counters;
    int code = gr_counters_read(&counters);
    if (code != 0) fail(__FILE__, __LINE__, "gr_counters_read: %s", gr_error_name(code));
    return counters;
}

void harness_idle(gr_self *self, gr_value args)
{
    (void)args;
    for (gr_message *m = NULL; gr_receive(self, &m, GR_FOREVER) == 0;) gr_message_free(&m);
}

gr_shape *harness_shape(const char *text)
{
    gr_detail detail;
    gr_shape *shape = NULL;
    int code = gr_shape_compile(text, &shape, &detail);
    if (code != 0) fail(__FILE__, __LINE__, "shape %s: %s", text, detail.text);
    return shape;
}
