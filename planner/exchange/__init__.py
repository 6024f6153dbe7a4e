"""What leaves for other programs: the files of the contract."""
