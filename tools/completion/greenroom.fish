# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Completion of greenroom for fish: what the command itself says (greenroom complete).
function __greenroom_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] $current 2>/dev/null)
        switch $line
            case :file
                __fish_complete_path $current
            case :folder
                __fish_complete_directories $current
            case :command
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c greenroom -f -a '(__greenroom_complete)'
