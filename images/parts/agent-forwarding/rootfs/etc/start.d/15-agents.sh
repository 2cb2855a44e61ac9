# The host's agents, where their sockets are mounted. Nothing here is needed to start, so nothing ends the container.

cannot_use() {
    echo "agent-forwarding: uid $(id -u) can't use $1:" \
        "mount the host's socket there, or run with the user that owns it" >&2
}

if [ -z "${SSH_AUTH_SOCK:-}" ] && [ -S /run/agents/ssh.sock ]; then
    export SSH_AUTH_SOCK=/run/agents/ssh.sock
fi
if [ -n "${SSH_AUTH_SOCK:-}" ] && ! [ -w "$SSH_AUTH_SOCK" ]; then
    cannot_use "SSH_AUTH_SOCK=$SSH_AUTH_SOCK"
fi

if [ -e /run/agents/gpg.sock ]; then
    # A runtime that finds no socket on the host mounts an empty folder that it has made.
    if ! [ -S /run/agents/gpg.sock ] || ! [ -w /run/agents/gpg.sock ]; then
        cannot_use /run/agents/gpg.sock
    fi
    export GNUPGHOME="${GNUPGHOME:-$HOME/.gnupg}"
    (umask 077 && mkdir -p "$GNUPGHOME")
    # gpg looks for its agent here where /run/user/UID is not there.
    ln -sfn /run/agents/gpg.sock "$GNUPGHOME/S.gpg-agent"
    # gpg asks the agent only for keys whose public half it has, and a container made anew has none.
    if [ -e /run/agents/gpg.pub ]; then
        said=$(gpg --batch --import /run/agents/gpg.pub 2>&1) ||
            echo "agent-forwarding: /run/agents/gpg.pub can't be imported: $(echo "$said" | tail -n 1)" >&2
    fi
fi
