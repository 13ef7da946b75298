# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# Debian's cloud kernels: the image, a vendor's KVM module and those it needs, out of the packages.

# Prints the suites that may hold the kernel series $1.
kernel_suites() {
	case $1 in
	6.1) echo bookworm bookworm-security ;;
	6.12) echo trixie trixie-security ;;
	*) echo forky sid trixie-backports ;;
	esac
}

# kernel_package APT SERIES: prints PACKAGE=VERSION of the newest image of that series.
kernel_package() {
	local version depends
	version=$(APT_CONFIG=$1/apt.conf apt-cache madison linux-image-cloud-amd64 |
		awk -F' *[|] *' -v series="$2." 'index($2, series) == 1 { print $2; exit }')
	[ -n "$version" ] || die "no suite has a Linux $2 any more (looked in: $(kernel_suites "$2"))"
	depends=$(apt_show "$1" "linux-image-cloud-amd64=$version" Depends)
	depends=$(grep -o 'linux-image-[0-9][^ ,]*' <<<"$depends") || die "linux-image-cloud-amd64 names no image"
	printf '%s=%s\n' "$depends" "$version"
}

# kernel_parts APT PACKAGE=VERSION: prints the packages with the image and the modules: since 7.2 two of them.
kernel_parts() {
	local version=${2#*=} parts
	parts=$(apt_show "$1" "$2" Depends | grep -oE 'linux-(binary|modules)-[0-9][^ ,]*' | sort -u)
	if [ -n "$parts" ]; then
		# shellcheck disable=SC2086 # one name a line
		printf "%s=$version\n" $parts
	else
		printf '%s\n' "$2"
	fi
}

# kernel_module TREE NAME LIST: appends the module's file to LIST, after all the modules it depends on.
kernel_module() {
	local file dependency
	file=$(find "$1" -name "${2//_/[-_]}.ko" -o -name "${2//_/[-_]}.ko.xz" | head -n 1)
	[ -n "$file" ] || die "the kernel package holds no module $2"
	case $file in
	*.xz) xz -d "$file" && file=${file%.xz} ;;
	esac
	for dependency in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr , ' '); do
		kernel_module "$1" "${dependency//-/_}" "$3"
	done
	grep -qxF "$file" "$3" || printf '%s\n' "$file" >>"$3"
}

# kernel_build DIR SERIES MODULE: fills DIR with vmlinuz, version, and modules/ whose names sort in loading order.
kernel_build() {
	local dir=$1 series=$2 module=$3 apt package file n=10
	apt=$dir/apt
	note "fetching Linux $series (once)"
	# shellcheck disable=SC2046 # a list of names
	apt_open "$apt" $(kernel_suites "$series")
	package=$(kernel_package "$apt" "$series") || exit
	# shellcheck disable=SC2046 # a list of names
	apt_unpack "$apt" $(kernel_parts "$apt" "$package") "$apt/root"
	: >"$apt/modules"
	kernel_module "$apt/root" "$module" "$apt/modules"
	mkdir "$dir/modules"
	while read -r file; do
		# Bochs takes seconds to check a signature.
		[ "$module" != kvm_intel ] || strip --strip-debug "$file"
		mv "$file" "$dir/modules/$n-${file##*/}"
		n=$((n + 1))
	done <"$apt/modules"
	# In boot/ up to 6.12, beside the modules later.
	find "$apt/root" -type f -name 'vmlinuz*' -exec mv {} "$dir/vmlinuz" \;
	[ -e "$dir/vmlinuz" ] || die "the kernel package holds no image"
	printf '%s\n' "$package" >"$dir/version"
	rm -rf "$apt"
}

# kernel_get SERIES VENDOR: sets $kernel to a directory as kernel_build() makes it, for the vendor amd or intel.
kernel_get() {
	case $2 in
	amd) cached "kernel-$1" kernel_build "$1" kvm_amd ;;
	intel) cached "kernel-$1-intel" kernel_build "$1" kvm_intel ;;
	esac
	kernel=$entry
}
