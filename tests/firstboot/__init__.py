"""Tests of the agent: unittest, so that they run under the board's Python 3.6 without anything installed."""
