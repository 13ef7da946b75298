# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# Packages of other Debian suites than the machine's own, through a private apt configuration: mirrors, keys,
# proxies and checks are the machine's, only the suites differ. The system's own apt state stays untouched.

# Prints the URI of the machine's Debian archive, or with $1 = -security of its security archive.
apt_mirror() {
	local codename
	codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
	apt-get update --print-uris 2>/dev/null |
		sed -nE "s,^'(.*debian.*/)dists/($codename|stable|oldstable)$1/InRelease'.*,\1,p" | head -n 1
}

# Prints the keyring the machine's sources name for the mirror $1, or Debian's.
apt_keyring() {
	local file keyring
	file=$(grep -rlF -- "${1%/}" /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1)
	keyring=$(sed -n 's/^[^#]*[Ss]igned-[Bb]y[:=] *\(\/[^] ]*\).*/\1/p' "${file:-/dev/null}" | head -n 1)
	printf '%s\n' "${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}"
}

# apt_open DIR SUITE...: makes DIR a private apt configuration with the given suites and fetches their indices.
apt_open() {
	local dir=$1 suite uri
	shift
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/debs"
	chown _apt "$dir/debs" 2>/dev/null || : # apt fetches as that user when run as root
	for suite; do
		case $suite in
		*-security) uri=$(apt_mirror -security) ;;
		*) uri=$(apt_mirror '') ;;
		esac
		[ -n "$uri" ] || die "no Debian mirror for $suite among this machine's apt sources"
		printf 'deb [signed-by=%s] %s %s main\n' "$(apt_keyring "$uri")" "$uri" "$suite"
	done >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-EOF
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::Etc::SourceParts "-";
		Dir::State::Lists "$dir/lists";
		Dir::Cache "$dir/cache";
		Acquire::Languages "none";
		APT::Get::AllowUnauthenticated "false";
		APT::Update::Error-Mode "any";
	EOF
	APT_CONFIG=$dir/apt.conf apt-get -qq update >&2 ||
		die "cannot fetch the package indices of: $* (offline? a key missing from debian-archive-keyring?)"
}

# apt_show DIR PACKAGE FIELD: prints a field of the newest version of PACKAGE, which may be NAME=VERSION.
apt_show() {
	APT_CONFIG=$1/apt.conf apt-cache show --no-all-versions "$2" | sed -n "s/^$3: //p"
}

# apt_unpack DIR PACKAGE... DESTINATION: fetches the packages and unpacks them.
apt_unpack() {
	local dir=$1 destination=${*: -1} package
	for package in "${@:2:$#-2}"; do
		(cd "$dir/debs" && APT_CONFIG=$dir/apt.conf apt-get -qq download "$package") >&2 ||
			die "cannot fetch the package $package"
	done
	for package in "$dir"/debs/*.deb; do
		dpkg-deb -x "$package" "$destination" || die "cannot unpack ${package##*/}"
	done
}
