# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# The host's own KVM.

# Prints kvm_amd or kvm_intel when the host's KVM can run ordinary guests; otherwise fails and prints why.
host_kvm() {
	local module
	if ! { : <>/dev/kvm; } 2>/dev/null; then
		echo "/dev/kvm cannot be opened"
		return 1
	fi
	for module in kvm_amd kvm_intel; do
		if [ -e "/sys/module/$module" ]; then
			echo "$module"
			return
		fi
	done
	echo "/dev/kvm belongs to neither kvm_amd nor kvm_intel, so ordinary guests do not run"
	return 1
}

# Prints 1 or 0: whether the module $1 uses nested paging.
host_npt() {
	case $(cat "/sys/module/$1/parameters/npt" "/sys/module/$1/parameters/ept" 2>/dev/null) in
	[Y1]*) echo 1 ;;
	*) echo 0 ;;
	esac
}

# host MODULE: runs the command here. Leaves its files in $scratch/result, its exit status in $status.
host() {
	local work=$scratch/root$workdir number=0 file
	mkdir -p "$work" "$scratch/result/out" "$scratch/result/file"
	export HF_TESTBED=host HF_NPT HF_KERNEL KVM_RUN_OUT=$scratch/result/out
	HF_NPT=$(host_npt "$1")
	HF_KERNEL=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
	SECONDS=0
	(cd "$work" && exec timeout -k 5 "$limit" "${command[@]}") </dev/null &
	child=$!
	wait "$child"
	status=$?
	child=
	# A command that outlives timeout's first signal dies of its second.
	if [ "$status" = 137 ] && [ "$SECONDS" -ge "$limit" ]; then
		status=$EXIT_TIMEOUT
	fi
	for file in "${outs[@]}"; do
		(cd "$work" && cp -a "${file%%:*}" "$scratch/result/file/$number") 2>/dev/null
		number=$((number + 1))
	done
}
