"""The slow installs, done once in the image before it is published."""
