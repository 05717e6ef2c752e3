"""What is done to a warehouse that is there: compact, verify, repair, expire, reprice, status."""
