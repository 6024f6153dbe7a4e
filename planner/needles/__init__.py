"""Needles station: every way in that the anatomy allows, ranked and explained."""

from planner.needles.candidate import Candidate, Check, Needle, NeedleSearch
from planner.needles.catalogue import catalogue, default_needle, needle
from planner.needles.judge import check
from planner.needles.room import Room, prepare
from planner.needles.search import search

__all__ = ["Candidate", "Check", "Needle", "NeedleSearch", "Room", "catalogue", "check", "default_needle", "needle", "prepare", "search"]
