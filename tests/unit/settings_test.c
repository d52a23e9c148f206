/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Settings: every row of the table, the three sources, what is refused and with which words, what is warned about. */
#include "actor/log.h"
#include "actor/settings.h"
#include "base/check.h"
#include "support/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void clear_environment(void)
{
#define UNSET(field, kind, variable, fallback, range, text) unsetenv(variable);
    GR_SETTINGS(UNSET)
#undef UNSET
}

static gri_settings load(const gr_options *options)
{
    gri_settings s;
    gr_detail detail;
    if (gri_settings_load(options, &s, &detail) != 0) TEST_FAIL("%s", detail.text);
    return s;
}

static gr_detail refused(const gr_options *options, int code)
{
    gri_settings s;
    gr_detail detail;
    CHECK_EQ(gri_settings_load(options, &s, &detail), code);
    return detail;
}

TEST(settings, defaults)
{
    clear_environment();
    gri_settings s = load(NULL);
    CHECK_EQ(s.workers, 0);
    CHECK_EQ(s.bind, 0);
    CHECK_STR(s.bind_text, "auto");
    CHECK_EQ(s.stack_kb, 64);
    CHECK_EQ(s.guard, GRI_GUARD_SETTING_AUTO);
    CHECK_EQ(s.spin_us, 30);
    CHECK_EQ(s.slice_us, 1000);
    CHECK_EQ(s.steal, GRI_STEAL_SETTING_DISTANCE);
    CHECK_EQ(s.mailbox_max, 0);
    CHECK_EQ(s.message_mb, 0);
    CHECK_EQ(s.stuck_ms, 20);
    CHECK_EQ(s.copy, GRI_COPY_SETTING_PACKED);
    CHECK_EQ(s.simulate, 0);
    CHECK_EQ(s.log, GRI_LOG_SETTING_WARN);
    CHECK(!s.no_signal_handler);
    for (size_t i = 0; i < GR_SETTING_COUNT; i++) CHECK_EQ(s.source[i], GRI_SETTING_DEFAULT);
    gr_options zero = {0};
    s = load(&zero);
    for (size_t i = 0; i < GR_SETTING_COUNT; i++) CHECK_EQ(s.source[i], GRI_SETTING_DEFAULT);
}

TEST(settings, words_have_their_places_as_numbers)
{
    clear_environment();
    static const char *const guards[] = {"auto", "install", "protect", "canary", "require"};
    static const char *const steals[] = {"distance", "random", "none"};
    static const char *const copies[] = {"packed", "text", "jansson"};
    static const char *const logs[] = {"off", "error", "warn", "info", "debug"};
    for (int i = 0; i < 5; i++) {
        setenv("GREENROOM_GUARD", guards[i], 1);
        setenv("GREENROOM_LOG", logs[i], 1);
        gri_settings s = load(NULL);
        CHECK_EQ(s.guard, i);
        CHECK_EQ(s.log, i);
    }
    for (int i = 0; i < 3; i++) {
        setenv("GREENROOM_STEAL", steals[i], 1);
        setenv("GREENROOM_COPY", copies[i], 1);
        gri_settings s = load(NULL);
        CHECK_EQ(s.steal, i);
        CHECK_EQ(s.copy, i);
    }
}

TEST(settings, environment_over_options_unless_fixed)
{
    clear_environment();
    setenv("GREENROOM_WORKERS", "3", 1);
    setenv("GREENROOM_GUARD", "canary", 1);
    gr_options options = {.workers = 7, .guard = "protect", .slice_us = 500};
    gri_settings s = load(&options);
    CHECK_EQ(s.workers, 3);
    CHECK_EQ(s.guard, GRI_GUARD_SETTING_CANARY);
    CHECK_EQ(s.slice_us, 500);
    CHECK_EQ(s.source[GR_FIXED_INDEX_workers], GRI_SETTING_ENVIRONMENT);
    CHECK_EQ(s.source[GR_FIXED_INDEX_slice_us], GRI_SETTING_OPTION);
    CHECK_EQ(s.source[GR_FIXED_INDEX_log], GRI_SETTING_DEFAULT);

    options.fixed = GR_FIXED(workers);
    s = load(&options);
    CHECK_EQ(s.workers, 7);
    CHECK_EQ(s.guard, GRI_GUARD_SETTING_CANARY);
    CHECK_EQ(s.source[GR_FIXED_INDEX_workers], GRI_SETTING_OPTION);

    options = (gr_options){.fixed = GR_FIXED(workers)}; /* fixed to the default */
    s = load(&options);
    CHECK_EQ(s.workers, 0);
}

TEST(settings, empty_is_nothing_and_auto_is_zero)
{
    clear_environment();
    setenv("GREENROOM_WORKERS", "", 1);
    setenv("GREENROOM_COPY", "", 1);
    gr_options options = {.workers = 2, .copy = "", .bind = ""};
    gri_settings s = load(&options);
    CHECK_EQ(s.workers, 2);
    CHECK_EQ(s.copy, GRI_COPY_SETTING_PACKED);
    CHECK_STR(s.bind_text, "auto");
    setenv("GREENROOM_WORKERS", "auto", 1);
    s = load(&options);
    CHECK_EQ(s.workers, 0);
    CHECK_EQ(s.source[GR_FIXED_INDEX_workers], GRI_SETTING_ENVIRONMENT);
}

TEST(settings, zero_from_the_environment_where_it_is_allowed)
{
    clear_environment();
    setenv("GREENROOM_SPIN_US", "0", 1);
    CHECK_EQ(load(NULL).spin_us, 0);
    setenv("GREENROOM_STUCK_MS", "0", 1);
    CHECK_STR(refused(NULL, GR_EENV).text, "GREENROOM_STUCK_MS is \"0\": allowed is 1 to 60000 milliseconds");
}

TEST(settings, limits_are_exact)
{
    clear_environment();
    setenv("GREENROOM_WORKERS", "1024", 1);
    CHECK_EQ(load(NULL).workers, 1024);
    setenv("GREENROOM_WORKERS", "1025", 1);
    CHECK_STR(refused(NULL, GR_EENV).text, "GREENROOM_WORKERS is \"1025\": allowed is 1 to 1024, or auto");
    setenv("GREENROOM_WORKERS", "0", 1);
    (void)refused(NULL, GR_EENV);
    unsetenv("GREENROOM_WORKERS");
    gr_options options = {.stack_kb = 15};
    CHECK_STR(refused(&options, GR_EINVAL).text, "option stack_kb is 15: allowed is 16 to 16384 KiB");
    options.stack_kb = 16;
    CHECK_EQ(load(&options).stack_kb, 16);
    options.stack_kb = -1;
    (void)refused(&options, GR_EINVAL);
}

TEST(settings, numbers_are_digits_only)
{
    clear_environment();
    static const char *const bad[] = {"12x", " 12", "+12", "-1", "1e3", "0x10", "12 ", "99999999999999999999999",
                                      "Auto"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("GREENROOM_WORKERS", bad[i], 1);
        (void)refused(NULL, GR_EENV);
    }
}

TEST(settings, bad_words_name_what_is_allowed)
{
    clear_environment();
    setenv("GREENROOM_COPY", "tex", 1);
    CHECK_STR(refused(NULL, GR_EENV).text, "GREENROOM_COPY is \"tex\": allowed is packed, text or jansson");
    setenv("GREENROOM_COPY", "or", 1);
    (void)refused(NULL, GR_EENV);
    setenv("GREENROOM_COPY", "a\nb\x80 and much more text than fits into the line of an error, so it is cut", 1);
    CHECK_STR(refused(NULL, GR_EENV).text,
              "GREENROOM_COPY is \"a?b? and much more text than fits into the line of an error...\": "
              "allowed is packed, text or jansson");
    unsetenv("GREENROOM_COPY");
    gr_options options = {.copy = "xml"};
    CHECK_STR(refused(&options, GR_EINVAL).text, "option copy is \"xml\": allowed is packed, text or jansson");
    CHECK_EQ(gri_settings_load(&options, &(gri_settings){0}, NULL), GR_EINVAL);
}

TEST(settings, bind_takes_words_and_lists)
{
    clear_environment();
    static const char *const good[] = {"core", "pu", "numa", "none", "0", "0,2,4-7"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        setenv("GREENROOM_BIND", good[i], 1);
        gri_settings s = load(NULL);
        CHECK_STR(s.bind_text, good[i]);
        CHECK_EQ(s.bind, 1);
    }
    setenv("GREENROOM_BIND", "7-4", 1);
    CHECK_STR(refused(NULL, GR_EENV).text,
              "GREENROOM_BIND is \"7-4\": allowed is auto, core, pu, numa, none, or a list such as 0,2,4-7");
}

TEST(settings, remote_allow_takes_lists_of_urls)
{
    clear_environment();
    setenv("GREENROOM_REMOTE_ALLOW", "http://a:1, https://*.b", 1);
    gri_settings s = load(NULL);
    CHECK_STR(s.allow_text, "http://a:1, https://*.b");
    CHECK_EQ(s.source[GR_FIXED_INDEX_remote_allow], GRI_SETTING_ENVIRONMENT);
    gr_options options = {.remote_allow = "http://c", .fixed = GR_FIXED(remote_allow)};
    CHECK_STR(load(&options).allow_text, "http://c");
    gr_detail detail;
    options.remote_allow = "http://d";
    CHECK_EQ(gri_settings_conflict(&s, &options, &detail), GR_ECONFLICT);
    options.remote_allow = "http://a:1, https://*.b";
    CHECK_OK(gri_settings_conflict(&s, &options, &detail));
    setenv("GREENROOM_REMOTE_ALLOW", "a:1", 1);
    detail = refused(NULL, GR_EENV);
    CHECK(strstr(detail.text, "GREENROOM_REMOTE_ALLOW") && strstr(detail.text, "\"a:1\""));
    /* A long one is taken whole, and shown as far as there is room. */
    char list[GRI_SETTING_ALLOW_BYTES + 64] = "http://host";
    while (strlen(list) < 1000) strcat(list, ",http://host");
    setenv("GREENROOM_REMOTE_ALLOW", list, 1);
    CHECK_STR(load(NULL).allow_text, list);
    gr_setting_info info;
    CHECK_OK(gr_setting_read(GR_FIXED_INDEX_remote_allow, &info));
    CHECK_EQ(strlen(info.value), sizeof info.value - 1);
    CHECK_STR(info.value + strlen(info.value) - 3, "...");
    while (strlen(list) < GRI_SETTING_ALLOW_BYTES) strcat(list, ",http://host");
    setenv("GREENROOM_REMOTE_ALLOW", list, 1);
    (void)refused(NULL, GR_EENV);
    clear_environment();
}

TEST(settings, simulate_takes_any_seed)
{
    clear_environment();
    setenv("GREENROOM_SIMULATE", "18446744073709551615", 1);
    gri_settings s = load(NULL);
    CHECK_EQ(s.simulate, 1);
    CHECK(s.seed == UINT64_MAX);
    setenv("GREENROOM_SIMULATE", "18446744073709551616", 1);
    (void)refused(NULL, GR_EENV);
    setenv("GREENROOM_SIMULATE", "0", 1);
    s = load(NULL);
    CHECK_EQ(s.simulate, 1);
    CHECK(s.seed == 0);
}

TEST(settings, fixed_has_only_known_bits)
{
    clear_environment();
    gr_options options = {.fixed = UINT64_C(1) << GR_SETTING_COUNT};
    (void)refused(&options, GR_EINVAL);
}

TEST(settings, a_second_start_conflicts_only_where_it_asks)
{
    clear_environment();
    gr_detail detail;
    gr_options first = {.workers = 2, .bind = "none"};
    gri_settings running = load(&first);
    CHECK_OK(gri_settings_conflict(&running, NULL, &detail));
    CHECK_OK(gri_settings_conflict(&running, &(gr_options){0}, &detail));
    CHECK_OK(gri_settings_conflict(&running, &first, &detail));
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.workers = 3}, &detail), GR_ECONFLICT);
    CHECK_STR(detail.text, "option workers is \"3\", but the runtime is up with \"2\"");
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.bind = "core"}, &detail), GR_ECONFLICT);
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.simulate = "1"}, &detail), GR_ECONFLICT);
    CHECK_STR(detail.text, "option simulate is \"1\", but the runtime is up with \"\"");
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.workers = -3}, &detail), GR_EINVAL);
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.no_signal_handler = true}, &detail), GR_ECONFLICT);
    running.no_signal_handler = true;
    CHECK_OK(gri_settings_conflict(&running, &(gr_options){0}, &detail));

    setenv("GREENROOM_WORKERS", "5", 1);
    running = load(NULL);
    CHECK_OK(gri_settings_conflict(&running, &(gr_options){.workers = 3}, &detail));
    CHECK_EQ(gri_settings_conflict(&running, &(gr_options){.workers = 3, .fixed = GR_FIXED(workers)}, &detail),
             GR_ECONFLICT);
}

static gr_setting_info shown(size_t index)
{
    gr_setting_info info;
    CHECK_OK(gr_setting_read(index, &info));
    return info;
}

TEST(settings, read_before_and_after_start)
{
    clear_environment();
    gr_setting_info info = shown(GR_FIXED_INDEX_workers);
    CHECK_STR(info.variable, "GREENROOM_WORKERS");
    CHECK_STR(info.value, "auto");
    CHECK_STR(info.fallback, "auto");
    CHECK_STR(info.source, "default");
    setenv("GREENROOM_WORKERS", "4", 1);
    CHECK_STR(shown(GR_FIXED_INDEX_workers).value, "4");
    CHECK_STR(shown(GR_FIXED_INDEX_workers).source, "environment");
    setenv("GREENROOM_WORKERS", "many", 1);
    CHECK_STR(shown(GR_FIXED_INDEX_workers).value, "many");
    CHECK_STR(shown(GR_FIXED_INDEX_workers).source, "environment, invalid");
    unsetenv("GREENROOM_WORKERS");

    gr_options options = {.workers = 2, .guard = "protect", .simulate = "77"};
    gri_settings s = load(&options);
    gri_settings_enforce(&s);
    CHECK_STR(shown(GR_FIXED_INDEX_workers).value, "2");
    CHECK_STR(shown(GR_FIXED_INDEX_workers).source, "option");
    CHECK_STR(shown(GR_FIXED_INDEX_guard).value, "protect");
    CHECK_STR(shown(GR_FIXED_INDEX_simulate).value, "77");
    CHECK_STR(shown(GR_FIXED_INDEX_log).value, "warn");
    CHECK_STR(shown(GR_FIXED_INDEX_bind).value, "auto");
    gri_settings_enforce(NULL);
    CHECK_STR(shown(GR_FIXED_INDEX_workers).value, "auto");
    gr_setting_info unused;
    CHECK_EQ(gr_setting_read(GR_SETTING_COUNT, &unused), GR_ENOTFOUND);
}

TEST(settings, read_of_what_does_not_fit)
{
    clear_environment();
    char list[2000] = "0";
    for (unsigned i = 2; i < 400; i += 2) snprintf(list + strlen(list), sizeof list - strlen(list), ",%u", i);
    setenv("GREENROOM_BIND", list, 1);
    gr_setting_info info;
    CHECK_EQ(gr_setting_read(GR_FIXED_INDEX_bind, &info), GR_ETOOBIG);
}

/* ---- what goes to the log ---- */

static char lines[4096];

static void collect(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    CHECK_EQ(level, GR_LOG_WARN);
    CHECK(gr_address_equal(subject, GR_NO_ADDRESS));
    ++*(int *)arg;
    strncat(lines, line, sizeof lines - strlen(lines) - 2);
    strcat(lines, "\n");
}

TEST(settings, names_nobody_reads_are_warned_about)
{
    clear_environment();
    setenv("GREENROOM_WORKERS", "2", 1);
    int count = 0;
    gr_log_sink_set(collect, &count, NULL);
    gri_settings_warn();
    CHECK_EQ(count, 0);
    setenv("GREENROOM_WORKER", "2", 1);
    setenv("GREENROOM_TRACE", "x", 1);
    setenv("GREENROOM_COMPLETELY_OTHER", "x", 1);
    gri_settings_warn();
    CHECK_EQ(count, 2);
    CHECK(strstr(lines, "GREENROOM_WORKER is no setting: is GREENROOM_WORKERS meant?\n"));
    CHECK(!strstr(lines, "GREENROOM_TRACE"));
    CHECK(strstr(lines, "GREENROOM_COMPLETELY_OTHER is no setting: it has no effect\n"));
}

static void count_drop(void *arg)
{
    ++*(int *)arg;
}

static void count_line(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)level, (void)subject;
    *(int *)arg += 100;
    snprintf(lines, sizeof lines, "%s", line);
}

TEST(log, levels_sink_and_drop)
{
    int seen = 0, other = 0;
    gr_log_sink_set(count_line, &seen, count_drop);
    gr_log(GR_LOG_INFO, "not by default");
    CHECK_EQ(seen, 0);
    gr_log(GR_LOG_WARN, "a%d\nb\tc\x7f", 1);
    CHECK_EQ(seen, 100);
    CHECK_STR(lines, "a1 b c ");
    gri_log_levels_set(GRI_LOG_SETTING_DEBUG);
    gr_log(GR_LOG_DEBUG, "now");
    CHECK_EQ(seen, 200);
    gri_log_levels_set(GRI_LOG_SETTING_OFF);
    gr_log(GR_LOG_ERROR, "never");
    CHECK_EQ(seen, 200);
    gr_log_sink_set(count_line, &other, NULL);
    CHECK_EQ(seen, 201);
    gr_log_sink_set(NULL, NULL, NULL);
    CHECK_EQ(seen, 201);
}

static int pipe_end;

static void tell(const char *text)
{
    ssize_t written = write(pipe_end, text, strlen(text));
    (void)written;
}

TEST(log, a_panic_hook_hears_the_text_before_the_abort)
{
    int ends[2], status;
    CHECK_OK(pipe(ends));
    pid_t child = fork();
    if (child == 0) {
        pipe_end = ends[1];
        gr_panic_hook_set(tell);
        gri_panic("broken %d", 7);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    char heard[32] = "";
    CHECK_EQ(read(ends[0], heard, sizeof heard - 1), 8);
    CHECK_STR(heard, "broken 7");
    gr_panic_hook_set(NULL);
}
