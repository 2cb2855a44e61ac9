# What stands for the person or is code: added packages, who one is for git, logins, which notebooks are trusted. A folder
# from elsewhere may bring all of that, so it counts only where it was made here: the sticky bit, and no access for
# others, are what no clone and no unpacked archive brings.

JUPYTER_PRIVATE_DIR=$JUPYTER_STATE_DIR/private
if ! [ -e "$JUPYTER_PRIVATE_DIR" ] && ! [ -L "$JUPYTER_PRIVATE_DIR" ]; then
    mkdir -m 0700 "$JUPYTER_PRIVATE_DIR" && chmod 1700 "$JUPYTER_PRIVATE_DIR" || :
fi
if [ -L "$JUPYTER_PRIVATE_DIR" ] || ! [ -d "$JUPYTER_PRIVATE_DIR" ] || ! [ -k "$JUPYTER_PRIVATE_DIR" ] ||
    ! [ -w "$JUPYTER_PRIVATE_DIR" ] || [ $((0$(stat -c %a "$JUPYTER_PRIVATE_DIR") & 07)) != 0 ]; then
    echo "start-jupyter: WARNING: $JUPYTER_PRIVATE_DIR was not made here, or its file system keeps no modes, so nothing" \
        "in it is used: packages, git's identity and trusted notebooks last until this container ends." \
        "Remove the folder, and the next start makes it" >&2
    JUPYTER_PRIVATE_DIR=$(mktemp -d /tmp/private.XXXXXX)
fi
export JUPYTER_PRIVATE_DIR

# A home folder that outlives the container has one's git configuration already.
if ! [ -e "$HOME/.gitconfig" ]; then
    export GIT_CONFIG_GLOBAL="${GIT_CONFIG_GLOBAL:-$JUPYTER_PRIVATE_DIR/gitconfig}"
fi
# A volume's own folder is often root's, or of a user that has no number in here, and git trusts no folder of another user.
owner=$(stat -c %u "$WORKSPACE")
if { [ "$owner" = 0 ] || [ "$owner" = "$(cat /proc/sys/kernel/overflowuid)" ]; } && ! [ -O "$WORKSPACE" ] &&
    [ -z "${GIT_CONFIG_COUNT:-}" ]; then
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$WORKSPACE"
fi
export HISTFILE="${HISTFILE:-$JUPYTER_PRIVATE_DIR/bash_history}" EDITOR="${EDITOR:-nano}"
