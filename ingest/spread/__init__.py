"""Parts of the reading given to other processes, on this machine or others: an engine of somebody else runs them."""
