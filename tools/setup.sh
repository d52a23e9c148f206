# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Sourced by tools/run and tools/test: installs the Debian packages that are missing, or says which; and the one package from
# npm that the dashboard's tests need.

# packages_missing KIND...: the packages of tools/packages that one of these kinds needs and that are not installed.
packages_missing() {
    wanted=$(for kind in "$@"; do
        awk -v kind="$kind" '$1 !~ /^#/ && $2 == kind { print $1, $3 }' "$top/tools/packages"
    done | while read -r package command; do
        if [ -z "$command" ] || ! command -v "$command" >/dev/null 2>&1; then echo "$package"; fi
    done)
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "$wanted"
        return
    fi
    # shellcheck disable=SC2086  # a list
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | awk '$2 == "installed" { print $1 }')
    for package in $wanted; do
        case "
$installed
" in
        *"
$package
"*) ;;
        *) echo "$package" ;;
        esac
    done
}

# packages_install YES KIND...: with YES=0, without root or sudo, or on another system it only says what is missing: exit 2.
packages_install() {
    yes=$1
    shift
    missing=$(packages_missing "$@" | tr '\n' ' ' | sed 's/ $//')
    [ -n "$missing" ] || return 0
    system=$(sed -n "s/^ID=//p" "${OS_RELEASE:-/etc/os-release}" 2>/dev/null | tr -d \")
    sudo=
    [ "$(id -u)" = 0 ] || sudo=$(command -v sudo || echo none)
    why=
    if [ "$system" != debian ]; then
        why="this system is ${system:-unknown}, not debian: install what these Debian 12 packages contain"
    elif [ "$yes" = 0 ]; then
        why="install them with: apt-get install --no-install-recommends $missing"
    elif [ "$sudo" = none ]; then
        why="neither root nor sudo here; as root: apt-get install --no-install-recommends $missing"
    fi
    if [ -n "$why" ]; then
        printf 'missing packages: %s\n%s\n' "$missing" "$why" >&2
        exit 2
    fi
    echo "installing: $missing" >&2
    # nodejs brings ca-certificates, which replaces a list of authorities that somebody made by hand, as in containers behind a
    # company's proxy: playwright_install still needs it.
    mkdir -p "$top/build"
    [ -e "$top/build/authorities.crt" ] || cp /etc/ssl/certs/ca-certificates.crt "$top/build/authorities.crt" 2>/dev/null || true
    log=$(mktemp)
    # shellcheck disable=SC2086  # lists
    if ! { $sudo apt-get -q update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        echo "installing packages failed" >&2
        exit 1
    fi
    rm -f "$log"
}

# program_unpack YES PROGRAM PACKAGE FILE: FILE of the package alone, into build/PROGRAM, where PROGRAM is not installed: to install
# the package would start a server, now and whenever this machine starts.
program_unpack() {
    folder=$top/build/$2
    if [ "$1" = 0 ] || [ -x "$folder/$4" ] || PATH=$PATH:/usr/sbin command -v "$2" >/dev/null 2>&1; then return; fi
    command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 0
    echo "unpacking: $2" >&2
    mkdir -p "$folder"
    (cd "$folder" && apt-get -q download "$3" && dpkg-deb --fsys-tarfile "$3"_*.deb | tar -x "./$4" && rm -f "$3"_*.deb) \
        >"$folder/log" 2>&1 </dev/null || echo "$2 could not be had: see $folder/log" >&2
}

# promtool_install YES: Prometheus's checker. Without it tests/metrics is content with less.
promtool_install() { program_unpack "$1" promtool prometheus usr/bin/promtool; }

# nginx_install YES: the server that stands in front of ours in tests/command/nginx_check, and beside it in tests/fuzz/differential;
# without it they are skipped. From then on it is found.
nginx_install() {
    program_unpack "$1" nginx nginx usr/sbin/nginx
    PATH=$PATH:/usr/sbin:$top/build/nginx/usr/sbin
    export PATH
}

unpack() {
    for package in "$@"; do dpkg-deb -x "$package" "$folder" || return 1; done
}

# sysroot_make YES: the arm64 libraries, into build/sysroot-aarch64: downloaded by apt with a state of its own and unpacked, so that
# the host gets no foreign architecture, no upgrade and no foreign library. The first run downloads 40 MB; needs no root.
sysroot_make() {
    folder=$top/build/sysroot-aarch64
    wanted="libc6-dev libstdc++-12-dev $(awk '$1 !~ /^#/ && $2 == "sysroot" { print $1 }' "$top/tools/packages" | tr '\n' ' ')"
    if [ "$(cat "$folder/unpacked" 2>/dev/null)" = "$wanted" ]; then return; fi
    if [ "$1" = 0 ]; then
        echo "missing: $folder, the arm64 libraries: $wanted; without --no-install this makes it" >&2
        exit 2
    fi
    echo "unpacking for arm64: $wanted" >&2
    rm -rf "$folder"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    : >"$folder/apt/status"
    cat >"$folder/apt/conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt";
END
    # shellcheck disable=SC2086  # a list
    if ! { export APT_CONFIG="$folder/apt/conf" && apt-get -q update && \
        apt-get -q -y --no-install-recommends --download-only install $wanted && unpack "$folder"/apt/archives/*.deb; } \
        >"$folder/log" 2>&1 </dev/null; then
        cat "$folder/log" >&2
        echo "unpacking the arm64 libraries failed" >&2
        exit 1
    fi
    unset APT_CONFIG
    rm -rf "$folder/apt"
    # Links that begin at the root mean this root.
    find "$folder" -type l -lname '/*' | while read -r link; do ln -snf "$folder$(readlink "$link")" "$link"; done
    echo "$wanted" >"$folder/unpacked"
}

# playwright_install YES: playwright-core as tests/dashboard/package-lock.json pins it, into build/playwright.
playwright_install() {
    folder=$top/build/playwright
    lock=$top/tests/dashboard/package-lock.json
    if [ -e "$folder/node_modules/playwright-core/package.json" ] && cmp -s "$lock" "$folder/package-lock.json"; then
        return
    fi
    if [ "$1" = 0 ]; then
        echo "missing: playwright-core, for tests/dashboard; copy its package*.json to build/playwright and run npm ci there" >&2
        exit 2
    fi
    echo "installing: playwright-core" >&2
    mkdir -p "$folder"
    cp "$top"/tests/dashboard/package*.json "$folder"
    # npm brings its own list of authorities; what this system trusts besides counts, too.
    system=$top/build/authorities.crt
    [ -e "$system" ] || system=/etc/ssl/certs/ca-certificates.crt
    [ ! -e "$system" ] || export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$system}"
    if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) >"$folder/npm.log" 2>&1 </dev/null; then
        cat "$folder/npm.log" >&2
        echo "installing playwright-core with npm failed" >&2
        exit 1
    fi
}
