"""Where do the plans of this run's starts lie, and of which tables was each made?

A phase that is started again moves its folder aside; the plan that was approved or begun may lie in any of them.
Nothing here writes.
"""

import json
import re
from pathlib import Path
from typing import Final

from crmbook.errors import DataError
from crmbook.runs import Run

INPUTS: Final = "plan_inputs.json"


def folders_with_plan(run: Run) -> list[Path]:
    """Data folders of this phase that hold a plan: the present one, then those moved away, newest first."""
    numbered = [
        (int(found[1]), path)
        for path in run.folder.glob(f"{run.phase}~*")
        if (found := re.fullmatch(r".*~(\d+)", path.name))
    ]
    folders = [run.phase_folder, *(path for _, path in sorted(numbered, reverse=True))]
    needed = ("plan.parquet", "existing.parquet")
    return [f / "data" for f in folders if all((f / "data" / name).exists() for name in needed)]


def inputs(folder: Path) -> dict[str, str]:
    """The tables the plan in *folder* was made of, each with its hash; empty where nobody noted them."""
    try:
        return dict(json.loads((folder / INPUTS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as problem:
        raise DataError(
            f"{INPUTS}: not valid JSON ({problem}); delete the folder's plan and run 05_load again"
        ) from None
