/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Remote addresses: actors of other processes, reached over HTTP by their URL.
 *
 *     gr_address there;
 *     gr_remote_address("http://10.0.0.2:7580/counter", &there, NULL);
 *     gr_cast(self, there, "{s:i}", "add", 1);                          POST   queued: never suspends
 *     gr_call(self, &reply, there, "get", gr_after_ms(500), "n");       POST
 *     gr_wait(self, there, &result, GR_FOREVER);                        GET …/-/wait
 *     gr_kill(there);                                                   DELETE queued
 *
 * The other side is a server of greenroom-rest, or of python-actors (no gr_spawn_remote and no gr_wait there: GR_EUNSUPPORTED).
 *
 * Errors are those of local calls: GR_EDEAD (no such actor, or it died), GR_EMETHOD, GR_EEXCEPTION with the report, GR_ETIMEOUT,
 * GR_EFULL (its mailbox or its server is full: 503). Besides:
 *     GR_EUNREACHABLE  there was no connection (refused, no such host, no way): nothing has happened there
 *     GR_ECLOSED       the connection was lost before the answer: it may have happened, or not
 *     GR_EDENIED       the other side wants another token (401, 403, 421), or its answer has an address that is not allowed
 *     GR_EINVAL, GR_ETOOBIG, GR_EUNSUPPORTED   it refuses the request (400 or 422, 413, 405)
 *     GR_ESYNTAX       it does not answer as a server of actors does
 *     GR_ETLS          as gr_fetch
 *
 * Casts and kills wait in a queue for their host, kills in front; a few connections to a host take from it, and what one actor
 * casts to another one there arrives in that order. A full queue (GR_REMOTE_QUEUE_MAX) is GR_EFULL. A cast is done at most once:
 * it is tried again while there is no connection, or the other side is full (after its Retry-After), for GR_REMOTE_CAST_S
 * seconds since it was sent; what is lost or refused is a dead letter (dead_letter.h), and a warning in the log says so now and then.
 * A message of {"remotecall", "method", "message", "timeout"} would be a call there: GR_EINVAL.
 *
 * What an actor asks and casts within a trace (trace.h) carries it there, as traceparent.
 *
 * Calls and waits are made by the calling actor, whose deadline and kills end them; a call that is given up may still be done
 * there. Without a deadline they last as long as the connection does; of a machine that has gone TCP says so within a minute.
 * gr_link, gr_monitor, gr_register, gr_inspect and gr_state are GR_EUNSUPPORTED for remote addresses. gr_alive says whether the
 * address leads somewhere, not whether an actor is there: gr_remote_lookup asks. Under simulation they lead over its network.
 *
 * A remote address is interned: the same URL is the same address, and compares equal, as long as it lives. It lives until
 * gr_stop, or until 16,384 others have been used (made, printed, sent to, asked) more recently; then it is dead (GR_EDEAD). Who
 * may send URLs to this process can bring that about.
 *
 * In texts for others (REST does this) addresses are URLs: gr_remote_form. What comes in becomes a remote address only if
 * GREENROOM_REMOTE_ALLOW permits it; what this process asks for by itself needs no permission. */
#ifndef GR_REMOTE_H
#define GR_REMOTE_H

#include <greenroom/call.h>
#include <greenroom/text.h>
#include <greenroom/tls.h>

GR_BEGIN_DECLS

#define GR_REMOTE_URL_BYTES 1024 /* of a URL with its NUL */
#define GR_REMOTE_QUEUE_MAX 1024 /* casts, and kills besides, that may wait for one connection to a host */
#define GR_REMOTE_CAST_S 10      /* seconds that a cast may take to leave */

/* ---- this process ---- */

typedef struct gr_remote_token {
    const char *url;   /* "http://10.0.0.2:7580": scheme, host and port of the one server it is sent to */
    const char *token; /* sent as "Authorization: Bearer TOKEN" */
} gr_remote_token;

/* Zero is the default everywhere. */
typedef struct gr_remote_options {
    /* Where others reach the server of this process (which must answer for that host), "http://10.0.0.1:7580", or with a path
     * below which it is. Local addresses in texts for others are URLs below it, and such URLs that come in are local addresses.
     * NULL: they are texts that mean nothing elsewhere. */
    const char *public_url;
    const gr_remote_token *tokens;
    size_t token_count;
    /* More of them: a line "URL TOKEN" each, lines that begin with # and empty ones do not count. A plain file of this user that
     * nobody else may read (0600). NULL: none. */
    const char *token_file;
    gr_tls *tls; /* for https, a client's; must outlive the runtime; NULL: the system's authorities are trusted */
} gr_remote_options;

/* Replaces all options by these; NULL: by the defaults. Before or after gr_start. Strings are copied. Reads the file: blocks its
 * thread. Errors: GR_EINVAL, GR_ESYSTEM (the file), GR_ENOMEM, GR_EFORKED; the detail (may be NULL) says which and what is allowed. */
GR_ANY_THREAD GR_MUST_CHECK int gr_remote_configure(const gr_remote_options *options, gr_detail *ret_detail);

/* The form of addresses in texts for other processes, for gr_parse and gr_print:
 *     printing   a remote address is its URL; a local one is a URL below the public one, if there is one
 *     parsing    a URL below the public one is the local address that it names, dead if it names none; any other URL is a remote
 *                address if GREENROOM_REMOTE_ALLOW permits it, else the whole text is refused with GR_EDENIED
 * Everything else is the text of address.h. Static.
 *
 * GREENROOM_REMOTE_ALLOW is empty (nothing is permitted), "*" (everything), or a list with commas of
 *     SCHEME://HOST[:PORT][/PATH]     "http://10.0.0.2:7580", "https://a.example/x", "http://[::1]:*"
 * A host "*.NAME" is every name that ends in .NAME; a port is the scheme's own if none is given, any if it is "*"; a path is a
 * prefix of whole segments. Hosts are compared as written and not looked up. Who may send messages to this process can make its
 * actors send to, call and kill what the list permits, in this process's name and with its token: permit servers of actors,
 * nothing else that speaks HTTP. */
GR_ANY_THREAD const gr_address_form *gr_remote_form(void);

/* ---- addresses ---- */

/* The address of a URL: http or https, host, port, and a path that names an actor; no query, fragment, user or password, no
 * empty, "-", "." or ".." segment; at most 1,023 bytes. Scheme and host in any case, escapes where they are not needed, and the
 * port that goes without saying make no difference. Nobody is asked. A URL below the public one is the local address.
 * Errors: GR_EINVAL (the detail, which may be NULL, says why), GR_ENOTRUNNING, GR_ENOMEM. */
GR_ANY_THREAD GR_MUST_CHECK int gr_remote_address(const char *url, gr_address *ret_address, gr_detail *ret_detail);

GR_ANY_THREAD bool gr_is_remote(gr_address address);

/* Writes the URL of a remote address, or of a local one below the public URL, and a NUL. Errors: GR_EDEAD (a remote one that is
 * dead), GR_ENOTFOUND (a local one, and there is no public URL; none or dead), GR_ETOOBIG. */
GR_ANY_THREAD GR_MUST_CHECK int gr_remote_url(gr_address address, char *text, size_t bytes);

/* ---- asking there ---- */

/* Asks (HEAD) whether an actor is there: 0 and its address, GR_ENOTFOUND. Errors: see above; GR_EKILLED. */
GR_SUSPENDS GR_MUST_CHECK int gr_remote_lookup(gr_self *self, const char *url, gr_address *ret_address,
                                               gr_deadline deadline);

/* gr_kill, and waits for the answer: 0 (it was killed; it may still be ending), GR_EDEAD. */
GR_SUSPENDS GR_MUST_CHECK int gr_remote_kill(gr_self *self, gr_address address, gr_deadline deadline);

/* Spawns (PUT) a behaviour of the other side under the name that the URL ends with; its arguments as format describes.
 *     int gr_spawn_remote(gr_self *self, gr_address *ret_address, const char *url, const char *behaviour, gr_deadline deadline,
 *                         const char *format, ...)
 * What ends before somebody waits for it leaves nothing behind: gr_wait is GR_EDEAD then.
 * Errors: those of gr_spawn_behaviour: GR_ENOTFOUND (it has no such behaviour), GR_ETYPE (the arguments), GR_EEXISTS (the name);
 * those above; GR_EUNSUPPORTED if the other side does not look like greenroom-rest (asked by HEAD before anything is sent:
 * python-actors would execute it). */
#define gr_spawn_remote(self, ret_address, url, behaviour, deadline, ...) \
    gr_spawn_remote_site((self), (ret_address), (url), (behaviour), (deadline), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_SUSPENDS GR_MUST_CHECK int gr_spawn_remote_site(gr_self *self, gr_address *ret_address, const char *url,
                                                   const char *behaviour, gr_deadline deadline, gr_site *site,
                                                   const char *format, ...);
GR_SUSPENDS GR_MUST_CHECK int gr_spawn_remote_value(gr_self *self, gr_address *ret_address, const char *url,
                                                    const char *behaviour, gr_value args, gr_deadline deadline);

GR_END_DECLS

#endif
