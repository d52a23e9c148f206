/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What may be a name, and which words say why not. */
#include "actor/registry.h"
#include "support/test.h"

static void refused(const char *name, const char *why)
{
    gr_detail detail;
    CHECK_EQ(gri_name_check(name, &detail), GR_EINVAL);
    CHECK_STR(detail.text, why);
    CHECK_EQ(gri_name_check(name, NULL), GR_EINVAL);
}

TEST(names, good_ones)
{
    static const char *const good[] = {"a",
                                       "counter",
                                       "a/b/c",
                                       "--",
                                       "-a",
                                       "a-",
                                       "...",
                                       "..a",
                                       ".a",
                                       "a b",
                                       "%41",
                                       "A:1",
                                       "\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80",
                                       "\xc2\xa0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK_OK(gri_name_check(good[i], NULL));
}

TEST(names, length)
{
    char name[GR_NAME_BYTES_MAX + 2];
    memset(name, 'x', sizeof name - 1);
    name[GR_NAME_BYTES_MAX] = '\0';
    CHECK_OK(gri_name_check(name, NULL));
    name[GR_NAME_BYTES_MAX] = 'x', name[GR_NAME_BYTES_MAX + 1] = '\0';
    refused(name, "a name has at most 255 bytes");
    refused("", "a name has at least one byte");
    refused(NULL, "a name has at least one byte");
}

TEST(names, segments)
{
    refused("/a", "a name has no empty segments (no slash first, last or doubled): this one does at byte 0");
    refused("a/", "a name has no empty segments (no slash first, last or doubled): this one does at byte 2");
    refused("a//b", "a name has no empty segments (no slash first, last or doubled): this one does at byte 2");
    refused("/", "a name has no empty segments (no slash first, last or doubled): this one does at byte 0");
    refused("-", "\"-\" is no segment of a name: \"-\", \".\" and \"..\" mean something in paths");
    refused("a/-/b", "\"-\" is no segment of a name: \"-\", \".\" and \"..\" mean something in paths");
    refused("a/.", "\".\" is no segment of a name: \"-\", \".\" and \"..\" mean something in paths");
    refused("../a", "\"..\" is no segment of a name: \"-\", \".\" and \"..\" mean something in paths");
}

TEST(names, characters)
{
    refused("a\nb", "a name has no control characters: this one has U+000A at byte 1");
    refused("a\x7f", "a name has no control characters: this one has U+007F at byte 1");
    refused("\xc2\x80", "a name has no control characters: this one has U+0080 at byte 0");
    refused("a\xff", "a name is UTF-8: this one is not at byte 1");
    refused("\xc0\x80", "a name is UTF-8: this one is not at byte 0");
    refused("ab\xed\xa0\x80", "a name is UTF-8: this one is not at byte 2");
}

TEST(names, address_texts)
{
    char text[GR_ADDRESS_TEXT_BYTES];
    refused(gr_address_print((gr_address){7}, text),
            "this has the form of an address, which is looked up by itself: take another name");
}
