"""A machine on which nothing is installed, and the README's commands on it."""
