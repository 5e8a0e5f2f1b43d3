"""Names that others might give, each holding what some reader would act on."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    *("[/v2]", "[lr=0.1]", "[bold red]", "[link=http://a.b]c[/link]", ":smile:", "[@click=x]"),
    *("\x1b[31m", "\x1b]0;owned\x07", "\x9b2J", "\x07", "\x7f", "\x00", "\r", "\n", "\t", "\x0c"),
    *("\u202e", "\u2066", "\u200b", "\u2028", "\x85", "\xa0", "\ufeff", "\U000e0041"),
    *("<script>alert(1)</script>", "<img src=x onerror=y>", "&lt;", "&", '"', "'", "{{ 7 * 7 }}"),
    *("|", "`", "``", "**", "_", "~~", "](http://a.b)", "![i](http://a.b/c)", "[x]: y", "<!--"),
    *(
        "http://a.b",
        "www.a.b",
        "a@b.c",
        "# ",
        "> ",
        "- ",
        "1. ",
        "1234) ",
        "---",
        "\\",
        "\\x1b",
        "\\|",
    ),
    *("$x$", "$\\frac$", "%", "_{", "^", "~", "{", "}", "\\input{x}", "\\\\", "--", "#1", "''"),
    *("=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", "'=x", "\t=1", "＝1"),
    *("maml", "MAML", "Größe", "模型", "a b", "a  b", "->", "-", "+", "0.5", "-0.5", " "),
)

names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
"""Any of these, one behind the other."""
