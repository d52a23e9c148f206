/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "greenroom/plugins.h"

#include <dlfcn.h>
#include <errno.h>
#include <greenroom/plugin.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 64 };

static const gr_plugin *loaded[PLUGINS_MAX];
static size_t loaded_count;

GR_PRINTF(2, 3) static int refuse(gr_detail *ret_detail, const char *format, ...)
{
    va_list args;
    *ret_detail = (gr_detail){0};
    va_start(args, format);
    vsnprintf(ret_detail->text, sizeof ret_detail->text, format, args);
    va_end(args);
    return GR_EINVAL;
}

/* ---- who can write there ---- */

/* Why it is not to be trusted, or NULL. */
static const char *distrust(const struct stat *status, bool may_be_sticky)
{
    if (status->st_uid != 0 && status->st_uid != geteuid()) return "belongs to another user";
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) && !(may_be_sticky && (status->st_mode & S_ISVTX)))
        return "can be written by others";
    return NULL;
}

/* The folder and all above it. `path` is absolute and has no symbolic links. */
static int check_folder(const char *path, gr_detail *ret_detail)
{
    char part[PATH_MAX];
    struct stat status;
    snprintf(part, sizeof part, "%s", path);
    for (bool first = true;; first = false) {
        if (stat(part, &status) != 0) return refuse(ret_detail, "plugin folder %.150s: %s", part, strerror(errno));
        if (!S_ISDIR(status.st_mode)) return refuse(ret_detail, "plugin folder %.150s: is no folder", part);
        const char *why = distrust(&status, !first);
        if (why) return refuse(ret_detail, "plugin folder %.150s: %s", part, why);
        char *slash = strrchr(part, '/');
        if (slash == part && !part[1]) return 0;
        slash[slash == part] = '\0';
    }
}

/* ---- which folder ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* $XDG_DATA_HOME/greenroom/plugins; that must be absolute, says its specification. */
static bool user_folder(char path[PATH_MAX])
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    bool given = data && data[0] == '/';
    if (!given && (!home || home[0] != '/')) return false;
    int bytes = snprintf(path, PATH_MAX, "%s%s/greenroom/plugins", given ? data : home, given ? "" : "/.local/share");
    return bytes > 0 && bytes < PATH_MAX;
}

/* Beside the library this program was installed with, wherever that was moved. */
static bool system_folder(char path[PATH_MAX])
{
    char program[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", program, sizeof program - 1);
    if (bytes <= 0) return false;
    program[bytes] = '\0';
    *strrchr(program, '/') = '\0';
    int length = snprintf(path, PATH_MAX, "%s/%s", program, GREENROOM_PLUGIN_DIR);
    return length > 0 && length < PATH_MAX;
}

/* The folder's real path, checked. */
static int find_folder(const char *asked, char ret_path[PATH_MAX], gr_detail *ret_detail)
{
    char user[PATH_MAX] = "", system[PATH_MAX] = "";
    if (!asked && user_folder(user) && is_folder(user)) asked = user;
    if (!asked && system_folder(system) && is_folder(system)) asked = system;
    if (!asked)
        return refuse(ret_detail, "there is no plugin folder: neither %.90s nor %.90s; --plugin-dir names one", user,
                      system);
    if (!realpath(asked, ret_path)) return refuse(ret_detail, "plugin folder %.150s: %s", asked, strerror(errno));
    return check_folder(ret_path, ret_detail);
}

/* ---- a plugin ---- */

static bool is_name(const char *name)
{
    size_t bytes = strlen(name);
    return bytes > 0 && bytes <= NAME_BYTES_MAX && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == bytes;
}

/* The file's real path, checked. */
static int find_file(const char *folder, const char *name, char ret_path[PATH_MAX], gr_detail *ret_detail)
{
    char path[PATH_MAX];
    struct stat status;
    size_t bytes = strlen(folder);
    if (!is_name(name))
        return refuse(ret_detail, "plugin '%.70s': a name of 1 to %d letters, digits, '_', '-', '.', no path", name,
                      NAME_BYTES_MAX);
    int length = snprintf(path, sizeof path, "%s/%s.so", folder, name);
    if (length < 0 || length >= (int)sizeof path) return refuse(ret_detail, "plugin %s: the path is too long", name);
    if (!realpath(path, ret_path)) return refuse(ret_detail, "plugin %s: %.120s: %s", name, path, strerror(errno));
    if (strncmp(ret_path, folder, bytes) != 0 || ret_path[bytes] != '/' || strchr(ret_path + bytes + 1, '/'))
        return refuse(ret_detail, "plugin %s: %.70s is a link out of its folder, to %.70s", name, path, ret_path);
    if (stat(ret_path, &status) != 0) return refuse(ret_detail, "plugin %s: %s", name, strerror(errno));
    if (!S_ISREG(status.st_mode)) return refuse(ret_detail, "plugin %s: %.120s is no plain file", name, ret_path);
    const char *why = distrust(&status, false);
    return why ? refuse(ret_detail, "plugin %s: %.120s %s", name, ret_path, why) : 0;
}

/* dlerror begins with the path, which is said already. */
static const char *why_not_loaded(const char *path)
{
    const char *why = dlerror();
    size_t bytes = strlen(path);
    if (!why) return "no reason given";
    return strncmp(why, path, bytes) == 0 && strncmp(why + bytes, ": ", 2) == 0 ? why + bytes + 2 : why;
}

/* Its entry, if it is one for us. */
static int open_file(const char *name, const char *path, const gr_plugin **ret_plugin, gr_detail *ret_detail)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return refuse(ret_detail, "plugin %s: not loaded: %.160s", name, why_not_loaded(path));
    const gr_plugin *plugin = dlsym(handle, GR_PLUGIN_SYMBOL);
    if (!plugin)
        return refuse(ret_detail, "plugin %s: %.100s has no symbol %s: GR_PLUGIN is missing", name, path,
                      GR_PLUGIN_SYMBOL);
    if (plugin->abi != GR_PLUGIN_ABI) /* nothing else in there can be relied on */
        return refuse(ret_detail, "plugin %s: it was built for plugin ABI %u, this greenroom (%s) has ABI %d", name,
                      plugin->abi, gr_version(), GR_PLUGIN_ABI);
    const void *start = dlsym(handle, "gr_start");
    if (start && start != dlsym(RTLD_DEFAULT, "gr_start"))
        return refuse(ret_detail, "plugin %s: it brings a Greenroom of its own; it must link the shared library", name);
    for (size_t i = 0; i < loaded_count; i++)
        if (loaded[i] == plugin) return refuse(ret_detail, "plugin %s: it is loaded already", name);
    *ret_plugin = plugin;
    return 0;
}

static int register_all(const char *name, const gr_plugin *plugin, gr_detail *ret_detail)
{
    for (const gr_behaviour *const *at = plugin->behaviours; at && *at; at++) {
        const char *behaviour = (*at)->name ? (*at)->name : "";
        gr_detail detail = {0};
        if (strncmp(behaviour, "greenroom.", 10) == 0)
            return refuse(ret_detail, "plugin %s: behaviour %.64s: names that begin so are the runtime's own", name,
                          behaviour);
        int code = gr_behaviour_register(*at, &detail);
        if (code != 0) {
            (void)refuse(ret_detail, "plugin %s: behaviour %.64s: %.100s", name, behaviour,
                         detail.text[0] ? detail.text : gr_error_text(code));
            return code;
        }
    }
    return 0;
}

static int load(const char *folder, const char *name, gr_detail *ret_detail)
{
    char path[PATH_MAX];
    const gr_plugin *plugin = NULL;
    gr_detail detail = {0};
    int code = find_file(folder, name, path, ret_detail);
    if (code == 0) code = open_file(name, path, &plugin, ret_detail);
    if (code != 0) return code;
    if (!plugin->behaviours || !plugin->behaviours[0])
        return refuse(ret_detail, "plugin %s: it has no behaviours", name);
    if (plugin->start && plugin->start(&detail) != 0)
        return refuse(ret_detail, "plugin %s: did not start: %.160s", name,
                      detail.text[0] ? detail.text : "it does not say why");
    loaded[loaded_count++] = plugin;
    return register_all(name, plugin, ret_detail);
}

int plugins_load(const char *folder, const char *const *names, size_t count, gr_detail *ret_detail)
{
    char path[PATH_MAX];
    if (count == 0) return 0;
    int code = find_folder(folder, path, ret_detail);
    for (size_t i = 0; code == 0 && i < count; i++) code = load(path, names[i], ret_detail);
    return code;
}

void plugins_stop(void)
{
    while (loaded_count > 0) {
        const gr_plugin *plugin = loaded[--loaded_count];
        if (plugin->stop) plugin->stop();
    }
}
