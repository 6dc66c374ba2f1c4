#!/bin/sh
# The stock script sets clocks and fans; the stand-in has neither.
exit 0
