# SPDX-License-Identifier: BSD-2-Clause
# bash completion for hikyaku: commands, verbs and options, as the command
# itself tells them.
# shellcheck shell=bash

# Words in the first column of what "hikyaku ... help" prints.
_hikyaku_words() {
	"$@" help 2>/dev/null | sed -n 's/^    \([a-z][a-z]*\) .*/\1/p'
}

_hikyaku() {
	local cur=${COMP_WORDS[COMP_CWORD]} at=1 program=${COMP_WORDS[0]}
	local command verb common
	COMPREPLY=()
	if [[ ${COMP_WORDS[1]} == -c ]]; then
		if ((COMP_CWORD == 2)); then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
		at=3
	fi
	command=${COMP_WORDS[at]} verb=${COMP_WORDS[at + 1]}
	if ((COMP_CWORD == at)); then
		mapfile -t COMPREPLY < <(compgen -W "$(_hikyaku_words \
		    "$program")" -- "$cur")
		return
	fi
	case $command in
	tenant | domain | account | group | class | admin | passwd) ;;
	mailbox | store) ;;
	*) return ;;
	esac
	if ((COMP_CWORD == at + 1)) && [[ $command != passwd ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_hikyaku_words \
		    "$program" "$command")" -- "$cur")
		return
	fi
	if [[ $command == mailbox || $command == store ]]; then
		# Addresses it does not know; directories and mboxes it does.
		case $verb in
		backup | restore | export | import)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		esac
		return
	fi
	common='--as --password-file --tenant --quiet'
	case $verb in
	show) common="$common --json" ;;
	list) common="$common --json --csv --columns --domain --role" ;;
	export) common="$common --columns --domain" ;;
	add) common="$common --ask-password --role" ;;
	delete) common="$common --days --role" ;;
	purge) common="$common --expired" ;;
	rename) common="$common --keep-old" ;;
	import) common="$common --dry-run --scheme --update-passwords" ;;
	esac
	if [[ $command == passwd ]]; then
		common="$common --cram-md5 --app --service --revoke-app"
	fi
	if [[ $verb == import && $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	case $verb in
	add | set | list | export)
		common="$common $("$program" "$command" help 2>/dev/null |
		    sed -n 's/^    \(--[a-z0-9-]*\) .*/\1/p')"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$common" -- "$cur")
}
complete -F _hikyaku hikyaku
