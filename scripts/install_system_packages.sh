#!/bin/sh
# Install Debian packages that some tests need. Usage: install_system_packages.sh PACKAGE ...
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
run=""
[ "$(id -u)" -eq 0 ] || run="sudo"
$run apt-get update -qq
# The packaged PostgreSQL would start a server of its own; the tests start theirs.
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
