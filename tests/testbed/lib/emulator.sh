# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# The QEMU to use: the machine's own, or a newer one out of Debian's backports, unpacked in the cache.

# Before this version the CPUs of a machine that counts instructions do not take turns, and Linux hangs when it
# starts the second one.
readonly EMULATOR_MINIMUM=8.1

# emulator_build DIR: fills DIR with the backported QEMU; its libraries are those of the machine's own.
emulator_build() {
	local codename apt=$1/apt
	codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
	note "fetching a newer QEMU (once)"
	apt_open "$apt" "$codename-backports"
	apt_unpack "$apt" qemu-system-x86 qemu-system-common qemu-system-data seabios "$1"
	rm -rf "$apt"
}

# emulator_get: sets the array $emulator_command to QEMU and the options that make it find its firmware.
emulator_get() {
	local version
	version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	[ -n "$version" ] || die "QEMU is missing; run tests/testbed/setup"
	emulator_command=(qemu-system-x86_64)
	if ! printf '%s\n' "$EMULATOR_MINIMUM" "$version" | sort -CV; then
		cached qemu emulator_build
		emulator_command=("$entry/usr/bin/qemu-system-x86_64" -L "$entry/usr/share/qemu"
			-L "$entry/usr/share/seabios")
	fi
}
