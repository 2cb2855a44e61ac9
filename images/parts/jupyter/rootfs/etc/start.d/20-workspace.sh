# The workspace, and in it what must outlive the container: token, journals, rooms, file ids, settings of the user
# interface. The server runs no code from it, since a workspace may be a folder that a stranger wrote.

# A volume may be mounted over the home folder instead, as JupyterHub does.
[ -e "$WORKSPACE" ] || mkdir "$WORKSPACE" 2>/dev/null || :
if ! [ -w "$WORKSPACE" ] || ! [ -x "$WORKSPACE" ]; then
    owner=$(stat -c %u:%g "$WORKSPACE" 2>/dev/null) || owner=nobody
    fail "uid $(id -u) can't write $WORKSPACE, which belongs to $owner:" \
        "run with --user $owner, give the folder to $(id -u), or in Kubernetes set securityContext.fsGroup"
fi

export JUPYTER_STATE_DIR="$WORKSPACE/.jupyter"
if [ -L "$JUPYTER_STATE_DIR" ]; then
    fail "$JUPYTER_STATE_DIR is a link: remove it, the server keeps its state in a folder there"
fi
[ -d "$JUPYTER_STATE_DIR" ] || mkdir -m 0700 "$JUPYTER_STATE_DIR"
if ! [ -w "$JUPYTER_STATE_DIR" ]; then
    fail "uid $(id -u) can't write $JUPYTER_STATE_DIR, which belongs to $(stat -c %u:%g "$JUPYTER_STATE_DIR"):" \
        "give it to $(id -u), or run with that user"
fi
# git takes nothing of it, here and wherever the workspace is looked at.
(set -C && echo '*' >"$JUPYTER_STATE_DIR/.gitignore") 2>/dev/null || :
export JUPYTERLAB_SETTINGS_DIR="$JUPYTER_STATE_DIR/settings"
export JUPYTERLAB_WORKSPACES_DIR="$JUPYTER_STATE_DIR/workspaces"
