/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include <greenroom/rest.h>

#include <sys/stat.h>
#include <unistd.h>

#include "rest/guard.h"
#include "support/test.h"

/* A path in a new directory; static. */
static const char *new_path(void)
{
    static char folder[] = "/tmp/greenroom-token-XXXXXX", path[64];
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    return path;
}

static void remove_all(const char *path)
{
    char folder[64] = "";
    memcpy(folder, path, strlen(path) - strlen("/token"));
    unlink(path);
    rmdir(folder);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs(text, file);
    fclose(file);
    CHECK_EQ(chmod(path, mode), 0);
}

TEST(token, new_ones_differ)
{
    char a[GR_REST_TOKEN_BYTES], b[GR_REST_TOKEN_BYTES];
    CHECK_OK(gr_rest_token_new(a));
    CHECK_OK(gr_rest_token_new(b));
    CHECK(gri_is_token(a));
    CHECK(strcmp(a, b) != 0);
}

TEST(token, a_file_is_made_once_and_private)
{
    const char *path = new_path();
    char a[GR_REST_TOKEN_BYTES], b[GR_REST_TOKEN_BYTES];
    struct stat status;
    CHECK_OK(gr_rest_token_file(path, a, NULL));
    CHECK_OK(gr_rest_token_file(path, b, NULL));
    CHECK_STR(a, b);
    CHECK_EQ(stat(path, &status), 0);
    CHECK_EQ(status.st_mode & 0777, 0600);
    remove_all(path);
}

TEST(token, files_that_are_not_right_are_refused)
{
    const char *path = new_path();
    char token[GR_REST_TOKEN_BYTES] = "untouched", good[GR_REST_TOKEN_BYTES];
    gr_detail detail = {0};
    CHECK_OK(gr_rest_token_new(good));

    write_file(path, good, 0644);
    CHECK_EQ(gr_rest_token_file(path, token, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "0600") && strstr(detail.text, path));
    write_file(path, "short", 0600);
    CHECK_EQ(gr_rest_token_file(path, token, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "64 hexadecimal"));
    write_file(path, "", 0600);
    CHECK_EQ(gr_rest_token_file(path, token, NULL), GR_EINVAL);
    CHECK_STR(token, "untouched");

    write_file(path, good, 0600);
    CHECK_OK(gr_rest_token_file(path, token, &detail));
    CHECK_STR(token, good);

    char link[80];
    snprintf(link, sizeof link, "%s.link", path);
    CHECK_EQ(symlink(path, link), 0);
    CHECK_EQ(gr_rest_token_file(link, token, &detail), GR_ESYSTEM);
    unlink(link);
    remove_all(path);
    CHECK_EQ(gr_rest_token_file("/nowhere/at/all", token, &detail), GR_ESYSTEM);
    CHECK_EQ(gr_rest_token_file("/tmp", token, &detail), GR_EINVAL);
}
