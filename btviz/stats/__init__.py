"""Numbers in, numbers out: nothing here knows a data set."""
