#!/bin/sh
# Sees to it that the named Debian packages are there: installs what is missing as root, else says
# what to run. Silent, and one dpkg-query, where nothing is.
set -eu

command -v dpkg-query >/dev/null || exit 0

missing_packages() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk -v wanted="$*" '
            $1 == "installed" { there[$2] = 1 }
            END { n = split(wanted, names, " ")
                  for (i = 1; i <= n; i++) if (!(names[i] in there)) print names[i] }'
}

missing=$(missing_packages "$@")
[ -n "$missing" ] || exit 0
missing=$(printf '%s ' $missing)
if [ "$(id -u)" != 0 ]; then
    echo "run as root: apt-get install --no-install-recommends $missing" >&2
    exit 1
fi

# Several targets of make -j may come here at once: one after the other.
exec 9<"$0"
flock 9
missing=$(missing_packages "$@")
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
install_missing() {
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
}
# Package lists are fetched only where there are none, or old ones that lead nowhere.
install_missing 2>/dev/null || { apt-get update -qq && install_missing; }
