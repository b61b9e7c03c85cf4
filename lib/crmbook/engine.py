"""Papermill's engine, which writes the notebook to disk twice a cell, made to write it now and then.

The executed notebook holds every figure, so each write takes longer than most cells: half of what papermill costs. It is
written at the start, then at most every few seconds, and whole at the end, however that comes.
"""

from typing import Any, Final

from papermill.engines import NBClientEngine, papermill_engines

NAME: Final = "crmbook"
_EVERY_S: Final = 5.0


class SparingEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Cells are executed as by papermill's own engine."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        whole = nb_man.save

        def save(**_: Any) -> None:
            if (nb_man.now() - nb_man.last_save_time).total_seconds() >= _EVERY_S:
                whole()

        nb_man.save = save
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            nb_man.save = whole


papermill_engines.register(NAME, SparingEngine)
