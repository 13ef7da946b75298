# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# Launching guests, and every way in which that can end. Sourced by `all`.

# The VMM must end with that status and say one line on stderr that has the words; without words, nothing.
expect() { # NAME STATUS WORDS ARGUMENT…
	name=$1 want=$2 words=$3
	shift 3
	"$VMM" "$@" >"$log" 2>"$errors" </dev/null
	got=$?
	if [ $got != "$want" ]; then
		fail_run "$where: $name" "exit status $got, not $want"
	elif [ -z "$words" ] && [ -s "$errors" ]; then
		fail_run "$where: $name" "a line on stderr"
	elif [ -n "$words" ] && ! { [ "$(wc -l <"$errors")" = 1 ] && grep -q "$words" "$errors"; }; then
		fail_run "$where: $name" "not one line with '$words'"
	else
		passed=$((passed + 1))
		echo "PASS $where: $name"
	fi
}

# A signal ends the VMM with 128 + its number. It must come while the guest runs: a job in the background starts with
# SIGINT ignored, so one that comes before the VMM has asked for it is lost. The guest's own line, through a FIFO that
# no other run has written to, says that the time has come.
expect_signalled() { # SIGNAL STATUS
	console=$scratch/console
	mkfifo "$console"
	"$VMM" run --cpus 2 --timeout 30 --append "suite=flush backend=ipi rounds=1000000" "$KERNEL" \
		>"$console" 2>"$errors" </dev/null &
	{
		while read -r line; do
			case $line in
			*'backend ipi'*) kill -"$1" $! && break ;;
			esac
		done
		cat >"$log" # to the end, or the VMM fails to write
	} <"$console"
	rm "$console"
	wait $!
	got=$?
	if [ $got = "$2" ]; then
		passed=$((passed + 1))
		echo "PASS $where: SIG$1 ends with $2"
	else
		fail_run "$where: SIG$1" "exit status $got, not $2"
	fi
}

# QEMU's SVM delivers some interrupts twice (tests/testbed/README.md).
boot=suite=boot
[ "${HF_TESTBED:-host}" = host ] || boot="$boot emulated"

launch() {
	for n in 1 4 64; do
		run_guest "$where: boot with $n vCPUs" $n ipi "$boot"
	done
	expect "a guest's panic is 4" 4 panic run --append suite=panic "$KERNEL"
	# Without a port to end by, it takes that way.
	expect "a guest's triple fault is 4" 4 'triple fault' run --append "suite=panic exit=0" "$KERNEL"
	expect "no end in time is 5" 5 'no verdict' run --cpus 2 --timeout 1 --append "suite=flush backend=ipi rounds=1000000" "$KERNEL"
	expect_signalled INT 130
	expect_signalled TERM 143
	expect "unknown option is 2" 2 option run --no-such-option "$KERNEL"
	expect "unknown backend is 2" 2 nobody run --flush nobody "$KERNEL"
	expect "no vCPUs is 2" 2 cpus run --cpus 0 "$KERNEL"
	expect "too many vCPUs is 2" 2 cpus run --cpus 100000 "$KERNEL"
	expect "a list of no interface is 2" 2 'list of ABIs' conform --abi , "$KERNEL"
	expect "a list of no check is 2" 2 'list of checks' conform --only '' "$KERNEL"
	expect "missing kernel is 2" 2 'No such file' run /no/such/kernel
	expect "malformed kernel is 2" 2 'not an ELF' run "$0"
	expect "a directory as kernel is 2" 2 'not a regular file' run /
	# Linux 6.2 and later with shadow paging loses Hyper-V flushes (docs/limits.md).
	lossy=
	[ "${HF_NPT:-1}" = 0 ] && [ "${HF_KERNEL:-}" != 6.1 ] && lossy='warning: hyperv: '
	expect "--flush hyperv is warned of where KVM loses flushes" 0 "$lossy" run --flush hyperv --append suite=boot "$KERNEL"
	expect "--flush auto is not" 0 '' run --append suite=boot "$KERNEL"
	expect "doctor finds this KVM good" 0 '' doctor
}
