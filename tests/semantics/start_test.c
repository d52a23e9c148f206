/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Settings at gr_start: what stops it, what a second start may ask for, what is shown while it runs, what is warned about. */
#include "support/harness.h"

static gr_setting_info shown(size_t index)
{
    gr_setting_info info;
    CHECK_OK(gr_setting_read(index, &info));
    return info;
}

TEST(start, a_bad_variable_stops_it)
{
    gr_detail detail;
    setenv("GREENROOM_SLICE_US", "fast", 1);
    CHECK_EQ(gr_start(NULL, &detail), GR_EENV);
    CHECK_STR(detail.text, "GREENROOM_SLICE_US is \"fast\": allowed is 50 to 1000000 microseconds");
    CHECK_EQ(gr_start(NULL, NULL), GR_EENV);
    CHECK_EQ(gr_stop(GR_NOW), GR_ENOTRUNNING);
    unsetenv("GREENROOM_SLICE_US");
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_stop(SOON));
}

TEST(start, a_bad_option_stops_it)
{
    gr_detail detail;
    CHECK_EQ(gr_start(&(gr_options){.workers = 5000}, &detail), GR_EINVAL);
    CHECK_STR(detail.text, "option workers is 5000: allowed is 1 to 1024, or auto");
    CHECK_EQ(gr_start(&(gr_options){.guard = "strong"}, &detail), GR_EINVAL);
    CHECK_EQ(gr_stop(GR_NOW), GR_ENOTRUNNING);
}

TEST(start, is_counted_and_conflicts_are_named)
{
    gr_detail detail;
    unsetenv("GREENROOM_SLICE_US");
    CHECK_OK(gr_start(&(gr_options){.slice_us = 700}, &detail));
    CHECK_OK(gr_start(NULL, &detail));
    CHECK_OK(gr_start(&(gr_options){.slice_us = 700}, &detail));
    CHECK_EQ(gr_start(&(gr_options){.slice_us = 800}, &detail), GR_ECONFLICT);
    CHECK_STR(detail.text, "option slice_us is \"800\", but the runtime is up with \"700\"");
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).value, "700");
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).source, "option");
    for (int i = 0; i < 3; i++) CHECK_OK(gr_stop(SOON));
    CHECK_EQ(gr_stop(SOON), GR_ENOTRUNNING);
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).value, "1000");
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).source, "default");
}

TEST(start, the_environment_wins_unless_fixed)
{
    gr_detail detail;
    setenv("GREENROOM_SLICE_US", "900", 1);
    CHECK_OK(gr_start(&(gr_options){.slice_us = 700}, &detail));
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).value, "900");
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).source, "environment");
    CHECK_OK(gr_start(&(gr_options){.slice_us = 700}, &detail)); /* overridden there, too */
    CHECK_OK(gr_stop(SOON));
    CHECK_OK(gr_stop(SOON));
    CHECK_OK(gr_start(&(gr_options){.slice_us = 700, .fixed = GR_FIXED(slice_us)}, &detail));
    CHECK_STR(shown(GR_FIXED_INDEX_slice_us).value, "700");
    CHECK_OK(gr_stop(SOON));
    unsetenv("GREENROOM_SLICE_US");
}

static int warnings;
static char last[512];

static void note(void *arg, enum gr_log_level level, gr_address subject, const char *line)
{
    (void)arg, (void)subject;
    if (level != GR_LOG_WARN || !strstr(line, "GREENROOM_")) return;
    warnings++;
    snprintf(last, sizeof last, "%s", line);
}

TEST(start, unknown_variables_are_warned_about)
{
    gr_log_sink_set(note, NULL, NULL);
    setenv("GREENROOM_STACKS_KB", "128", 1);
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_EQ(warnings, 1);
    CHECK_STR(last, "GREENROOM_STACKS_KB is no setting: is GREENROOM_STACK_KB meant?");
    CHECK_OK(gr_stop(SOON));
    unsetenv("GREENROOM_STACKS_KB");
    setenv("GREENROOM_LOG", "error", 1);
    setenv("GREENROOM_TRADE", "1", 1);
    CHECK_OK(gr_start(NULL, NULL));
    CHECK_EQ(warnings, 1); /* below the level */
    CHECK_OK(gr_stop(SOON));
    unsetenv("GREENROOM_LOG");
    unsetenv("GREENROOM_TRADE");
    gr_log_sink_set(NULL, NULL, NULL);
}
