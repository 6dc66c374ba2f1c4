"""Base and recipe become a published image: plan (pure), layers, edits, block map, atomic publish."""
