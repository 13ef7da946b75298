# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with those who source this
# The Xen hypervisor, for a guest that is its dom0: no tools, no other kernel.

readonly XEN_SERIES=4.17

# Prints the suites that hold it.
xen_suites() {
	case $1 in
	4.17) echo bookworm bookworm-security ;;
	4.20) echo trixie trixie-security ;;
	esac
}

# xen_build DIR SERIES: fills DIR with xen, which QEMU starts by multiboot, and version.
xen_build() {
	local apt=$1/apt package=xen-hypervisor-$2-amd64
	note "fetching Xen $2 (once)"
	# shellcheck disable=SC2046 # a list of names
	apt_open "$apt" $(xen_suites "$2")
	apt_unpack "$apt" "$package" "$apt/root"
	apt_show "$apt" "$package" Version >"$1/version"
	gzip -dc "$apt/root/boot/xen-$2-amd64.gz" >"$1/xen" || die "the package $package holds no hypervisor"
	rm -rf "$apt"
}

# xen_get: sets $xen to a directory as xen_build() makes it.
xen_get() {
	cached "xen-$XEN_SERIES" xen_build "$XEN_SERIES"
	xen=$entry
}
