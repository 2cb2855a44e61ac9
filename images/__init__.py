"""What comes out: recipes, and the pure function that turns a recipe, locks and a store into an OCI image layout."""
