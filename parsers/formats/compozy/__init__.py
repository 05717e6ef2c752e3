"""compozy: what its runs log, and the tables of its sessions."""
