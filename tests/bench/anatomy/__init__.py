"""How well and how fast the anatomy is found, on a cohort of phantoms and on the real scans: `python -m tests.bench.anatomy`."""
