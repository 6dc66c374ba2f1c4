"""The command line: parse, ask, call `app`, render. Holds no decision of its own."""
