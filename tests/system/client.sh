# client.sh FOLDER URL REPOSITORY COMMANDS: runs COMMANDS where pacman installs into a root that is gone afterwards.
# It is made of this machine's own /usr, where pacman finds the shell for scriptlets.
set -euo pipefail
folder=$1 url=$2 repository=$3 commands=$4

mkdir -p "$folder/scratch"
mount -t tmpfs -o mode=0755 scratch "$folder/scratch"
cd "$folder/scratch"
root=$PWD/root conf=$PWD/pacman.conf cache=$PWD/cache
mkdir -p "$root"/{etc,tmp,proc,dev,usr,var/lib/pacman} upper work cache hooks
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$PWD/upper,workdir=$PWD/work" "$root/usr"
for link in bin sbin lib lib64; do
  [[ ! -e /$link ]] || ln -s "usr/$link" "$root/$link"
done
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"

export GNUPGHOME=$PWD/gnupg
mkdir -m 0700 gnupg
gpg --quiet --batch --import "$folder/key.asc"
gpg --batch --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10 ":6:"; exit }' |
  gpg --quiet --batch --import-ownertrust
gpgconf --kill all

cat >"$conf" <<CONF
[options]
RootDir = $root
DBPath = $root/var/lib/pacman
CacheDir = $cache
GPGDir = $GNUPGHOME
HookDir = $PWD/hooks
LogFile = $PWD/pacman.log
Architecture = auto
SigLevel = Required DatabaseRequired

[$repository]
Server = $url/repo/\$repo/\$arch
CONF
eval "$commands"
