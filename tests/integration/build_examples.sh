#!/usr/bin/env bash
# build_examples.sh WORK RECIPE...: builds the copies of recipes in WORK/recipes in the order given, each as
# nobody, and installs each with pacman before the next is built. Runs in a mount namespace of its own: all that
# pacman changes lands in a tmpfs over /usr, /etc and /var and is gone at the end.
set -euo pipefail
work=$1
shift
[[ $(readlink /proc/self/ns/mnt) != "$(readlink /proc/$PPID/ns/mnt)" ]] || {
  echo "build_examples.sh: not in a mount namespace of its own" >&2
  exit 1
}

mkdir "$work"/{layers,packages,home,log}
mount -t tmpfs tmpfs "$work/layers"
for part in usr etc var; do
  mkdir -p "$work/layers/$part"/{upper,work}
  mount -t overlay overlay "/$part" \
    -o "lowerdir=/$part,upperdir=$work/layers/$part/upper,workdir=$work/layers/$part/work"
done
# The machine's own packages are not the examples' business; what the examples need they have to bring.
rm -rf /var/lib/pacman
mkdir -p /var/lib/pacman /var/cache/pacman/pkg
printf '[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n' >"$work/pacman.conf"
pacman() { command pacman --config "$work/pacman.conf" --noconfirm "$@"; }
pacman -Dk >"$work/log/pacman" 2>&1 # makes the empty database

chown 65534:65534 "$work"/{packages,home}
for recipe; do
  cd "$work/recipes/$recipe"
  setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME="$work/home" LC_ALL=C \
    PKGDEST="$work/packages/$recipe" PKGEXT=.pkg.tar.zst PACKAGER='A Builder <builder@greet.example>' \
    bash -euc 'mkdir "$PKGDEST"; exec makepkg --force' >"$work/log/$recipe" 2>&1 </dev/null || {
    cat "$work/log/$recipe" >&2
    exit 1
  }
  pacman -U "$work/packages/$recipe"/*.pkg.tar.zst >>"$work/log/pacman" 2>&1
done

# What a user would do next: use it, set it, and remove it.
cd /
pacman -Qq >"$work/installed"
{
  greet
  greet -l de Ada
  greet-today 03-14
  greet-in red
  greet --version
  sed -i 's/^name = .*/name = reader/' /etc/greet.conf
  greet
} >"$work/greetings"
cp /var/lib/greet/first-version "$work/first-version"
pacman -Rc greet-config >>"$work/log/pacman" 2>&1
find etc var/lib -maxdepth 1 -name 'greet*' >"$work/left-behind"
