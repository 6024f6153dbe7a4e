"""How quickly and in how much memory a CT is loaded, beside the programs and libraries that a user would take instead."""
