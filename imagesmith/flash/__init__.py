"""N card plans become N written and read-back cards, one thread each."""
