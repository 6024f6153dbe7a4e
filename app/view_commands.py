"""The commands of the four views: presets, which view is large, measuring, what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.commands import Command

if TYPE_CHECKING:
    from app.window import Window

_VIEWS = (("axial", "Axial"), ("sagittal", "Sagittal"), ("coronal", "Coronal"), ("3d", "3D"))
_SWITCHES = ("level names", "leaks", "needles", "patch", "skin", "volume rendering")


def view_commands(window: Window) -> tuple[Command, ...]:
    """In the order of the menus."""
    from viewer.windows import presets

    def shown() -> bool:
        return window.is_ready and window.session.volume.state == "ready"

    def suits(modality: str) -> bool:
        volume = window.session.volume.value if shown() else None
        return volume is not None and volume.modality == modality

    def switch(name: str) -> None:
        window.session.show_structure(name, name in window.session.hidden)

    def switch_words(name: str) -> str:
        return f"{'Show' if window.is_ready and name in window.session.hidden else 'Hide'} {name}"

    def grid(name: str, *arguments: str) -> None:
        getattr(window.views.grid, name)(*arguments)

    return (
        *(
            Command(
                "Window preset",
                f"Window: {one.name}",
                one.key,
                lambda one=one: window.views.take_window(one.id),
                lambda one=one: suits(one.modality),
                False,
            )  # type: ignore[misc]
            for one in presets()
        ),
        *(
            Command("Views", f"{words} view large, and back", f"Ctrl+{n + 1}", lambda name=name: grid("enlarge", name), shown)  # type: ignore[misc]
            for n, (name, words) in enumerate(_VIEWS)
        ),
        Command("Views", "Standard view", "R", lambda: grid("standard_view"), shown, bound=False),
        Command("Views", "Measure a distance", "D", lambda: grid("start_tool", "distance"), shown, bound=False),
        Command("Views", "Measure an angle", "A", lambda: grid("start_tool", "angle"), shown, bound=False),
        *(
            Command("Views", f"Switch {name}", "", lambda name=name: switch(name), shown, title=lambda name=name: switch_words(name))  # type: ignore[misc]
            for name in _SWITCHES
        ),
    )
