# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# The conformance suite over every ABI: `hyperflush conform` is its own judge. Sourced by `all`.

# The names of a report's results, in their order.
names_of_table() { sed -nE 's/^(passed|failed|skipped|deviates) +([^ ]*).*/\2/p' "$1"; }
names_of_tap() { sed -nE 's/^(ok|not ok) [0-9]* - ([^ :]*).*/\2/p' "$1"; }
names_of_json() { sed -nE 's/^ *"check": "([^"]*)",?$/\1/p' "$1"; }

# How many results have that outcome, in each form: "passed failed skipped deviates".
tally_of_table() {
	for outcome in passed failed skipped deviates; do grep -c "^$outcome " "$1"; done | tr '\n' ' '
}
tally_of_tap() {
	grep '^ok' "$1" | grep -vc ' # SKIP '
	grep '^not ok' "$1" | grep -vc ' # TODO '
	grep -c '^ok.* # SKIP ' "$1"
	grep -c '^not ok.* # TODO ' "$1"
}
tally_of_json() {
	for outcome in passed failed skipped deviates; do grep -c "^ *\"outcome\": \"$outcome\"" "$1"; done | tr '\n' ' '
}

# The tally that a report states itself, in the same order.
stated() {
	# shellcheck disable=SC2046 # words
	set -- $(sed -nE 's/^(# )?([0-9]+) deviations$/\2/p' "$1") \
		$(sed -nE 's/^(# )?([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\2 \3 \4/p' "$1")
	echo "${2:-} ${3:-} ${4:-} ${1:-} "
}
stated_json() { for key in passed failed skipped deviates; do sed -nE "s/^ \"$key\": ([0-9]+),?$/\1/p" "$1"; done | tr '\n' ' '; }

form_is() { # WHAT CONDITION…
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $where: conform: $what"
	fi
}

same() { [ "$(echo "$1" | tr -s ' \n' ' ')" = "$(echo "$2" | tr -s ' \n' ' ')" ]; }

# --list, --tap and --json of small guests tell what the table tells. The guests may find different things; what
# they are asked may not differ. (That the JSON can be parsed, all of it, is tests/unit/test_findings.c.)
conform_forms() {
	for form in table tap json list; do
		option=
		[ $form = table ] || option=--$form
		# shellcheck disable=SC2086 # none or one word
		"$VMM" conform --abi kvm,absent $option "$KERNEL" >"$scratch/$form" 2>"$errors" </dev/null ||
			fail_run "$where: conform $option" "exit status $?"
	done
	names=$(cat "$scratch/list")
	form_is "the list is not empty" [ -n "$names" ]
	for form in table tap json; do
		form_is "--$form: other names than --list" same "$(names_of_$form "$scratch/$form")" "$names"
	done
	form_is "the table's tally" same "$(tally_of_table "$scratch/table")" "$(stated "$scratch/table")"
	form_is "--tap: the tally" same "$(tally_of_tap "$scratch/tap")" "$(stated "$scratch/tap")"
	form_is "--json: the tally" same "$(tally_of_json "$scratch/json")" "$(stated_json "$scratch/json")"
	form_is "--tap: the plan" [ "$(sed -n 's/^1\.\.//p' "$scratch/tap")" = "$(names_of_tap "$scratch/tap" | wc -l)" ]
	form_is "--abi kvm,absent: others are run" \
		[ -z "$(echo "$names" | grep -vE '^(kvm|absent)\.')" ]
}

# --list of all is what was run of all; an interface that this host lacks is one line.
conform_lists() {
	"$VMM" conform --list "$KERNEL" >"$scratch/list" 2>"$errors" </dev/null
	for abi in $(names_of_table "$log" | grep -v '\.'); do
		sed -i "/^$abi\./d" "$scratch/list"
		echo "$abi" >>"$scratch/list"
	done
	form_is "--list: other names than those that were run" \
		same "$(sort "$scratch/list")" "$(names_of_table "$log" | sort)"
}

conform() {
	"$VMM" conform "$KERNEL" >"$log" 2>"$errors" </dev/null
	got=$?
	# shellcheck disable=SC2046 # three words
	set -- $(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
	if [ $# -ne 3 ] || [ "$got" -gt 1 ] || { [ "$got" = 1 ] && [ "$2" = 0 ]; }; then
		fail_run "$where: conform" "exit status $got, $([ $# -eq 3 ] && echo with || echo without) a tally"
		return
	fi
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
	if [ "$2" -gt 0 ]; then
		echo "FAIL $where: conform: $2 of its checks"
		grep '^failed' "$log" | sed 's/^/    /'
	else
		echo "PASS $where: conform: $1 passed, $3 skipped, $(sed -n 's/ deviations$//p' "$log") deviations"
	fi
	grep -E '^(skipped|deviates)' "$log" | sed 's/^/    /'
	conform_lists
	conform_forms
}
