"""The first-boot agent: turns a freshly written card into a node, on the board, unattended.

Runs on Python 3.6 with the standard library alone. firstboot/README.md says what goes where.
"""
