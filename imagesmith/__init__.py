"""imagesmith: one stock image and one recipe become N verified cards."""

__version__ = "0.1.0"
