"""Check an image by running it, in a sandbox, and ask the servers in it."""
