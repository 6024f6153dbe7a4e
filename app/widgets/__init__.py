"""Small widgets that the panels are made of. They show values and know no case."""
