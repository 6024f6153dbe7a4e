"""The commands of the four views: presets, which view is large, measuring, what is shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.commands import Command

if TYPE_CHECKING:
    from app.window import Window

_VIEWS = (("axial", "Axial"), ("sagittal", "Sagittal"), ("coronal", "Coronal"), ("3d", "3D"))
_SWITCHES = ("level names", "leaks", "needles", "patch", "skin", "canal wall", "compartments", "volume rendering")


def view_commands(window: Window) -> tuple[Command, ...]:
    """In the order of the menus."""
    if window.is_ready:
        from viewer.windows import presets

        known = presets()
    else:
        known = ()  # numpy is behind them: not before the first paint

    def shown() -> bool:
        return window.is_ready and window.session.volume_in_sight is not None

    def fused() -> bool:
        return shown() and window.session.second.decided is not None and window.session.second.loaded.state == "ready"

    def take_window(identifier: str) -> None:
        window.views.take_window(identifier)

    def suits(modality: str) -> bool:
        volume = window.session.volume_in_sight if shown() else None
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
                partial(take_window, one.id),
                partial(suits, one.modality),
                False,
            )
            for one in known
        ),
        *(
            Command("Views", f"{words} view large, and back", f"Ctrl+{n + 1}", partial(grid, "enlarge", name), shown)
            for n, (name, words) in enumerate(_VIEWS)
        ),
        Command("Views", "Less of the second scan", ",", lambda: window.session.second.blend_step(-1), fused, bound=False),
        Command("Views", "More of the second scan", ".", lambda: window.session.second.blend_step(1), fused, bound=False),
        Command("Views", "Second scan on or off", "B", lambda: window.session.second.switch(), fused, bound=False),
        Command("Views", "Window of the second scan by itself", "", lambda: window.session.second.take_window(None), fused),
        Command("Views", "Standard view", "R", lambda: grid("standard_view"), shown, bound=False),
        Command("Views", "Measure a distance", "D", lambda: grid("start_tool", "distance"), shown, bound=False),
        Command("Views", "Measure an angle", "A", lambda: grid("start_tool", "angle"), shown, bound=False),
        *(Command("Views", f"Switch {name}", "", partial(switch, name), shown, title=partial(switch_words, name)) for name in _SWITCHES),
    )
