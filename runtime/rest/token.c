/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Making, keeping and reading the token. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rest/guard.h"

int gr_rest_token_new(char ret_token[GR_REST_TOKEN_BYTES])
{
    unsigned char bits[32];
    for (size_t got = 0; got < sizeof bits;) {
        ssize_t bytes = getrandom(bits + got, sizeof bits - got, 0);
        if (bytes < 0 && errno != EINTR) return GR_ESYSTEM;
        if (bytes > 0) got += (size_t)bytes;
    }
    for (size_t i = 0; i < sizeof bits; i++) {
        ret_token[2 * i] = "0123456789abcdef"[bits[i] >> 4];
        ret_token[2 * i + 1] = "0123456789abcdef"[bits[i] & 15];
    }
    ret_token[GR_REST_TOKEN_BYTES - 1] = '\0';
    return 0;
}

static int fail(gr_detail *ret_detail, int code, const char *path, const char *why)
{
    if (ret_detail) {
        *ret_detail = (gr_detail){0};
        snprintf(ret_detail->text, sizeof ret_detail->text, "token file %.120s: %s", path, why);
    }
    return code;
}

static int make(const char *path, char ret_token[GR_REST_TOKEN_BYTES], gr_detail *ret_detail)
{
    char text[GR_REST_TOKEN_BYTES + 1];
    int code = gr_rest_token_new(ret_token);
    if (code != 0) return fail(ret_detail, code, path, "no random numbers");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(ret_detail, GR_ESYSTEM, path, strerror(errno));
    memcpy(text, ret_token, GR_REST_TOKEN_BYTES - 1);
    text[GR_REST_TOKEN_BYTES - 1] = '\n';
    bool written = write(fd, text, GR_REST_TOKEN_BYTES) == GR_REST_TOKEN_BYTES;
    int error = errno;
    if (close(fd) != 0 || !written) {
        (void)unlink(path);
        return fail(ret_detail, GR_ESYSTEM, path, strerror(error));
    }
    return 0;
}

static int read_open(int fd, const char *path, char ret_token[GR_REST_TOKEN_BYTES], gr_detail *ret_detail)
{
    char text[GR_REST_TOKEN_BYTES + 2];
    struct stat status;
    if (fstat(fd, &status) != 0) return fail(ret_detail, GR_ESYSTEM, path, strerror(errno));
    if (!S_ISREG(status.st_mode)) return fail(ret_detail, GR_EINVAL, path, "not a plain file");
    if (status.st_uid != geteuid()) return fail(ret_detail, GR_EINVAL, path, "belongs to another user");
    if (status.st_mode & 077)
        return fail(ret_detail, GR_EINVAL, path, "others may read or write it; its mode must be 0600");
    ssize_t bytes = read(fd, text, sizeof text - 1);
    if (bytes < 0) return fail(ret_detail, GR_ESYSTEM, path, strerror(errno));
    text[bytes] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (!gri_is_token(text)) return fail(ret_detail, GR_EINVAL, path, "does not hold 64 hexadecimal digits");
    memcpy(ret_token, text, GR_REST_TOKEN_BYTES);
    return 0;
}

int gr_rest_token_file(const char *path, char ret_token[GR_REST_TOKEN_BYTES], gr_detail *ret_detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) return make(path, ret_token, ret_detail);
    if (fd < 0) return fail(ret_detail, GR_ESYSTEM, path, strerror(errno));
    int code = read_open(fd, path, ret_token, ret_detail);
    (void)close(fd);
    return code;
}
