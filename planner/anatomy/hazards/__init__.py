"""What a needle must not meet outside the spine."""
