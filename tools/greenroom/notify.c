/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "greenroom/logger.h"

static struct sockaddr_un manager;
static socklen_t manager_bytes;
static int fd = -1;          /* these three are written while there are no other threads */
static char ready_text[320]; /* written before the signal thread may read it: by notify_ready, with `lock` */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the order of what is told */
static bool stopping;

void notify_open(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name || !name[0]) return;
    size_t bytes = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || bytes >= sizeof manager.sun_path) {
        logger_print(GR_LOG_WARN,
                     "NOTIFY_SOCKET is neither a path nor an abstract name: nobody is told about the start");
        return;
    }
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, name, bytes + 1);
    /* An abstract name begins with a zero and ends where its length says. */
    manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (name[0] == '/'));
    if (name[0] == '@') manager.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) logger_print(GR_LOG_WARN, "NOTIFY_SOCKET: no socket: %s", strerror(errno));
}

void notify_close(void)
{
    if (fd >= 0) (void)close(fd);
    fd = -1;
}

bool notify_is_on(void)
{
    return fd >= 0;
}

static void tell_locked(const char *text)
{
    ssize_t sent;
    if (fd < 0 || stopping) return;
    do sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&manager, manager_bytes);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) logger_print(GR_LOG_WARN, "the service manager at NOTIFY_SOCKET: %s", strerror(errno));
}

static void tell(const char *text)
{
    pthread_mutex_lock(&lock);
    tell_locked(text);
    pthread_mutex_unlock(&lock);
}

void notify_ready(const char *address)
{
    /* A path may hold a newline: what follows would be a line of its own. */
    pthread_mutex_lock(&lock);
    snprintf(ready_text, sizeof ready_text, "READY=1\nSTATUS=Answers on %.*s\n", (int)strcspn(address, "\n"), address);
    tell_locked(ready_text);
    pthread_mutex_unlock(&lock);
}

void notify_reloading(void)
{
    char text[160];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=Reads the certificate again\n",
             (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(text);
}

void notify_reloaded(void)
{
    tell(ready_text);
}

void notify_stopping(int64_t ms_max)
{
    char text[160];
    snprintf(text, sizeof text,
             "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64 "\nSTATUS=Drains: requests and actors finish\n", ms_max * 1000);
    pthread_mutex_lock(&lock);
    tell_locked(text);
    stopping = true;
    pthread_mutex_unlock(&lock);
}
