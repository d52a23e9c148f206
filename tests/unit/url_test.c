/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* URLs of the HTTP client: where they lead. What is refused: tests/semantics/fetch_test.c. */
#include "io/fetch.h"
#include "support/test.h"

static void leads(const char *text, bool tls, const char *host, const char *authority, const char *address,
                  const char *target)
{
    gri_url u;
    const char *why = NULL;
    if (gri_url_parse(text, &u, &why) != 0) TEST_FAIL("%s: %s", text, why);
    CHECK_EQ(u.tls, tls);
    CHECK_STR(u.host, host);
    CHECK_STR(u.authority, authority);
    CHECK_STR(u.address, address);
    CHECK_EQ(u.target_bytes, strlen(target));
    CHECK(memcmp(u.target, target, u.target_bytes) == 0);
}

TEST(url, leads_to_host_and_target)
{
    leads("http://example.org", false, "example.org", "example.org", "example.org:80", "");
    leads("http://example.org/", false, "example.org", "example.org", "example.org:80", "/");
    leads("HTTPS://example.org/a?b#c", true, "example.org", "example.org", "example.org:443", "/a?b");
    leads("https://example.org:443/", true, "example.org", "example.org", "example.org:443", "/");
    leads("http://example.org:443/", false, "example.org", "example.org:443", "example.org:443", "/");
    leads("http://example.org:/x", false, "example.org", "example.org", "example.org:80", "/x");
    leads("http://127.0.0.1:8080?q", false, "127.0.0.1", "127.0.0.1:8080", "127.0.0.1:8080", "?q");
    leads("http://h:00800/", false, "h", "h:800", "h:800", "/");
    leads("http://h:0080/", false, "h", "h", "h:80", "/");
    leads("http://[::1]:008/", false, "::1", "[::1]:8", "[::1]:8", "/");
    leads("http://[::1]/", false, "::1", "[::1]", "[::1]:80", "/");
    leads("https://[2001:db8::1]:8443/", true, "2001:db8::1", "[2001:db8::1]:8443", "[2001:db8::1]:8443", "/");
    leads("http://a#/b", false, "a", "a", "a:80", "");
}

TEST(url, of_any_length)
{
    static char text[GRI_URL_BYTES_MAX + 2];
    gri_url u;
    const char *why = NULL;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "http://a/", 9);
    CHECK_EQ(gri_url_parse(text, &u, &why), GR_EINVAL);
    text[GRI_URL_BYTES_MAX] = '\0';
    CHECK_OK(gri_url_parse(text, &u, &why));
    memset(text + 7, 'a', 300);
    CHECK_EQ(gri_url_parse(text, &u, &why), GR_EINVAL);
    CHECK_STR(why, "the host is too long");
}
