"""`mpt show`: everything behind a digest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

import mpt
from mpt.commands.terminal.console import err, out


def show(
    digest: Annotated[str, typer.Argument(help="A digest from a report, or its first digits.")],
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Analyse its prompt: norms, nearest tokens, drift.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show everything behind a number.

    For the unit with this digest: configuration, software, data, prompt, MLflow run and scores.

    Example: mpt show 1f2e3d --prompt
    """
    import yaml

    shown = mpt.show(digest, prompt=prompt)
    unit, found, view, fault = shown.unit, shown.origin, shown.view, shown.fault
    if fault:
        line = f"warning: the ledger's row of {unit.digest} is damaged ({fault}); "
        err.line(f"{line}`mpt studies forget {unit.digest}`")
    made, result = unit.result, shown.result
    software, numerics = (part and part.stored() for part in (made.software, made.numerics))
    fields: dict[str, object] = {
        "digest": unit.digest,
        "kind": unit.kind,
        "state": unit.state,
        "created": unit.created.isoformat(timespec="seconds"),
        "seconds": unit.seconds,
        "software": software or "not recorded (made by an earlier mpt)",
        "numerics": numerics or "not recorded (made by an earlier mpt)",
        "prompt": str(found.prompt) if found.prompt else found.fault or "none",
        "mlflow runs": "MLflow did not answer" if found.runs is None else list(found.runs),
        "result": result,
        "config": unit.config.stored(),
    }
    if json:
        keys = {"software": software, "numerics": numerics}
        keys |= {"prompt": str(found.prompt) if found.prompt else None}
        keys |= {"prompt fault": found.fault} if found.fault else {}
        fields |= {
            **keys,
            "mlflow runs": found.runs,
            "result": {**result, "curve": list(unit.curve)},
        }
        fields = {name.replace(" ", "_"): value for name, value in fields.items()}
        fields |= {"prompt_view": asdict(view)} if view else {}
        out.json(fields)
        return
    if unit.curve and not fault:
        fields["result"] = {
            **result,
            "training loss": f"{unit.curve[0]:.4f} to {unit.curve[-1]:.4f}",
        }
    printed = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, width=100)
    for line in printed.rstrip().split("\n"):
        out.line(line)
    if view:
        from mpt.report.views import prompt_sheet

        out.sheet(prompt_sheet(view))
