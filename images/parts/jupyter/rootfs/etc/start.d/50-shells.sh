# What the scripts before this one have found out, for shells that begin beside the services: terminals, `podman exec`.

if [ -n "${JUPYTER_PACKAGES_DIR:-}" ]; then
    shell_path=$JUPYTER_PACKAGES_DIR/bin:$PATH
    shell_venv=$JUPYTER_PACKAGES_DIR
else
    shell_path=$PATH
    shell_venv=
fi
settings=/tmp/workspace-$(id -u).sh
rm -f "$settings"
(
    umask 077
    PATH=$shell_path VIRTUAL_ENV=$shell_venv
    set -C
    for name in HOME PATH WORKSPACE JUPYTER_STATE_DIR JUPYTER_PRIVATE_DIR JUPYTER_PACKAGES_DIR JUPYTER_NO_PACKAGES VIRTUAL_ENV \
        JUPYTER_PATH PYTHONPATH UV_CACHE_DIR PIP_NO_CACHE_DIR PIP_DISABLE_PIP_VERSION_CHECK GIT_CONFIG_GLOBAL GIT_CONFIG_COUNT \
        GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 HISTFILE EDITOR NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP LD_PRELOAD USER LOGNAME; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || printf "export %s='%s'\n" "$name" "$(printf %s "$value" | sed "s/'/'\\\\''/g")"
    done >"$settings"
)
