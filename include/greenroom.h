/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Greenroom: a work-stealing multicore actor runtime. This header is all of it but REST (greenroom/rest.h, greenroom/wsgi.h,
 * greenroom/middleware.h), plugins (greenroom/plugin.h) and the kit for tests (greenroom/test.h). */
#ifndef GREENROOM_H
#define GREENROOM_H

#include <greenroom/actor.h>
#include <greenroom/address.h>
#include <greenroom/blocking.h>
#include <greenroom/build.h>
#include <greenroom/call.h>
#include <greenroom/dead_letter.h>
#include <greenroom/error.h>
#include <greenroom/fetch.h>
#include <greenroom/io.h>
#include <greenroom/jansson.h>
#include <greenroom/link.h>
#include <greenroom/message.h>
#include <greenroom/observe.h>
#include <greenroom/pack.h>
#include <greenroom/registry.h>
#include <greenroom/remote.h>
#include <greenroom/runtime.h>
#include <greenroom/server.h>
#include <greenroom/shape.h>
#include <greenroom/signal_watch.h>
#include <greenroom/supervisor.h>
#include <greenroom/text.h>
#include <greenroom/time.h>
#include <greenroom/tls.h>
#include <greenroom/topology.h>
#include <greenroom/trace.h>
#include <greenroom/value.h>

#endif
