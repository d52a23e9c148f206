/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* A request and a responder made by hand, to call an application without a server. */
#ifndef GR_TESTS_REST_FAKE_REQUEST_H
#define GR_TESTS_REST_FAKE_REQUEST_H

#include <greenroom/wsgi.h>

typedef struct fake_answer {
    gr_responder respond; /* first */
    int status;           /* 0: not answered */
    char headers[4096];   /* "Name: value\n" each */
    char body[65536];
    size_t body_bytes;
    int64_t announced;
} fake_answer;

typedef struct fake_request {
    gr_environ env;
    gr_input input;
    gr_header headers[32];
    const char *body;
} fake_request;

/* A request for http://localhost from this machine; path may carry a query. Strings must stay. */
void fake_request_init(fake_request *request, gr_self *self, const char *method, const char *path, const char *body);
void fake_request_header(fake_request *request, const char *name, const char *value);
void fake_answer_init(fake_answer *answer);
/* The value of an answer's header, in a static buffer; NULL if it is not there. */
const char *fake_answer_header(const fake_answer *answer, const char *name);
/* All of the above: returns the application's code. */
int fake_run(gr_application application, const fake_request *request, fake_answer *ret_answer);

#endif
