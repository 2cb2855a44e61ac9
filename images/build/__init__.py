"""What is to be built: the plan, the layers, the image configuration."""
