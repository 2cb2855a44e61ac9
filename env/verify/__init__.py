"""Hold the locks to what they promise."""
