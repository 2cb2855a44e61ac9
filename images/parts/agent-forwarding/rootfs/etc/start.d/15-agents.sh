# The host's agents, where their sockets are mounted. Nothing here is needed to start, so nothing ends the container.

if [ -z "${SSH_AUTH_SOCK:-}" ] && [ -S /run/agents/ssh.sock ]; then
    export SSH_AUTH_SOCK=/run/agents/ssh.sock
fi
if [ -n "${SSH_AUTH_SOCK:-}" ] && ! [ -w "$SSH_AUTH_SOCK" ]; then
    echo "agent-forwarding: uid $(id -u) can't use SSH_AUTH_SOCK=$SSH_AUTH_SOCK:" \
        "mount the host's socket there, or run with the user that owns it" >&2
fi

if [ -S /run/agents/gpg.sock ]; then
    export GNUPGHOME="${GNUPGHOME:-$HOME/.gnupg}"
    (umask 077 && mkdir -p "$GNUPGHOME")
    # gpg looks for its agent here where /run/user/UID is not there.
    ln -sfn /run/agents/gpg.sock "$GNUPGHOME/S.gpg-agent"
fi
