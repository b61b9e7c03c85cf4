"""Coverage-guided fuzzing of one reader: `python tests/fuzz/run.py TARGET [-max_total_time=600 …]` (libFuzzer's options).

Needs atheris, which is not part of the lock: an environment of its own beside the project's will do,

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install --require-hashes -r requirements.lock
    FOLDER/bin/pip install atheris==3.0.0 && FOLDER/bin/pip install --no-deps --no-build-isolation -e .

What it finds new goes to a temporary folder it names; tests/fuzz/corpus holds the few inputs worth keeping, which
tests/test_hostile.py replays. Without arguments the targets are listed.
"""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]


def main() -> None:
    import atheris
    import stamina

    from fuzz import targets

    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        sys.exit(f"targets: {', '.join(targets.TARGETS)}")
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=targets.READERS):
        reader = targets.target(name)
    stamina.set_testing(True, attempts=1)
    work = Path(os.environ.get("FUZZ_WORK") or tempfile.mkdtemp(prefix="crmbook-fuzz-")) / name
    work.mkdir(parents=True, exist_ok=True)
    print(f"new inputs and findings: {work}", file=sys.stderr)
    given = [
        f"-artifact_prefix={work}/finding-",
        "-timeout=20",
        "-rss_limit_mb=3000",
        "-max_len=8192",
        *sys.argv[1:],
    ]
    atheris.Setup([sys.argv[0], *given, str(work), str(HERE / "corpus" / name)], reader)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
