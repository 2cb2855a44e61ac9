"""What goes into an environment: specs, locks, and the content-addressed store the locked files are fetched into."""
