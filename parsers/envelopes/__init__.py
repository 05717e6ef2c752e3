"""Lines as a collector, a container runtime or a terminal wrapped them → the lines as they were written."""
