# Starter notebooks go into a workspace that holds nothing yet. What a person deletes or changes is theirs.

if ! [ -e "$JUPYTER_STATE_DIR/seeded" ]; then
    if [ -z "$(find "$WORKSPACE" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name lost+found -print -quit)" ]; then
        # Not -p: the template's owner and read-only mode are not the person's.
        cp -n /usr/share/notebook-templates/*.ipynb "$WORKSPACE/"
        # What the first page shows; later ones show what was open.
        export JUPYTER_OPENS=getting-started.ipynb
    fi
    : >"$JUPYTER_STATE_DIR/seeded"
fi
