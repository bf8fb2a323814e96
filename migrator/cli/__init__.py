"""The command line: one file a verb, each with ``configure_parser`` and ``execute``."""
