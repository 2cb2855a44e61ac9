"""Real hosts from npm against a scripted model on loopback: what each puts before its model."""
