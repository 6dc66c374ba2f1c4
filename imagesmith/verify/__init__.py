"""Images and cards are held against what they should be. Changes nothing, mounts nothing."""
