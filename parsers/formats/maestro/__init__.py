"""maestro: its log, its usage file, and the tables of its data plane."""
