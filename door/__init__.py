"""What `./noxw` does beside nox: environments that are shared and kept, exit codes that are passed on, and help.

Only the standard library is imported here: this runs before any environment is made.
"""
