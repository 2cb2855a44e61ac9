"""A long run of agents and browsers on one server, while kernels die, disks fill and the server is killed."""
