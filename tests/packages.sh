# Install the Debian packages whose programs are missing: sh tests/packages.sh PROGRAM=PACKAGE...
# Where that is not possible it says what is missing, and the tests that need it are skipped, or with CI=true fail.
set -eu

PATH=$PATH:/usr/sbin:/usr/local/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
missing=
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    sudo=no
fi
if [ "$sudo" = no ] || ! command -v apt-get >/dev/null; then
    echo "Not installed, and not to be installed from here:$missing" >&2
    exit 0
fi

echo "Installing Debian's$missing"
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0"
{ $apt update && $apt install -y --no-install-recommends $missing; } </dev/null >&2 ||
    echo "Could not install:$missing" >&2
