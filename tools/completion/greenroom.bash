# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Completion of greenroom for bash: what the command itself says (greenroom complete).
_greenroom() {
    local line word current=${COMP_LINE:0:COMP_POINT} words=() at
    # bash cuts words at '=' and ':', we do not: words as they stand in front of the cursor.
    for ((at = 1; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((at > 1)) && [[ ${#words[@]} -gt 0 && (${word:0:1} == [=:] || ${words[-1]: -1} == [=:]) && $current != *[[:space:]]"$word" ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    current=${words[-1]}
    COMPREPLY=()
    while IFS=$'\t' read -r line _; do
        case $line in
        :file) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}") ;;
        :folder) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}") ;;
        :command) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}") ;;
        *=*) COMPREPLY+=("${line#*=}") ;;
        *) COMPREPLY+=("$line") ;;
        esac
    done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null)
}
complete -F _greenroom greenroom
