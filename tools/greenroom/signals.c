/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "greenroom/command.h"
#include "greenroom/logger.h"

enum { WAKE = SIGUSR2 }; /* this process to its own thread; from elsewhere it is without effect */

static sigset_t waited;
static pthread_t thread;
static void (*last_act)(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t first_came = PTHREAD_COND_INITIALIZER;
static int first;          /* the ending signal, 0 before */
static bool stopping;      /* signals_stop was called */
static int64_t expires_ns; /* on CLOCK_MONOTONIC; 0: never */
static void (*list_actors)(void);
static void (*renew)(void);
static bool renews; /* constant: there is, or was, a `renew` */

static bool had_terminal; /* at the start */

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* One that controls this process, whatever it reads and writes. */
static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

void signals_block(void)
{
    had_terminal = has_terminal();
    static const int may_be_ignored[] = {SIGINT, SIGQUIT, SIGHUP};
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGCHLD);
    sigaddset(&waited, WAKE);
    for (size_t i = 0; i < sizeof may_be_ignored / sizeof *may_be_ignored; i++)
        if (!is_ignored(may_be_ignored[i])) sigaddset(&waited, may_be_ignored[i]);
    (void)pthread_sigmask(SIG_BLOCK, &waited, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    /* An inherited SIG_IGN would reap children behind our back and send no SIGCHLD. */
    (void)signal(SIGCHLD, SIG_DFL);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void reap(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
}

static void end(int number)
{
    pthread_mutex_lock(&lock);
    bool second = first != 0;
    if (!second) first = number;
    pthread_cond_broadcast(&first_came);
    pthread_mutex_unlock(&lock);
    if (!second) return;
    logger_print(GR_LOG_WARN, "SIG%s again: exiting at once", sigabbrev_np(number));
    last_act();
    _exit(EXIT_BY_SIGNAL + number);
}

/* The next signal; 0 when it is time to stop. */
static int next_signal(void)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        int64_t left = expires_ns ? expires_ns - now_ns() : INT64_C(3600) * 1000000000;
        bool stop = stopping;
        pthread_mutex_unlock(&lock);
        if (stop) return 0;
        if (left <= 0) {
            logger_print(GR_LOG_ERROR, "the drain deadline has long passed: exiting");
            last_act();
            _exit(EXIT_DEADLINE);
        }
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int number = sigtimedwait(&waited, NULL, &timeout);
        if (number > 0) return number;
    }
}

static void call(void (*const *function)(void))
{
    pthread_mutex_lock(&lock);
    if (*function) (*function)();
    pthread_mutex_unlock(&lock);
}

static void *run(void *arg)
{
    int number;
    (void)arg;
    while ((number = next_signal()) != 0) {
        switch (number) {
        case SIGCHLD: reap(); break;
        case WAKE: break;
        case SIGQUIT: call(&list_actors); break;
        case SIGHUP:
            if (renews && (!had_terminal || has_terminal()))
                call(&renew);
            else
                end(number);
            break;
        default: end(number);
        }
    }
    return NULL;
}

int signals_start(void (*list)(void), void (*renew_it)(void), void (*last)(void))
{
    list_actors = list;
    renew = renew_it;
    renews = renew_it != NULL;
    last_act = last;
    reap(); /* what a shell left to us when it became us */
    return pthread_create(&thread, NULL, run, NULL);
}

int signals_wait(void)
{
    pthread_mutex_lock(&lock);
    while (first == 0) pthread_cond_wait(&first_came, &lock);
    int number = first;
    pthread_mutex_unlock(&lock);
    return number;
}

static void wake(void)
{
    (void)pthread_kill(thread, WAKE);
}

void signals_expire(int64_t ms)
{
    pthread_mutex_lock(&lock);
    expires_ns = now_ns() + ms * 1000000;
    pthread_mutex_unlock(&lock);
    wake();
}

void signals_forbid_calls(void)
{
    pthread_mutex_lock(&lock);
    list_actors = NULL;
    renew = NULL;
    pthread_mutex_unlock(&lock);
}

void signals_stop(void)
{
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_mutex_unlock(&lock);
    wake();
    (void)pthread_join(thread, NULL);
}
