# Packages that a person adds: an environment of their own that lies over the locked one, in the workspace's volume. The
# server itself never loads from it. JUPYTER_PACKAGES: another folder for it, or `none`.

packages_none() {
    export JUPYTER_NO_PACKAGES="$1"
    export PYTHONPATH="/usr/local/lib/no-packages${PYTHONPATH:+:$PYTHONPATH}"
    unset JUPYTER_PACKAGES_DIR VIRTUAL_ENV
    echo "start-jupyter: $1"
}

case ${JUPYTER_PACKAGES:-} in
none) packages_none "JUPYTER_PACKAGES=none: no packages can be added in this container" ;;
'' | /*)
    export JUPYTER_PACKAGES_DIR="${JUPYTER_PACKAGES:-$JUPYTER_PRIVATE_DIR/packages}"
    data=$JUPYTER_PRIVATE_DIR/jupyter
    if said=$(/opt/env/bin/python -I /usr/local/lib/user-packages/layered.py "$JUPYTER_PACKAGES_DIR" "$data" 2>&1); then
        # First the kernel that sees the packages; last what they bring for JupyterLab's pages.
        export JUPYTER_PATH="$data:/opt/env/share/jupyter:$JUPYTER_PACKAGES_DIR/share/jupyter"
        # uv links files out of its cache, which must be on the same file system.
        export UV_CACHE_DIR="${UV_CACHE_DIR:-$JUPYTER_PRIVATE_DIR/cache/uv}" PIP_DISABLE_PIP_VERSION_CHECK=1
        # Else downloads stay in memory.
        case $HOME in /tmp/*) export PIP_NO_CACHE_DIR="${PIP_NO_CACHE_DIR:-1}" ;; esac
    else
        packages_none "no packages can be added in this container: $(echo "$said" | tail -n 1)"
    fi
    ;;
*) fail "JUPYTER_PACKAGES=$JUPYTER_PACKAGES is not known: use none, or the path of a folder, or leave it out" ;;
esac
