"""``migrator explain``: what a rule detects, why it matters, how to fix it."""

from __future__ import annotations

import argparse
import sys

from migrator.cli import options
from migrator.errors import EXIT_YES


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "explain",
        help="one rule of the audit: what it detects, why it matters, how to fix, limits",
        description="Explain rules of `migrator audit`, or list them all.",
    )
    parser.add_argument(
        "rules",
        nargs="*",
        metavar="RULE",
        help="a code (S101), a name, the code of a plan's blocker (unknown_op), or several rules "
        "to list: a family, the beginning of a code",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "markdown"),
        default="text",
        help="of the result (text)",
    )
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.auditing.facts.blocker_codes import rule_code
    from migrator.auditing.policy.selection import rules_called
    from migrator.auditing.registry import all_rules
    from migrator.report.explain import explain_list, explain_result, explain_text, rules_markdown
    from migrator.report.json_v1 import dumps

    words = [rule_code(word) or word.replace("_", "-") for word in args.rules]
    groups = [rules_called(word) for word in words] or [all_rules()]
    rules = list(dict.fromkeys(rule for group in groups for rule in group))
    if args.format == "json":
        text = dumps(explain_result(rules))
    elif args.format == "markdown":
        text = rules_markdown(rules)
    elif words and all(len(group) == 1 for group in groups):
        text = "\n".join(map(explain_text, rules))
    else:
        text = explain_list(rules)
    sys.stdout.write(text)
    return EXIT_YES
