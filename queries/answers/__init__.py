"""Questions → answers: reports, SQL of one's own, what a provider's rules would have done."""
