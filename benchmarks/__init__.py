"""What ingest takes, beside what people use instead."""
