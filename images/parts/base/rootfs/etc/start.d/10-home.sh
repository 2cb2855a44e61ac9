# A home that can be written, whatever the uid and however read-only the root filesystem. Sourced by start-services.

if ! [ -w /tmp ]; then
    fail "uid $(id -u) can't write /tmp: mount a tmpfs there (it holds sockets and caches)"
fi

# Before HOME may change: volumes are mounted where the image says.
export WORKSPACE="${WORKSPACE:-$HOME/workspace}"

if ! [ -w "$HOME" ]; then
    home=/tmp/home-$(id -u)
    mkdir -p -m 0700 "$home"
    if ! [ -O "$home" ]; then
        fail "$home belongs to another user: give this container a /tmp of its own"
    fi
    ln -sfn "$WORKSPACE" "$home/workspace"
    export HOME="$home"
    cd "$HOME"
fi

# Programs that ask for their user's name find none for an arbitrary uid, and ssh then refuses to run. The root
# filesystem is read-only, so a library answers in place of /etc/passwd.
if ! id -un >/dev/null 2>&1; then
    names=/tmp/passwd-$(id -u)
    rm -f "$names"
    (set -C && { cat /etc/passwd && echo "user:x:$(id -u):$(id -g):Jupyter user:$HOME:/bin/bash"; } >"$names")
    export NSS_WRAPPER_PASSWD="$names" NSS_WRAPPER_GROUP=/etc/group LD_PRELOAD=libnss_wrapper.so
    export USER=user LOGNAME=user
fi
