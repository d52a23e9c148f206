/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Socket addresses: what is read, what is refused and with which words at which byte, and printing. */
#include "io/endpoint.h"
#include "support/test.h"

static void refused(const char *text, uint64_t byte, const char *why)
{
    gri_endpoint e;
    gr_detail detail;
    char expected[240];
    CHECK_EQ(gri_endpoint_parse(text, &e, &detail), GR_EINVAL);
    snprintf(expected, sizeof expected, "address \"%s\": %s", text ? text : "", why);
    CHECK_STR(detail.text, expected);
    CHECK_EQ(detail.byte, byte);
    CHECK_EQ(gri_endpoint_parse(text, &e, NULL), GR_EINVAL);
}

static void same(const char *text)
{
    gri_endpoint e;
    char printed[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gri_endpoint_parse(text, &e, NULL));
    gri_endpoint_print(&e, printed);
    CHECK_STR(printed, text);
}

TEST(endpoint, reads_what_it_prints)
{
    same("127.0.0.1:7580");
    same("0.0.0.0:0");
    same("255.255.255.255:65535");
    same("[::1]:80");
    same("[2001:db8::7]:1");
    same("[fe80::1%lo]:8080");
    same("unix:/run/greenroom/greenroom.sock");
    same("unix:/");
    same("unix:@greenroom");
}

TEST(endpoint, longest_unix_path)
{
    char text[5 + 108 + 1] = "unix:/";
    memset(text + 6, 'x', 106);
    text[5 + 107] = '\0';
    same(text);
    text[5 + 107] = 'x', text[5 + 108] = '\0';
    gri_endpoint e;
    gr_detail detail;
    CHECK_EQ(gri_endpoint_parse(text, &e, &detail), GR_EINVAL);
    CHECK(strstr(detail.text, "the path of a Unix socket has at most 107 bytes, this one 108"));
}

TEST(endpoint, wildcard_is_both_families)
{
    gri_endpoint e;
    char printed[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gri_endpoint_parse("*:80", &e, NULL));
    CHECK(e.wildcard);
    CHECK_EQ(gri_endpoint_port(&e), 80);
    gri_endpoint_print(&e, printed);
    CHECK_STR(printed, "[::]:80");
    gri_endpoint_to_ipv4(&e);
    CHECK_EQ(gri_endpoint_port(&e), 80);
    gri_endpoint_print(&e, printed);
    CHECK_STR(printed, "0.0.0.0:80");
    CHECK_OK(gri_endpoint_parse("[::]:80", &e, NULL));
    CHECK(!e.wildcard);
}

TEST(endpoint, mapped_ipv4_looks_like_ipv4)
{
    gri_endpoint e;
    char printed[GR_SOCKET_TEXT_BYTES];
    CHECK_OK(gri_endpoint_parse("[::ffff:10.0.0.1]:9", &e, NULL));
    gri_endpoint_print(&e, printed);
    CHECK_STR(printed, "10.0.0.1:9");
}

TEST(endpoint, says_what_is_wrong_and_where)
{
    refused("", 0, "allowed are IPv4:port, [IPv6]:port, name:port, *:port and unix:/path");
    refused(NULL, 0, "allowed are IPv4:port, [IPv6]:port, name:port, *:port and unix:/path");
    refused("7580", 0, "allowed are IPv4:port, [IPv6]:port, name:port, *:port and unix:/path");
    refused("localhost:80", 0, "this is a name; here it must be an address");
    refused("1.2.3:80", 0, "this is no IPv4 address, and no name either");
    refused("01.2.3.4.5.6.7.8.9.10:80", 0, "this is no IPv4 address, and no name either");
    refused(":80", 0, "this is no IPv4 address, and no name either");
    refused("::1:80", 0, "an IPv6 address stands in brackets: [::1]:80");
    refused("127.0.0.1:", 10, "a port is missing: digits after the last ':'");
    refused("127.0.0.1:x", 10, "a port is missing: digits after the last ':'");
    refused("127.0.0.1:80x", 12, "the port must be digits only");
    refused("127.0.0.1:65536", 10, "the port must be 0 to 65535");
    refused("127.0.0.1:99999999999", 10, "the port must be 0 to 65535");
    refused("127.0.0.1:000080", 10, "the port must be 0 to 65535");
    refused("[::1:80", 0, "the '[' is not closed");
    refused("[::1]", 5, "after ']' there must be ':' and a port");
    refused("[::1]80", 5, "after ']' there must be ':' and a port");
    refused("[::1]:", 6, "a port is missing: digits after the last ':'");
    refused("[:::1]:80", 1, "this is no IPv6 address");
    refused("[127.0.0.1]:80", 1, "this is no IPv6 address");
    refused("[fe80::1%nowhere0]:80", 9, "there is no interface of that name");
    refused("unix:", 5, "the path of a Unix socket must begin with '/', or '@' for one without a file");
    refused("unix:run/x", 5, "the path of a Unix socket must begin with '/', or '@' for one without a file");
    refused("unix:@", 6, "a name is missing after '@'");
    refused("UNIX:/run/x", 5, "a port is missing: digits after the last ':'");
}

TEST(endpoint, names_are_told_from_addresses)
{
    static const char *const names[] = {"localhost:80", "example.org.:443", "a:0",       "1a.b2:65535",
                                        "_srv._tcp:1",  "x--y:1",           "1.2.3.x:80"};
    static const char *const others[] = {"",       "localhost", "localhost:", "127.0.0.1:80", "1.2.3:80", "[::1]:80",
                                         "*:80",   ":80",       "-a:80",      "a..b:80",      ".a:80",    ".:80",
                                         "a b:80", "a:80x",     "ä:80",       "a:65536",      "unix:/x"};
    gri_name name;
    for (size_t i = 0; i < GRI_ARRAY_COUNT(names); i++) {
        CHECK(gri_name_parse(names[i], &name));
        CHECK_EQ(strlen(name.host), strcspn(names[i], ":"));
        CHECK_EQ(name.port, atoi(strchr(names[i], ':') + 1));
    }
    for (size_t i = 0; i < GRI_ARRAY_COUNT(others); i++) CHECK(!gri_name_parse(others[i], &name));
    CHECK(!gri_name_parse(NULL, &name));
}

TEST(endpoint, the_longest_name)
{
    char text[300];
    gri_name name;
    memset(text, 'x', sizeof text);
    for (size_t i = 63; i < 252; i += 64) text[i] = '.';
    strcpy(text + 252, ":80");
    CHECK(gri_name_parse(text, &name));
    memcpy(text + 252, "xx:80", 6);
    CHECK(!gri_name_parse(text, &name));
    memset(text, 'x', 64);
    strcpy(text + 64, ":80");
    CHECK(!gri_name_parse(text, &name)); /* a part of 64 */
}
