"""What the planner raises for what a person can act on. Everything else that is raised is a bug."""


class Refusal(Exception):  # noqa: N818 - it is not an error of the program
    """A sentence that names the thing, and a way out.

    >>> raise Refusal("The slices 41 and 42 are 3.1 mm apart where 1.9 mm was expected.", "Load the thin series.")
    """

    def __init__(self, sentence: str, way_out: str = "") -> None:
        super().__init__(f"{sentence} {way_out}".strip())
        self.sentence = sentence
        self.way_out = way_out
