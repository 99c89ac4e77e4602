#!/usr/bin/env bash
# Debian packages that the tests need (as root; the package index of this machine is used): Chromium for the pages,
# fonts-nanum for Korean in their pictures (a fifth of Noto's size), Redis for the appliance's processes,
# python-dbusmock (with python3-dbus and python3-gi) for the network, systemd (its analyze, no running one), nftables,
# iproute2 and dnsmasq for the files in deploy/, and what makes a fresh Debian in a folder for the package, with a
# systemd of its own.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
[ -d /usr/share/fonts/truetype/nanum ] || missing+=(fonts-nanum)
/usr/bin/python3 -c "import dbusmock" 2>/dev/null || missing+=(python3-dbusmock dbus)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v systemd-analyze >/dev/null || missing+=(systemd)
[ -x /usr/sbin/nft ] || missing+=(nftables)
[ -x /usr/sbin/dnsmasq ] || missing+=(dnsmasq-base)
command -v ip >/dev/null || missing+=(iproute2)
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian packages for the tests: ${missing[*]} …"
    apt-get update -qq
    # policy-rc.d: the tests start their own servers; installing one must not start a system service.
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.station && chmod +x /usr/sbin/policy-rc.d.station
    [ -e /usr/sbin/policy-rc.d ] || { mv /usr/sbin/policy-rc.d.station /usr/sbin/policy-rc.d; made=1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    [ -z "${made:-}" ] || rm -f /usr/sbin/policy-rc.d
    rm -f /usr/sbin/policy-rc.d.station
else
    echo "The tests need Debian packages that are not installed. Install them with:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
