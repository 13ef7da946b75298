# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# What guest/mm stands on (suite `mm-boot`), and programs in ring 3 (suite `user`). Sourced by
# `all`, after mm.sh.

user_run() { # FLUSH SUITE WORDS
	if loses_flushes "$1"; then
		skip_run "$where: $2, $1" "KVM loses Hyper-V flushes here"
	else
		run_guest "$where: $2, $1${3:+, $3}" 4 "$1" "suite=$2 backend=$1 $3"
	fi
}

user_short=touch,relay,churn,pins

# With a backend that flushes nothing the suites demand to see stale translations.
user_matrix() {
	if [ "${HF_NPT:-1}" = 0 ]; then
		skip_run "$where: mm-boot, none" "control without evidence: a CPU's own flush updates the shadow tables of all"
	else
		user_run none mm-boot ""
	fi
	for b in ipi kvm hyperv hyperflush; do
		user_run "$b" mm-boot ""
	done
	user_run none user "only=relay"
	user_run ipi user "teardown=batch only=$user_short"
	user_run kvm user "walk=counter teardown=fullmm only=$user_short"
	user_run hyperv user "walk=rcu teardown=cr3ref only=$user_short"
	# Hostile programs and those with random bytes take long with shadow paging.
	if [ "${HF_NPT:-1}" = 0 ]; then
		user_run hyperflush user "walk=seq teardown=detach only=$user_short"
	else
		user_run hyperflush user "walk=seq teardown=detach"
	fi
}

user_long() {
	for b in ipi kvm hyperv xen hyperflush lowered; do
		user_run "$b" user "walk=counter teardown=detach munmap=posted"
	done
}
