"""The walk from an MR to its anatomy."""
