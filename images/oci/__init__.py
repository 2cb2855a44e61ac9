"""OCI image layouts and archives on disk (OCI image-spec v1.1): read, write, unpack, compare."""
