# cn-completion.bash - completion for all programs of cn-tools, from what each says of its own options (--complete).

# The options of rows, but for those that are for other methods or tasks (a third column) than the line names.
_cn_tools_options() {
	line=${COMP_WORDS[*]} awk -F '\t' '
		BEGIN { n = split(ENVIRON["line"], words, " "); for (i = 1; i <= n; i++) said[words[i]] }
		$1 == "verb" { n = split($2, verb, "|"); for (i = 1; i <= n; i++) chosen += verb[i] in said }
		/^--/ { option[++rows] = $1; n = some[rows] = split($3, of, ", "); for (i = 1; i <= n; i++) fits[rows] += of[i] in said; chosen += fits[rows] }
		END { for (i = 1; i <= rows; i++) if (!chosen || !some[i] || fits[i]) print option[i] }' <<<"$1"
}

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
		mapfile -t COMPREPLY < <(compgen -W "$(_cn_tools_options "$rows")" -- "$current")
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
