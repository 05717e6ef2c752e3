"""Every file once: logs that are complete, rotated, packed."""
