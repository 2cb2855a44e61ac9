# Of login shells: what /etc/start.d has found out. JupyterLab's terminals are such shells, and `podman exec ... bash -l`.
settings=/tmp/workspace-$(id -u).sh
[ ! -O "$settings" ] || . "$settings"
unset settings
