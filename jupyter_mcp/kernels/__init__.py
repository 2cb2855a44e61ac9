"""Kernels: found or started, run, and their output written into cells."""
