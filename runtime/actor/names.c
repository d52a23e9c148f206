/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What a name may look like. The rules keep names usable as paths of URLs, where "-" separates a name from what is asked of
 * it, and tell them from the text of an address. */
#include "actor/registry.h"
#include "base/error.h"
#include "message/address.h"
#include "message/utf8.h"

#include <string.h>

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

static int check_characters(const char *name, size_t bytes, gr_detail *ret_detail)
{
    const unsigned char *at = (const unsigned char *)name, *end = at + bytes;
    while (at < end) {
        unsigned length = gri_utf8_length(at, end);
        size_t offset = (size_t)(at - (const unsigned char *)name);
        if (length == 0)
            return gri_refuse(ret_detail, GR_EINVAL, "a name is UTF-8: this one is not at byte %zu", offset);
        uint32_t code_point = gri_utf8_code_point(at, length);
        if (is_control(code_point))
            return gri_refuse(ret_detail, GR_EINVAL,
                              "a name has no control characters: this one has U+%04X at byte %zu", (unsigned)code_point,
                              offset);
        at += length;
    }
    return 0;
}

static int check_segments(const char *name, gr_detail *ret_detail)
{
    for (const char *segment = name;; segment++) {
        size_t bytes = strcspn(segment, "/");
        if (bytes == 0)
            return gri_refuse(
                ret_detail, GR_EINVAL,
                "a name has no empty segments (no slash first, last or doubled): this one does at byte %zu",
                (size_t)(segment - name));
        if (bytes <= 2 && (strncmp(segment, "-", bytes) == 0 || strncmp(segment, "..", bytes) == 0))
            return gri_refuse(ret_detail, GR_EINVAL,
                              "\"%.*s\" is no segment of a name: \"-\", \".\" and \"..\" mean something in paths",
                              (int)bytes, segment);
        segment += bytes;
        if (*segment == '\0') return 0;
    }
}

int gri_name_check(const char *name, gr_detail *ret_detail)
{
    if (!name || *name == '\0') return gri_refuse(ret_detail, GR_EINVAL, "a name has at least one byte");
    size_t bytes = strnlen(name, GR_NAME_BYTES_MAX + 1);
    if (bytes > GR_NAME_BYTES_MAX)
        return gri_refuse(ret_detail, GR_EINVAL, "a name has at most %d bytes", GR_NAME_BYTES_MAX);
    int code = check_characters(name, bytes, ret_detail);
    if (code == 0) code = check_segments(name, ret_detail);
    if (code == 0 && gri_address_is_text(name, bytes))
        return gri_refuse(ret_detail, GR_EINVAL,
                          "this has the form of an address, which is looked up by itself: take another name");
    return code;
}
