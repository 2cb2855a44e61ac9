# A folder's .envrc is read in terminals once its owner has said `direnv allow`.
[ -z "${BASH_VERSION:-}" ] || eval "$(direnv hook bash)"
