# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# --stats and --trace: do they say what happened, and whom a flush waited for? Sourced by `all`.

trace=$scratch/trace
DESCHEDULED_US=1000 # of a wait, in which its target did not run: much more than a wake-up takes

# Runs a guest with both options; its own checks are other tests' business.
observed() { # SUITE [VCPUS]
	vcpus=${2:-4}
	"$VMM" run --cpus "$vcpus" --flush hyperflush --timeout "${TIMEOUT:-120}" --stats --trace "$trace" \
		--append "$1 backend=hyperflush" "$KERNEL" >"$log" 2>"$errors" </dev/null
}

counter() { awk -v name="$1" '$1 == "vmm" && $2 == name { print $3 }' "$errors"; }

lines() { grep -c "$1" "$trace"; } # grep -c prints 0 and fails when there is none

# One object a line, in an array.
array_of_lines() {
	awk 'NR == 1 { bad = $0 != "["; next }
	     last == "]" { bad = 1 }
	     { last = $0 }
	     $0 != "]" && !/^[{].*[}],?$/ { bad = 1 }
	     END { exit bad || last != "]" }' "$trace"
}

# The waits of TARGET, or of all vCPUs, in which the target was off its CPU for that long.
descheduled_waits() { # [TARGET]
	awk -v us=$DESCHEDULED_US -v target="$1" '
		/"name":"waits for vCPU/ {
			split($0, off, /"target_off_cpu_us":/)
			split($0, who, /"name":"waits for vCPU /)
			if (off[2] + 0 >= us && (target == "" || who[2] + 0 == target)) n++
		}
		END { print n + 0 }' "$trace"
}

verdict_on() { # NAME WHY-NOT; passes if there is no reason
	if [ -n "$2" ]; then
		tail -n 20 "$trace" >>"$log"
		fail_run "$1" "$2"
	else
		passed=$((passed + 1))
		echo "PASS $1"
	fi
}

equal() { # WHAT IN-THE-TRACE COUNTED
	[ "$2" = "$3" ] || echo "$1: $2 in the trace, $3 counted; "
}

# What the trace has must be what the service has counted by itself.
all_there() { # NAME
	if [ "$(sed -n 's/.*"name":"end of trace".*"lost":\([0-9]*\).*/\1/p' "$trace")" != 0 ]; then
		skip_run "$1: complete" "events were lost"
		return
	fi
	calls=$(lines '"name":"\(flush\|strong\|fence\|detach\)"')
	verdict_on "$1: complete" "$(
		array_of_lines || echo 'not an array with an object a line; '
		equal tracks "$(lines '"name":"vCPU [0-3]","host_tid"')" "$vcpus"
		equal calls "$calls" "$(counter hypercalls)"
		equal kicks "$(lines '"ph":"i".*"name":"kick"')" "$(counter kicks)"
		equal flushes "$(lines '"name":"flush on entry"')" "$(counter service_flushes)"
		equal "ends of arrows" "$(lines '"ph":"f"')" "$(lines '"ph":"s"')"
		[ "$calls" -gt 0 ] || echo 'no call: no evidence'
	)"
}

# A thread of real-time priority has the CPU of vCPU 1, and an exit of a process wants that vCPU moved.
observe_stopped() {
	name="$where: trace of a stopped vCPU"
	observed "suite=mm gup=seq only=lazy"
	all_there "$name"
	if grep -q 'SKIP a CPU that the host stops' "$log"; then
		skip_run "$name" "no right to stop a vCPU"
		return
	fi
	all=$(descheduled_waits)
	verdict_on "$name: names it, and no other" "$(
		[ "$all" -gt 0 ] || echo 'nobody was waited for; '
		[ "$all" = "$(descheduled_waits 1)" ] || echo 'another vCPU was waited for'
	)"
}

# The control: strong flushes wait too, but for vCPUs that have a CPU each. One more is for the thread that writes the
# trace: it takes longer than DESCHEDULED_US now and then, and a vCPU whose CPU it took is named, and rightly.
observe_running() {
	name="$where: trace of running vCPUs"
	observed "suite=flush rounds=20 only=shapes" 3
	all_there "$name"
	all=$(descheduled_waits) waits=$(lines '"name":"waits for vCPU')
	if [ "$(nproc)" -lt 4 ] || ! grep -q 'each on its own host CPU' "$log"; then
		skip_run "$name: none is named" "no CPU for each of 3 vCPUs, and one more"
	elif [ "$all" -gt 0 ] && [ "${HF_TESTBED:-host}" != icount ]; then
		skip_run "$name: none is named" "the host was busy"
	else
		verdict_on "$name: none is named" "$(
			[ "$waits" -gt 0 ] || echo 'no wait at all: no evidence; '
			[ "$all" = 0 ] || echo "$all waits for one that did not run"
		)"
	fi
}

# All vCPUs on one CPU of the host: whoever is waited for is off it.
observe_overcommitted() {
	name="$where: trace of 4 vCPUs on one CPU"
	all_of_vmm=$VMM
	cpu=$(taskset -c -p $$ 2>/dev/null | sed -n 's/.*: \([0-9]*\).*/\1/p')
	if [ -z "$cpu" ]; then
		skip_run "$name" "no taskset"
		return
	fi
	VMM=on_one_cpu
	observed "suite=flush rounds=5 only=shapes"
	VMM=$all_of_vmm
	all_there "$name"
	verdict_on "$name: says who was off it" "$(
		[ "$(descheduled_waits)" -gt 0 ] || echo 'nobody was; '
		if grep -q '"host_switches":"yes"' "$trace"; then
			for tid in 1 2 3 4; do
				grep -q "\"tid\":$tid,.*\"name\":\"descheduled\"" "$trace" ||
					echo "vCPU $((tid - 1)) never lost the CPU; "
			done
		fi
	)"
}

on_one_cpu() { taskset -c "$cpu" "$all_of_vmm" "$@"; }

# A guest cannot fill the disk: the trace ends, the guest does not.
observe_limit() {
	name="$where: a trace ends at its limit"
	"$VMM" run --cpus 4 --flush hyperflush --timeout "${TIMEOUT:-120}" --trace "$trace" --trace-limit 1 \
		--append "suite=flush backend=hyperflush rounds=1000 only=targets" "$KERNEL" >"$log" 2>"$errors" </dev/null
	status=$?
	verdict_on "$name" "$(
		[ $status = 0 ] || echo "status $status; "
		[ "$(wc -c <"$trace")" -le 1048576 ] || echo 'it is larger; '
		array_of_lines || echo 'it has no end; '
		grep -q 'warning: .*: ends at its limit of 1 MiB' "$errors" || echo 'nobody says so'
	)"
}

# Lines of JSON while the guest runs, and one at the end.
observe_stats() {
	name="$where: statistics as JSON"
	"$VMM" run --cpus 2 --stats=json:1 --timeout 3 --append "suite=flush backend=ipi rounds=1000000" "$KERNEL" \
		>"$log" 2>"$errors" </dev/null
	verdict_on "$name" "$(
		[ "$(grep -c '^{"ms":.*"final":false,.*}$' "$errors")" -ge 2 ] || echo 'not one a second; '
		[ "$(grep -c '^{"ms":.*"final":true,.*}$' "$errors")" = 1 ] || echo 'not one at the end'
	)"
}

observe() {
	observe_stopped
	observe_running
	observe_overcommitted
	observe_limit
	observe_stats
	expect "a trace that cannot be opened is 2" 2 'No such file' run --trace /no/such/directory/t --append suite=boot "$KERNEL"
	expect "a trace on a full disk is 3" 3 'No space left' run --trace /dev/full --append suite=boot "$KERNEL"
	expect "--stats of something else is 2" 2 'stats' run --stats=xml "$KERNEL"
	expect "a limit of nothing is 2" 2 'trace-limit' run --trace-limit 0 "$KERNEL"
}
