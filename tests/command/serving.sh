# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Sourced by the checks with the command's path as $1: servers in the background, requests, comparisons.
command=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/greenroom-command.XXXXXX")
server=
failed=0
unset NOTIFY_SOCKET # of whoever runs the tests: SIGHUP would be no end
cleanup() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

# missing PROGRAM: what needs it is not tested; a failure where all that tests need is installed, as tools/test does.
missing() {
    if [ -n "${TESTS_REQUIRED-}" ]; then
        echo "failed: $1 is not installed"
        failed=1
    else
        echo "skipped: $1 is not installed"
    fi
}

# equals WHAT GOT WANTED
equals() {
    [ "$2" = "$3" ] && return
    printf '%s:\n    got      %s\n    expected %s\n' "$1" "$2" "$3"
    failed=1
}

# contains WHAT GOT PART
contains() {
    case $2 in
    *"$3"*) return ;;
    esac
    printf '%s:\n    got      %s\n    expected something with %s\n' "$1" "$2" "$3"
    failed=1
}

# lacks WHAT GOT PART
lacks() {
    case $2 in
    *"$3"*)
        printf '%s:\n    got      %s\n    expected nothing with %s\n' "$1" "$2" "$3"
        failed=1
        ;;
    esac
}

# expect CODE TEXT COMMAND...: the exit code, and a text that its output contains.
expect() {
    code=$1
    text=$2
    shift 2
    got=0
    "$@" >"$work/output" 2>&1 </dev/null || got=$?
    if [ $got != "$code" ] || ! grep -qF -- "$text" "$work/output"; then
        echo "$*: exit code $got, expected $code and output with '$text':"
        sed 's/^/    /' "$work/output"
        failed=1
    fi
}

# start OPTION...: a server on a free port. Sets server (its pid), url, port; its banner and log are files in $work.
# Shells that are not interactive let background jobs ignore SIGINT and SIGQUIT: env undoes that.
start() {
    rm -f "$work/pipe"
    mkfifo "$work/pipe"
    env --default-signal "$command" serve --listen 127.0.0.1:0 "$@" >"$work/pipe" 2>"$work/log" &
    server=$!
    : >"$work/banner"
    while IFS= read -r banner_line; do
        echo "$banner_line" >>"$work/banner"
        case $banner_line in
        *"chat "*) break ;;
        esac
    done <"$work/pipe"
    url=$(sed -n 's/^greenroom [0-9.]* answers on //p' "$work/banner")
    port=${url##*:}
    if [ -z "$url" ]; then
        echo "serve $*: did not start:"
        cat "$work/log"
        exit 1
    fi
}

# stop SIGNAL CODE: ends the server and compares its exit code.
stop() {
    kill -s "$1" "$server"
    got=0
    wait "$server" || got=$?
    server=
    equals "exit code after SIG$1" "$got" "$2"
    [ "$got" = "$2" ] || cat "$work/log"
}

# api METHOD PATH [BODY]: the answer's body, with the token.
api() {
    if [ $# -gt 2 ]; then
        curl -sS -X "$1" "$url$2" -H "Authorization: Bearer $(cat "$work/token")" -d "$3"
    else
        curl -sS -X "$1" "$url$2" -H "Authorization: Bearer $(cat "$work/token")"
    fi
}

# status ARGUMENT OF CURL...: the status code only.
status() {
    curl -sS -o /dev/null -w '%{http_code}' "$@"
}

# settle: until no actor has anything to do.
settle() {
    while curl -sS "$url/?limit=1000" | grep -q '"state":"running"'; do :; done
}
