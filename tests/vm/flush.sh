# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# Every backend and both controls. Sourced by `all`.

suite="suite=flush npt=${HF_NPT:-1}"

# Linux 6.2 and later with shadow paging loses Hyper-V flushes (docs/limits.md).
if [ "${HF_NPT:-1}" = 0 ] && [ "${HF_KERNEL:-}" != 6.1 ]; then
	suite="$suite deviation"
fi

# Then KVM injects every interrupt itself, and its count of them must be seen to move.
if grep -qx '[N0]' /sys/module/kvm_amd/parameters/avic /sys/module/kvm_intel/parameters/enable_apicv 2>/dev/null; then
	suite="$suite apicv=0"
fi

ring_runs() {
	run_guest "$where: ring, 4 vCPUs" 4 hyperflush "$(echo "$suite" | sed 's/suite=flush/suite=ring/')"
	run_guest "$where: ring beside Hyper-V calls, 4 vCPUs" 4 lowered "$(echo "$suite" | sed 's/suite=flush/suite=ring/') rounds=20"
}

flush_matrix() {
	for b in none kick ipi kvm hyperv xen hyperflush lowered elided; do
		run_guest "$where: $b, 4 vCPUs" 4 "$b" "$suite"
		# With nested paging a kick is an exit and every exit flushes: that one run says so.
		[ "$b" = kick ] && [ "${HF_NPT:-1}" = 1 ] && continue
		run_guest "$where: $b, 8 vCPUs" 8 "$b" "$suite rounds=10 only=targets,halted,duel"
		run_guest "$where: $b, 67 vCPUs" 67 "$b" "$suite rounds=20 only=sparse"
	done
}
