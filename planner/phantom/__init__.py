"""A parametric patient with truth: a spine from T9 to S3 as CT, CT myelogram or T2 MR, with labels, numbers and leaks."""

from planner.phantom.build import Phantom, build
from planner.phantom.example import write_example
from planner.phantom.parameters import PhantomParameters
from planner.phantom.truth import TrueForamen, TrueLead, TrueLeak, TrueLevel, TrueWindow, Truth

__all__ = [
    "Phantom", "PhantomParameters", "TrueForamen", "TrueLead", "TrueLeak", "TrueLevel", "TrueWindow", "Truth", "build", "write_example",
]
