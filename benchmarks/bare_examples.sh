#!/usr/bin/env bash
# bare_examples.sh WORK RECIPE...: builds copies of recipes in WORK/recipes in the order given with makepkg alone, and
# installs each with pacman before the next; prints the microseconds that each makepkg took. To be run in a mount namespace
# of its own: all that pacman changes lands in a tmpfs over /usr, /etc and /var and is gone at the end.
set -euo pipefail
work=$1
shift
[[ $(readlink /proc/self/ns/mnt) != "$(readlink /proc/$PPID/ns/mnt)" ]] || {
  echo "bare_examples.sh: not in a mount namespace of its own" >&2
  exit 1
}

mkdir "$work"/{layers,packages,home}
mount -t tmpfs tmpfs "$work/layers"
for part in usr etc var; do
  mkdir -p "$work/layers/$part"/{upper,work}
  mount -t overlay overlay "/$part" \
    -o "lowerdir=/$part,upperdir=$work/layers/$part/upper,workdir=$work/layers/$part/work"
done
rm -rf /var/lib/pacman
mkdir -p /var/lib/pacman /var/cache/pacman/pkg
printf '[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n' >"$work/pacman.conf"
pacman() { command pacman --config "$work/pacman.conf" --noconfirm "$@"; }
pacman -Dk >"$work/said" 2>&1 # makes the empty database

chown -R 65534:65534 "$work"/{packages,home,recipes}
for recipe; do
  cd "$work/recipes/$recipe"
  began=$EPOCHREALTIME
  setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME="$work/home" LANG=C.UTF-8 \
    PKGDEST="$work/packages/$recipe" PKGEXT=.pkg.tar.zst \
    bash -euc 'mkdir "$PKGDEST"; exec makepkg --force' >>"$work/said" 2>&1 </dev/null || {
    cat "$work/said" >&2
    exit 1
  }
  ended=$EPOCHREALTIME
  echo "$recipe $((${ended/./} - ${began/./}))"
  pacman -U "$work/packages/$recipe"/*.pkg.tar.zst >>"$work/said" 2>&1
done
