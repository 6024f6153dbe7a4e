"""Views of the planner's values: slices, space, pictures for paper."""
