# Sourced by the scripts beside it: where tools and built parts are kept, and how steps are announced.

# Outside the checkout, so that a fresh clone finds what an older one built.
TEMPER_CACHE="${TEMPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/temper}"
export TEMPER_CACHE

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need COMMAND HINT: ends with the hint when the command is missing.
need() { command -v "$1" >/dev/null 2>&1 || die "$1 is not on the PATH: $2"; }

# apt_install PACKAGE...: installs those that are missing; needs root or sudo only then.
apt_install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    need apt-get "install ${missing[*]} by the means of your system"
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    say "installing Debian packages: ${missing[*]}"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
