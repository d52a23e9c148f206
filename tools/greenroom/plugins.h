/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Loading plugins (greenroom/plugin.h) by name. What the file system says about them is checked before anything of them runs:
 *
 *   the name      letters, digits, '_', '-', '.'; does not begin with '.'
 *   the folder    --plugin-dir, or the first that exists of $XDG_DATA_HOME/greenroom/plugins (~/.local/share/greenroom/plugins)
 *                 and the one that belongs to the installation; it and all above it belong to root or this user, and
 *                 nobody else can write them (but for folders with the sticky bit, as /tmp)
 *   the file      NAME.so in there, no symbolic link to elsewhere; a plain file with such an owner that nobody else can write
 *   the content   the entry symbol, our ABI, no library of ours of its own, behaviours that are not registered yet
 *
 * A check and a load are two steps: between them only those could change anything whom we trust. */
#ifndef GREENROOM_PLUGINS_H
#define GREENROOM_PLUGINS_H

#include <greenroom.h>

enum { PLUGINS_MAX = 64 };

/* Loads them and registers their behaviours, before gr_start; `folder` is NULL without --plugin-dir. After an error those
 * before are loaded. Errors: GR_EINVAL, GR_EEXISTS; the detail says what and why. */
int plugins_load(const char *folder, const char *const *names, size_t count, gr_detail *ret_detail);

/* After gr_stop: lets them clean up. */
void plugins_stop(void);

#endif
