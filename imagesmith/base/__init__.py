"""The stock image a build starts from: the stand-in we make ourselves, or a file, inspected before use."""
