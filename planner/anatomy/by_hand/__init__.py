"""What a person changes in the anatomy."""
