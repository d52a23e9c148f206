/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Plugins: behaviours in a shared object that a program loads when it starts, as `greenroom serve --plugin NAME` does.
 *
 *     static const gr_behaviour dice = {.name = "dice", .server = &dice_server, .text = "call roll"};
 *     static const gr_behaviour *const behaviours[] = {&dice, NULL};
 *     GR_PLUGIN(behaviours, NULL, NULL)
 *
 * built as a shared object NAME.so that links libgreenroom:
 *     cc -shared -fPIC $(pkg-config --cflags greenroom) dice.c -o dice.so $(pkg-config --libs greenroom)
 *
 * A plugin is code of the process: whoever can write it, or a folder on its way, can do whatever the process can. So greenroom
 * serve takes plugins by name from one folder, when it starts and never because of a request, and only if nobody but their
 * owner, who must be root or its own user, can write the file, the folder and those above it. A plugin stays loaded until the
 * process ends. */
#ifndef GR_PLUGIN_H
#define GR_PLUGIN_H

#include <greenroom/registry.h>
#include <greenroom/runtime.h>

GR_BEGIN_DECLS

/* Grows when a plugin built with older headers would not work any more: another layout of gr_plugin, gr_behaviour, gr_server,
 * gr_method or gr_spawn_options, or a function that is gone. One that was built for another is refused. */
#define GR_PLUGIN_ABI 1

typedef struct gr_plugin {
    uint32_t abi;                          /* GR_PLUGIN_ABI of the headers it was built with */
    const char *greenroom;                 /* their version, "0.1.0": for people */
    const gr_behaviour *const *behaviours; /* ends with NULL; their names do not begin with "greenroom." */
    /* Runs before the behaviours are registered and before gr_start, on the main thread. Not 0: the program does not start, and
     * says the detail's text. May be NULL. */
    int (*start)(gr_detail *ret_detail);
    /* Runs after gr_stop, if start returned 0, the last plugin first; not if the drain deadline cut actors off. May be NULL. */
    void (*stop)(void);
} gr_plugin;

#define GR_PLUGIN_TEXT_OF(x) #x
#define GR_PLUGIN_VERSION_OF(major, minor, patch) \
    GR_PLUGIN_TEXT_OF(major) "." GR_PLUGIN_TEXT_OF(minor) "." GR_PLUGIN_TEXT_OF(patch)

/* What a program looks for in the shared object, by the name GR_PLUGIN_SYMBOL. */
#define GR_PLUGIN_SYMBOL "gr_plugin_entry"
GR_PUBLIC extern const gr_plugin gr_plugin_entry;

/* Defines it; once in a plugin. */
#define GR_PLUGIN(behaviours, start, stop) \
    const gr_plugin gr_plugin_entry = {GR_PLUGIN_ABI, \
                                       GR_PLUGIN_VERSION_OF(GR_VERSION_MAJOR, GR_VERSION_MINOR, GR_VERSION_PATCH), \
                                       (behaviours), (start), (stop)};

GR_END_DECLS

#endif
