# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# The conformance suite over every ABI: `hyperflush conform` is its own judge. Sourced by `all`.

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
}
