"""Registries (OCI distribution-spec v1.1): push, pull, credentials, signing."""
