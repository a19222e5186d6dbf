# cn-completion.bash - completion for all programs of cn-tools, from what each says of its own options (--complete).

# The rows of a program, "word<TAB>choices", are asked for once per press of the key: programs answer in a millisecond.
_cn_tools() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
	local rows option values
	# "--name=word" comes as three words
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	[[ $current == = ]] && current=
	rows=$("$program" --complete 2>/dev/null) || return
	COMPREPLY=()
	if [[ $before == --* ]]; then
		while IFS=$'\t' read -r option values; do
			[[ $option == "$before" && -n $values ]] || continue
			case $values in
			@path) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
			@value) ;;
			*) mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$current") ;;
			esac
			return
		done <<<"$rows"
	fi
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<<"$rows" | grep '^--')" -- "$current")
		return
	fi
	values=$(sed -n 's/^verb\t//p' <<<"$rows")
	if [[ -n $values && $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

complete -o filenames -F _cn_tools cn-import cn-export cn-info cn-cat cn-augment cn-embed cn-mine cn-gen cn-train cn-eval
