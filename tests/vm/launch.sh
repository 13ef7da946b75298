# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# Launching guests, and every way in which that can end. Sourced by `all`.

# The VMM must end with that status and say one line on stderr that has the words.
expect() { # NAME STATUS WORDS ARGUMENT…
	name=$1 want=$2 words=$3
	shift 3
	"$VMM" "$@" >"$log" 2>"$errors" </dev/null
	got=$?
	if [ $got != "$want" ]; then
		fail_run "$where: $name" "exit status $got, not $want"
	elif [ -n "$words" ] && ! { [ "$(wc -l <"$errors")" = 1 ] && grep -q "$words" "$errors"; }; then
		fail_run "$where: $name" "not one line with '$words'"
	else
		passed=$((passed + 1))
		echo "PASS $where: $name"
	fi
}

# Waits for the guest's first line, so that the signal comes while it runs.
expect_interrupted() {
	if [ "${HF_TESTBED:-}" = icount ]; then
		skip_run "$where: SIGINT" "in counting mode this did not end once, cause unknown (docs/limits.md)"
		return
	fi
	"$VMM" run --cpus 2 --timeout 60 --append "suite=flush backend=ipi rounds=1000000" "$KERNEL" \
		>"$log" 2>"$errors" </dev/null &
	until grep -q 'backend ipi' "$log" || ! kill -0 $! 2>/dev/null; do :; done
	kill -INT $!
	wait $!
	got=$?
	if [ $got = 130 ]; then
		passed=$((passed + 1))
		echo "PASS $where: SIGINT ends with 130"
	else
		fail_run "$where: SIGINT" "exit status $got, not 130"
	fi
}

launch() {
	for n in 1 4 64; do
		run_guest "$where: boot with $n vCPUs" $n ipi suite=boot
	done
	expect "a guest's panic is 4" 4 panic run --append suite=panic "$KERNEL"
	expect "no end in time is 5" 5 '' run --cpus 2 --timeout 1 --append "suite=flush backend=ipi rounds=1000000" "$KERNEL"
	expect_interrupted
	expect "unknown option is 2" 2 option run --no-such-option "$KERNEL"
	expect "unknown backend is 2" 2 nobody run --flush nobody "$KERNEL"
	expect "no vCPUs is 2" 2 cpus run --cpus 0 "$KERNEL"
	expect "too many vCPUs is 2" 2 cpus run --cpus 100000 "$KERNEL"
	expect "missing kernel is 2" 2 'No such file' run /no/such/kernel
	expect "malformed kernel is 2" 2 '' run /etc/passwd
	expect "a directory as kernel is 2" 2 '' run /
	expect "doctor finds this KVM good" 0 '' doctor
}
