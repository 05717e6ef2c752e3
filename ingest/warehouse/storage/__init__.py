"""Where the bytes of a warehouse are: durable names and bytes, and locks."""
