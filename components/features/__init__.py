"""Image, level and text features of a backbone, and the cache that saves every forward pass done once."""
