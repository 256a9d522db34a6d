# Completion of mydocker's command line for fish.

function __mydocker_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    switch "$found[1]"
        case :files
            __fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current")
        case :directories
            __fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$current") ''
        case '*'
            printf '%s\n' $found
    end
end

complete -c mydocker -f -a '(__mydocker_complete)'
