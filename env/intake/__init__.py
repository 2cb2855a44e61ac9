"""Other people's projects: which of their files say what to install, read in the terms of a lock."""
