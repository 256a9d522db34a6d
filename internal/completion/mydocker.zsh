#compdef mydocker
# Completion of mydocker's command line for zsh.

_mydocker() {
	local -a found shown
	local line
	found=("${(@f)$("${(Q)~words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
	case $found[1] in
	:files) [[ -prefix --*= ]] && compset -P '*='; _files; return ;;
	:directories) [[ -prefix --*= ]] && compset -P '*='; _files -/; return ;;
	'') return 1 ;;
	esac
	for line in $found; do
		shown+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	_describe mydocker shown
}

if [[ $funcstack[1] == _mydocker ]]; then
	_mydocker "$@"
else
	compdef _mydocker mydocker
fi
