"""How the window looks: a theme of the viewer as a Qt palette, a stylesheet and a font. Painted widgets ask `theme()`."""

from __future__ import annotations

from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from planner.evidence import RESOURCES
from viewer.theme import THEMES, Theme, ThemeName
from viewer.theme import theme as named_theme

FONT = "Inter"
_PANEL_WIDTH = 330
_PROJECTOR_SCALE = 1.3

_SHEET = Template("""
* { font-size: ${size}px; }
QWidget { color: $text; }
QMainWindow, QWidget#window { background: $window; }
QToolTip { background: $panel; color: $text; border: 1px solid $edge; padding: 4px; }
QWidget#topbar, QWidget#statusline, QWidget#rail { background: $window; }
QWidget#topbar { border-bottom: 1px solid $edge; }
QWidget#statusline { border-top: 1px solid $edge; }
QWidget#rail { border-right: 1px solid $edge; }
QWidget#panel { border-right: 1px solid $edge; background: $window; }
QScrollArea, QScrollArea > QWidget > QWidget#body { background: transparent; border: none; }
QWidget#notice { background: $chosen; border-bottom: 1px solid $edge; }
QFrame#overlay { background: $panel; border: 1px solid $edge; border-radius: 10px; }

QLabel { background: transparent; }
QLabel[role="brand"] { font-weight: 600; font-size: ${brand}px; }
QLabel[role="title"] { font-weight: 600; font-size: ${title}px; }
QLabel[role="head"] { font-weight: 600; }
QLabel[role="number"] { font-weight: 600; }
QLabel[role="lead"], QLabel[role="muted"] { color: $muted; }
QLabel[role="small"] { color: $muted; font-size: ${small}px; }
QLabel[role="caution"] { color: $caution; }
QLabel[role="bad"] { color: $bad; }
QLabel[role="good"] { color: $good; }
QLabel[role="chip"] { color: $muted; border: 1px solid $edge; border-radius: 9px; padding: 1px 7px; font-size: ${small}px; }
QLabel[role="chip caution"] { color: $caution; border: 1px solid $caution; border-radius: 9px; padding: 1px 7px; font-size: ${small}px; }

QFrame[role="card"] { background: $panel; border: 1px solid $edge; border-radius: 8px; padding-left: 3px; }
QFrame[role="card chosen"] { background: $panel; border: 1px solid $good; border-left: 4px solid $good; border-radius: 8px; }
QFrame[role="card current"] { background: $panel; border: 1px solid $accent; border-left: 4px solid $accent; border-radius: 8px; }
QFrame[role="card caution"] { background: $panel; border: 1px solid $caution; border-radius: 8px; }
QFrame[role="card bad"] { background: $panel; border: 1px solid $bad; border-radius: 8px; }

QPushButton { background: $panel; border: 1px solid $edge; border-radius: 6px; padding: 5px 11px; min-height: ${line}px; }
QPushButton:hover { background: $chosen; }
QPushButton:pressed { background: $field; }
QPushButton:focus { border: 1px solid $accent; }
QPushButton:checked { background: $chosen; border: 1px solid $accent; }
QPushButton:disabled { color: $faint; background: transparent; }
QPushButton[role="next"] { background: $accent; color: $accent_text; border: 1px solid $accent; font-weight: 600; }
QPushButton[role="next"]:hover { background: $accent_hover; }
QPushButton[role="next"]:focus { border: 2px solid $text; }
QPushButton[role="link"] { background: transparent; border: 1px solid transparent; color: $accent; padding: 1px 3px; text-align: left; }
QPushButton[role="link"]:hover { text-decoration: underline; }
QPushButton[role="link"]:focus { border: 1px solid $accent; border-radius: 4px; }
QPushButton[role="row"] { background: transparent; border: 1px solid transparent; padding: 3px 0; text-align: left; font-weight: 600; }
QPushButton[role="row"]:hover { background: $chosen; }
QPushButton[role="row"]:focus { border: 1px solid $accent; }
QPushButton[role="small"] { padding: 1px 6px; min-height: ${line}px; }
QPushButton[role="likely"] { padding: 1px 2px; border: 1px solid $accent; color: $accent; font-weight: 600; }
QPushButton[role="level"] { padding: 1px 2px; }
QPushButton::menu-indicator { image: none; width: 0; }

QLineEdit, QDoubleSpinBox, QComboBox, QPlainTextEdit, QListWidget {
    background: $field; border: 1px solid $edge; border-radius: 5px; padding: 3px 6px;
    selection-background-color: $accent; selection-color: $accent_text; }
QLineEdit:focus, QDoubleSpinBox:focus, QComboBox:focus, QPlainTextEdit:focus, QListWidget:focus { border: 1px solid $accent; }
QDoubleSpinBox { padding-right: 2px; }
QDoubleSpinBox::up-button, QDoubleSpinBox::down-button { width: 0; border: none; }
QComboBox { padding-right: 22px; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox QAbstractItemView { background: $panel; border: 1px solid $edge; selection-background-color: $chosen; selection-color: $text; }
QListWidget::item { padding: 5px 6px; border-radius: 4px; }
QListWidget::item:selected { background: $chosen; color: $text; }
QRadioButton, QCheckBox { spacing: 7px; padding: 2px; border: 1px solid transparent; border-radius: 4px; }
QRadioButton:focus, QCheckBox:focus { border: 1px solid $accent; }
QRadioButton::indicator { width: 13px; height: 13px; border-radius: 8px; border: 1.5px solid $muted; background: $field; }
QRadioButton:disabled { color: $faint; }
QRadioButton::indicator:disabled { border: 1.5px dashed $faint; background: transparent; }
QRadioButton::indicator:checked { border: 1.5px solid $accent;
    background: qradialgradient(cx:0.5, cy:0.5, radius:0.5, fx:0.5, fy:0.5,
        stop:0 $accent, stop:0.5 $accent, stop:0.62 $field, stop:1 $field); }
QMenu { background: $panel; border: 1px solid $edge; padding: 5px; }
QMenu::item { padding: 5px 22px 5px 12px; border-radius: 4px; }
QMenu::item:selected { background: $chosen; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $edge; margin: 4px 6px; }
QSlider::groove:horizontal { height: 5px; background: $edge; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider[material="blood"]::sub-page:horizontal { background: $patch; }
QSlider[material="fibrin"]::sub-page:horizontal { background: $fibrin; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: $text; border: 1px solid $edge; }
QSlider::handle:horizontal:focus { border: 2px solid $accent; }
QProgressBar { background: $edge; border: none; border-radius: 3px; min-height: 6px; max-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QScrollBar:vertical { background: transparent; width: 9px; margin: 0; }
QScrollBar::handle:vertical { background: $edge; border-radius: 4px; min-height: 30px; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page { height: 0; background: transparent; }
QTextBrowser { background: $field; border: 1px solid $edge; border-radius: 5px; }
""")


def apply(application: QApplication, name: ThemeName) -> Theme:
    """Give the whole program the looks of a theme; painted widgets find it by `theme()`."""
    chosen = named_theme(name)
    load_fonts()
    application.setStyle("Fusion")
    size = 13 if name != "projector" else round(13 * _PROJECTOR_SCALE)
    font = QFont(FONT)
    font.setPixelSize(size)
    font.setFeature(QFont.Tag("tnum"), 1)  # numbers stand in columns
    application.setFont(font)
    application.setPalette(_palette(chosen))
    application.setProperty("theme", name)
    application.setStyleSheet(sheet(chosen, size))
    return chosen


def panel_width(name: ThemeName) -> int:
    """How wide a panel is in a theme, logical pixels: text that is larger needs more."""
    return round(_PANEL_WIDTH * (_PROJECTOR_SCALE if name == "projector" else 1.0))


def load_fonts() -> None:
    """Make the program's own typeface known to Qt, once."""
    if FONT in QFontDatabase.families():
        return
    for path in sorted((RESOURCES / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))


def theme() -> Theme:
    """The theme that the program wears now."""
    application = QApplication.instance()
    name = application.property("theme") if application else None
    return named_theme(name if name in THEMES else "dark")


def sheet(chosen: Theme, size: int) -> str:
    """The stylesheet of a theme with text of `size` logical pixels."""
    colours = {meaning.replace(" ", "_"): colour for meaning, colour in chosen.colours.items()}
    faint = mixed(chosen.colour("muted"), chosen.colour("window"), 0.55)
    return _SHEET.substitute(
        colours,
        size=size,
        small=round(size * 0.87),
        title=round(size * 1.3),
        brand=round(size * 1.1),
        line=round(size * 1.35),
        faint=faint.name(),
        accent_hover=mixed(chosen.colour("accent"), chosen.colour("text"), 0.85).name(),
    )


def mixed(one: QColor, other: QColor, share: float) -> QColor:
    """`share` of the one colour and the rest of the other."""
    pairs = ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    return QColor(*(round(a * share + b * (1 - share)) for a, b in pairs))


def _palette(chosen: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for meaning, roles in {
        "window": (role.Window,),
        "field": (role.Base, role.AlternateBase),
        "panel": (role.Button, role.ToolTipBase),
        "text": (role.WindowText, role.Text, role.ButtonText, role.ToolTipText),
        "muted": (role.PlaceholderText,),
        "accent": (role.Highlight, role.Link, role.Accent),
        "accent text": (role.HighlightedText,),
        "edge": (role.Mid,),
    }.items():
        for one in roles:
            palette.setColor(one, chosen.colour(meaning))
    return palette
