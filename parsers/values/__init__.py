"""Text → typed values: numbers, times, money, providers; what is never kept, and what may be shown."""
