"""Duraplan: the window, or a verb of the command line. Nothing heavy is imported before it must be."""

import sys

VERBS = ("scan", "anatomy", "plan", "report", "example")


def main() -> int:
    """The exit code: 0 done, 1 refused, 2 a wrong command line, 130 interrupted."""
    arguments = sys.argv[1:]
    try:
        if arguments and (arguments[0] in VERBS or arguments[0].startswith("-") or len(arguments) > 1):
            from app.command_line import run

            return run(arguments)
        from app.screen import NO_SCREEN, has_screen

        if not has_screen():
            print(NO_SCREEN, file=sys.stderr)
            return 1
        from app.start import run as run_window

        return run_window(sys.argv)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
