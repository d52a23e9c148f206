# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Sourced by tools/run and tools/test: installs the Debian packages that are missing, or says which.

# packages_missing KIND...: the packages of tools/packages that one of these kinds needs and that are not installed.
packages_missing() {
    wanted=$(for kind in "$@"; do
        awk -v kind="$kind" '$1 !~ /^#/ && $2 == kind { print $1 }' "$top/tools/packages"
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
