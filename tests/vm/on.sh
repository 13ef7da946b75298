# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with those who source this
# Sourced by tests/vm/on-TARGET, the runs of the guest on one hypervisor each: judges a console, keeps the tally, and
# leaves the conformance results in build/conformance/NAME.tap, from which tests/vm/conformance-table makes its table.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${BUILD:-build}
vmm=$build/vmm/hyperflush guest=$build/guest/hyperflush-guest.elf
results=$build/conformance
mkdir -p "$results" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
for part in common apt emulator xen; do
	# shellcheck source=/dev/null
	. "tests/testbed/lib/$part.sh"
done

fail_run() { # NAME WHY LOG
	failed=$((failed + 1))
	echo "FAIL $1: $2"
	tail -n 40 "$3" | sed 's/^/    /'
}

# Counts the outcomes of TAP lines: "PASSED FAILED SKIPPED DEVIATING".
outcomes() {
	awk '/^not ok .*# TODO/ { d++; next } /^not ok/ { f++; next } /^ok .*# SKIP/ { s++; next } /^ok/ { p++ }
		END { print p + 0, f + 0, s + 0, d + 0 }' "$1"
}

# What the run itself has counted, in the same form: a guest's KTAP totals, or the closing lines of `conform --tap`.
told() {
	awk '/^# Totals: / { gsub(/[a-z]*:/, ""); t = $3 " " $4 " " $5 " " $6 + 0 }
		/^# [0-9]+ deviations$/ { d = $2 }
		/^# [0-9]+ passed, / { t = $2 + 0 " " $4 + 0 " " $6 + 0 " " d + 0 }
		END { print t }' "$1"
}

# conformance NAME HYPERVISOR LOG: a console, or a report of `hyperflush conform`, of the conformance suite.
conformance() {
	local name=$1 counts
	rm -f "$results/$name.tap"
	counts=$(outcomes "$3")
	if [ "$counts" != "$(told "$3")" ]; then
		fail_run "$2: conform" "the results are not what the run has counted: $counts, $(told "$3")" "$3"
		return
	fi
	{
		echo "# hypervisor: $2"
		grep -E '^(ok|not ok|# repro:) ' "$3"
	} >"$results/$name.tap"
	# shellcheck disable=SC2086 # four words
	set -- "$2" "$3" $counts
	passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
	echo "$([ "$4" = 0 ] && echo PASS || echo FAIL) $1: conform: $3 passed, $4 failed, $5 skipped, $6 deviations"
	grep -E '^not ok' "$2" | sed 's/^/    /'
	grep -E '^ok .*# SKIP' "$2" | sed 's/.*# SKIP /    skipped: /' | sort | uniq -c
}

# flushes NAME LOG: the console of suite `flush`, whose checks are of another kind and stand in no table.
flushes() {
	local counts
	counts=$(told "$2")
	if [ -z "$counts" ] || ! grep -qE '^HF-VERDICT (pass|fail)$' "$2"; then
		fail_run "$1" "it did not come to its end" "$2"
		return
	fi
	# shellcheck disable=SC2086 # four words
	set -- "$1" "$2" $counts
	passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
	echo "$([ "$4" = 0 ] && echo PASS || echo FAIL) $1: $3 passed, $4 failed, $5 skipped"
	grep -E '^ *(not ok|ok .*# SKIP)' "$2" | sed 's/^ */    /'
}

skip_target() { # WHY
	echo "SKIP ${0##*/}: $1"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
}

tally() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
