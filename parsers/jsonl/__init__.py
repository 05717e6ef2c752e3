"""JSON lines → columns, with what no column takes."""
