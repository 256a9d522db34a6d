# Completion of mydocker's command line for bash.

_mydocker() {
	local line=${COMP_LINE:0:COMP_POINT} words word found
	COMPREPLY=()
	# COMP_WORDS would be cut at every "=" and ":".
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	local current=${words[${#words[@]}-1]}
	found=$("${words[0]/#\~\//$HOME/}" __complete "${words[@]:1}" 2>/dev/null) || return
	case $found in
	:files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${current#--*=}"); return ;;
	:directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "${current#--*=}"); return ;;
	esac
	# Bash replaces what stands behind the last of its word breaks.
	local kept=${current%"${current##*[=:]}"}
	while IFS=$'\t' read -r word _; do
		[[ -n $word ]] && COMPREPLY+=("${word#"$kept"}")
	done <<<"$found"
}

complete -F _mydocker mydocker
