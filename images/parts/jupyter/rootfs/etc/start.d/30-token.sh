# Who may come in. Whatever the source, services find the token in a private file, JUPYTER_TOKEN_FILE: a variable that
# held the token itself would reach every kernel and every `inspect`.

token_in_tmp() {
    private=/tmp/jupyter-token-$(id -u)
    rm -f "$private"
    # Most files end in a newline, which no header can carry.
    (umask 077 && set -C && tr -d '[:space:]' >"$private")
    export JUPYTER_TOKEN_FILE="$private"
}

make_token() {
    python -I -c 'import secrets; print(secrets.token_urlsafe(32))'
}

kept_token() {
    kept=$JUPYTER_STATE_DIR/token
    # A folder from elsewhere, a clone say, may bring a token that its author knows; a private file it can't bring.
    if [ -e "$kept" ] && { [ -L "$kept" ] || [ $((0$(stat -c %a "$kept") & 07)) != 0 ]; }; then
        echo "start-jupyter: $kept can be read by others and is replaced" >&2
        rm -f "$kept"
    fi
    if ! [ -s "$kept" ]; then
        (umask 077 && make_token >"$kept.new" && mv "$kept.new" "$kept")
        echo "start-jupyter: made a token, kept in $kept: $(cat "$kept")"
    fi
    if [ $((0$(stat -c %a "$kept") & 07)) != 0 ]; then
        echo "start-jupyter: WARNING: everyone who reaches this volume can read $kept: its file system keeps no modes" >&2
    fi
    token_in_tmp <"$kept"
}

if [ -n "${JUPYTERHUB_API_TOKEN:-}" ]; then
    : # The Hub says who may come in.
elif [ "${JUPYTER_AUTH:-token}" = none ]; then
    echo "start-jupyter: WARNING: JUPYTER_AUTH=none: anyone who reaches port $JUPYTER_PORT can run code here" >&2
    unset JUPYTER_TOKEN JUPYTER_TOKEN_FILE
elif [ "${JUPYTER_AUTH:-token}" != token ]; then
    fail "JUPYTER_AUTH=$JUPYTER_AUTH is not known: use token (the default) or none"
elif [ -n "${JUPYTER_TOKEN_FILE:-}" ]; then
    if ! [ -r "$JUPYTER_TOKEN_FILE" ]; then
        fail "JUPYTER_TOKEN_FILE=$JUPYTER_TOKEN_FILE can't be read by uid $(id -u): mount it, or unset the variable"
    fi
    source=$JUPYTER_TOKEN_FILE
    token_in_tmp <"$source"
    [ -s "$JUPYTER_TOKEN_FILE" ] || fail "JUPYTER_TOKEN_FILE=$source is empty: put the token into it"
elif [ -n "${JUPYTER_TOKEN:-}" ]; then
    printf %s "$JUPYTER_TOKEN" | token_in_tmp
    export JUPYTER_TOKEN_FILE="/tmp/jupyter-token-$(id -u)" # a pipe's end runs in a shell of its own
    unset JUPYTER_TOKEN
else
    kept_token
fi

# What logins are signed with.
if ! [ -s "$JUPYTER_PRIVATE_DIR/cookie_secret" ]; then
    (umask 077 && make_token >"$JUPYTER_PRIVATE_DIR/cookie_secret.new" &&
        mv "$JUPYTER_PRIVATE_DIR/cookie_secret.new" "$JUPYTER_PRIVATE_DIR/cookie_secret")
fi
