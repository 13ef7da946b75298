# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scripts of tests/vm, inside the test bench too (busybox sh): runs
# one guest, judges it, and keeps the tally. The caller sets VMM and KERNEL.

passed=0 failed=0 skipped=0
scratch=$(mktemp -d) || exit 1
log=$scratch/log errors=$scratch/errors
trap 'rm -rf "$scratch"' EXIT

# The guest's own totals: "# Totals: pass:N fail:N skip:N".
totals() { sed -n 's/^# Totals: pass:\([0-9]*\) fail:\([0-9]*\) skip:\([0-9]*\).*/\1 \2 \3/p' "$log" | tail -n 1; }

fail_run() { # NAME WHY
	failed=$((failed + 1))
	echo "FAIL $1: $2"
	sed 's/^/    /' "$errors" "$log"
}

skip_run() { # NAME WHY
	skipped=$((skipped + 1))
	echo "SKIP $1: $2"
}

# Judges a run that left its console in $log and its own messages in $errors.
judge() { # NAME STATUS
	# shellcheck disable=SC2046 # three words
	set -- "$1" "$2" $(totals)
	if [ "$2" = 3 ] && [ $# -eq 2 ] && grep -q 'this host lacks' "$errors"; then
		skip_run "$1" "$(grep -m 1 'this host lacks' "$errors")"
	elif [ "$2" -gt 1 ] || [ $# -ne 5 ]; then
		fail_run "$1" "exit status $2, $([ $# -eq 5 ] && echo with || echo without) totals"
	elif [ "$2" = 1 ] && [ "$4" = 0 ]; then
		fail_run "$1" "the guest reports failure, but no failed check"
	else
		passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
		if [ "$4" -gt 0 ] || [ "$2" != 0 ]; then
			echo "FAIL $1: $4 of its checks"
			sed 's/^/    /' "$log"
		else
			echo "PASS $1: $3 passed, $5 skipped"
			grep -E '^ *ok .*# SKIP' "$log" | sed 's/^ *ok [0-9]* */    /'
		fi
	fi
}

# One guest under our VMM.
run_guest() { # NAME CPUS FLUSH APPEND
	"$VMM" run --cpus "$2" --flush "$3" --timeout "${TIMEOUT:-120}" --append "$4" "$KERNEL" \
		>"$log" 2>"$errors" </dev/null
	judge "$1" $?
}

tally() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; }
