#!/bin/sh
# Install Debian packages that some tests need. Usage: install_system_packages.sh PACKAGE ...
# Servers among them are neither started nor enabled: the tests start their own.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
run=""
[ "$(id -u)" -eq 0 ] || run="sudo"

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$run rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $run tee "$policy" > /dev/null
    $run chmod 755 "$policy"
fi
$run apt-get update -qq
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing

for package in $missing; do
    case "$package" in
        nginx* | postgresql*)
            if [ -d /run/systemd/system ]; then
                $run systemctl disable --quiet "${package%%-*}" || true
            fi
            ;;
    esac
done
