"""What goes into a root filesystem: Debian packages, wheels, conda packages, parts, bytecode."""
